/* rouse gate ..., inbox: what waits for a person. */
/* SPDX-License-Identifier: MIT */
#include "cli/run.h"

#include <string.h>

#define INBOX_MOST 100000

static const struct column list_columns[] = {
	{"GATE", "id", CELL_ID},	   {"KIND", "kind", CELL_TEXT},
	{"STATUS", "status", CELL_STATUS}, {"RUN", "run", CELL_ID},
	{"STEP", "step", CELL_TEXT},	   {"QUESTION", "question", CELL_TEXT},
	{"EXPIRES", "expires", CELL_TIME}, {"BY", "by", CELL_TEXT},
};

bool
verb_gate_list(struct cli *cli, struct err *err)
{
	return cli_list(cli,
			&(struct cli_list){"/v1/gates", list_columns, ARRAY_LEN(list_columns),
					   "There is no such gate."},
			err);
}

bool
verb_gate_show(struct cli *cli, struct err *err)
{
	static const struct column columns[] = {
		{"gate", "id", CELL_ID},
		{"run", "run", CELL_ID},
		{"kind", "kind", CELL_TEXT},
		{"step", "step", CELL_TEXT},
		{"question", "question", CELL_TEXT},
		{"may be", "allow", CELL_LIST},
		{"expires", "expires", CELL_TIME},
		{"status", "status", CELL_STATUS},
		{"decision", "decision", CELL_TEXT},
		{"by", "by", CELL_TEXT},
		{"payload", "payload", CELL_JSON},
	};
	AUTO(json_auto_decref) json_t *gates = NULL;
	const char *wanted = cli_arg(cli, 0);
	const json_t *gate, *found = NULL;
	size_t i;

	if (!cli_fetch_all(cli, "/v1/gates", INBOX_MOST, &gates, err))
		return false;
	json_array_foreach (gates, i, gate) {
		const char *id = json_str(gate, "id");

		if (!id || strncmp(id, wanted, strlen(wanted)))
			continue;
		if (found)
			return err_set(err, E_USAGE, "several gates begin with %s; say more of it",
				       wanted);
		found = gate;
	}
	if (!found)
		return err_set(err, E_NOT_FOUND, "there is no gate %s; rouse inbox has what waits",
			       wanted);
	if (cli->out.json) {
		AUTO(buf_fini) struct buf line = BUF_INIT;

		json_write(&line, found);
		print_json(&cli->out, buf_str(&line));
	} else {
		print_fields(&cli->out, columns, ARRAY_LEN(columns), found);
	}
	return true;
}

static bool
decide(struct cli *cli, const char *id, const char *decision, json_t *payload, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();

	json_put_str(body, "decision", decision);
	json_put_str(body, "reason", cli_opt(cli, "reason"));
	if (payload)
		json_object_set_new(body, "payload", payload);
	if (!cli_post(cli, body, &reply, err, "/v1/gates/%s/decide", id))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_text(&cli->out, id);
	print_f(&cli->out, ": %s\n", decision);
	return true;
}

static bool
approve_one(struct cli *cli, const char *id, struct err *err)
{
	return decide(cli, id, "approved", NULL, err);
}

static bool
deny_one(struct cli *cli, const char *id, struct err *err)
{
	return decide(cli, id, "denied", NULL, err);
}

static bool
ignore_one(struct cli *cli, const char *id, struct err *err)
{
	return decide(cli, id, "ignored", NULL, err);
}

bool
verb_gate_approve(struct cli *cli, struct err *err)
{
	return cli_each(cli, approve_one, err);
}

bool
verb_gate_deny(struct cli *cli, struct err *err)
{
	return cli_each(cli, deny_one, err);
}

bool
verb_gate_ignore(struct cli *cli, struct err *err)
{
	return cli_each(cli, ignore_one, err);
}

bool
verb_gate_edit(struct cli *cli, struct err *err)
{
	const char *from = cli_opt(cli, "payload");
	json_t *payload = NULL;

	if (!from)
		return err_set(err, E_USAGE,
			       "rouse gate edit wants --payload: what it should be instead");
	return cli_data_json("--payload", from, &payload, err) &&
	       decide(cli, cli_arg(cli, 0), "edited", payload, err);
}

bool
verb_gate_respond(struct cli *cli, struct err *err)
{
	const char *from = cli_opt(cli, "payload"), *text = cli_opt(cli, "text");
	json_t *payload = NULL;

	if (!from == !text)
		return err_set(err, E_USAGE, "rouse gate respond wants --text or --payload");
	if (from && !cli_data_json("--payload", from, &payload, err))
		return false;
	if (text)
		payload = json_string(text);
	if (!payload)
		return err_set(err, E_USAGE, "--text is not UTF-8");
	return decide(cli, cli_arg(cli, 0), "responded", payload, err);
}

/* The gates that nobody decided yet. */
static json_t *
gates_open(const json_t *gates)
{
	json_t *open = json_array(), *gate;
	size_t i;

	json_array_foreach (gates, i, gate) {
		const json_t *decision = json_object_get(gate, "decision");

		if (!decision || json_is_null(decision))
			json_array_append(open, gate);
	}
	return open;
}

/* A row for each run that proposes something: how much, on what. */
static json_t *
proposals_by_run(const json_t *changes)
{
	AUTO(json_auto_decref) json_t *by_run = json_object();
	json_t *rows = json_array(), *change;
	size_t i;

	json_array_foreach (changes, i, change) {
		const char *run = json_str(change, "run");
		json_t *row = run ? json_object_get(by_run, run) : NULL;

		if (!run)
			continue;
		if (!row) {
			row = json_pack("{s:s, s:s, s:i}", "kind", "proposed", "run", run,
					"changes", 0);
			json_put_str(row, "target", json_str(change, "target"));
			json_put_str(row, "created", json_str(change, "created"));
			json_array_append(rows, row);
			json_object_set_new(by_run, run, row);
		}
		json_object_set_new(row, "changes", json_integer(json_int(row, "changes", 0) + 1));
	}
	return rows;
}

static void
print_rows_json(struct cli *cli, const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		AUTO(buf_fini) struct buf line = BUF_INIT;

		json_write(&line, row);
		print_json(&cli->out, buf_str(&line));
	}
}

bool
verb_inbox(struct cli *cli, struct err *err)
{
	static const struct column gate_columns[] = {
		{"GATE", "id", CELL_ID},
		{"KIND", "kind", CELL_TEXT},
		{"RUN", "run", CELL_ID},
		{"STEP", "step", CELL_TEXT},
		{"QUESTION", "question", CELL_TEXT},
		{"EXPIRES", "expires", CELL_TIME},
	};
	static const struct column run_columns[] = {
		{"RUN", "run", CELL_ID},
		{"TARGET", "target", CELL_TEXT},
		{"PROPOSED", "changes", CELL_COUNT},
		{"SINCE", "created", CELL_TIME},
	};
	AUTO(json_auto_decref) json_t *gates = NULL, *changes = NULL, *open = NULL, *rows = NULL;
	unsigned gate_widths[ARRAY_LEN(gate_columns)] = {0},
		 run_widths[ARRAY_LEN(run_columns)] = {0};

	if (!cli_fetch_all(cli, "/v1/gates", INBOX_MOST, &gates, err) ||
	    !cli_fetch_all(cli, "/v1/changes?status=proposed", INBOX_MOST, &changes, err))
		return false;
	open = gates_open(gates);
	rows = proposals_by_run(changes);
	if (cli->out.json) {
		print_rows_json(cli, open);
		print_rows_json(cli, rows);
		return true;
	}
	print_table(&cli->out, gate_columns, ARRAY_LEN(gate_columns), open, gate_widths);
	if (json_array_size(open))
		print_f(&cli->out, "Decide: rouse gate show|approve|deny|respond GATE\n%s",
			json_array_size(rows) ? "\n" : "");
	print_table(&cli->out, run_columns, ARRAY_LEN(run_columns), rows, run_widths);
	if (json_array_size(rows))
		print_f(&cli->out, "Review: rouse diff RUN, then rouse approve|reject RUN\n");
	if (!json_array_size(open) && !json_array_size(rows))
		cli_note("Nothing waits.");
	return true;
}
