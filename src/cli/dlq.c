/* rouse dlq list, show, replay, drop. */
/* SPDX-License-Identifier: MIT */
#include "cli/run.h"

#define DLQ_MOST 1000000
/* Of one request: what the daemon takes in one turn. */
#define IDS_A_REQUEST 200
#define GROUPS_SHOWN 20

static const struct column list_columns[] = {
	{"RUN", "id", CELL_ID},		 {"REASON", "reason", CELL_STATUS},
	{"AGENT", "agent", CELL_TEXT},	 {"TRIGGER", "trigger", CELL_TEXT},
	{"ENTITY", "entity", CELL_TEXT}, {"TRIES", "attempts", CELL_COUNT},
	{"ENDED", "ended", CELL_TIME},	 {"ERROR", "error", CELL_TEXT},
};

bool
verb_dlq_list(struct cli *cli, struct err *err)
{
	return cli_list(cli,
			&(struct cli_list){"/v1/dlq", list_columns, ARRAY_LEN(list_columns),
					   "There is no dead letter."},
			err);
}

bool
verb_dlq_show(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;

	if (!cli_get(cli, &reply, err, "/v1/runs/%s", cli_arg(cli, 0)))
		return false;
	if (cli_json(cli, &reply))
		return true;
	run_print(cli, reply.json);
	print_f(&cli->out, "\n");
	return run_print_stderr(cli, cli_arg(cli, 0), NULL, err);
}

/* What is done with dead letters: a verb and what its requests say. */
struct act {
	const char *verb; /* replay drop */
	bool (*one)(struct cli *, const char *, struct err *);
	json_t *body; /* but for the ids */
};

static bool
replay_body(struct cli *cli, json_t *body, struct err *err)
{
	const char *from = cli_opt(cli, "payload");
	json_t *payload = NULL;

	if (from && !cli_data_json("--payload", from, &payload, err))
		return false;
	if (payload)
		json_object_set_new(body, "payload", payload);
	return true;
}

static bool
replay_one(struct cli *cli, const char *id, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();

	if (!replay_body(cli, body, err) ||
	    !cli_post(cli, body, &reply, err, "/v1/dlq/%s/replay", id))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_text(&cli->out, json_str(reply.json, "run_id"));
	print_f(&cli->out, "\n");
	return true;
}

static bool
drop_one(struct cli *cli, const char *id, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();

	json_put_str(body, "reason", cli_opt(cli, "because"));
	if (!cli_post(cli, body, &reply, err, "/v1/dlq/%s/drop", id))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_text(&cli->out, id);
	print_f(&cli->out, " is dropped\n");
	return true;
}

/* --- many ---------------------------------------------------------------------------------- */

/* How many of each agent and reason. */
static json_t *
groups_of(const json_t *runs)
{
	AUTO(json_auto_decref) json_t *by_key = json_object();
	json_t *groups = json_array(), *group;
	const json_t *run;
	size_t i;

	json_array_foreach (runs, i, run) {
		AUTO(buf_fini) struct buf key = BUF_INIT;
		const char *agent = json_str(run, "agent"), *reason = json_str(run, "reason");

		buf_printf(&key, "%s %s", agent ? agent : "", reason ? reason : "");
		group = json_object_get(by_key, buf_cstr(&key));
		if (!group) {
			group = json_object();
			json_put_str(group, "agent", agent);
			json_put_str(group, "reason", reason);
			json_object_set(by_key, buf_cstr(&key), group);
			json_array_append_new(groups, group);
		}
		json_object_set_new(group, "runs", json_integer(json_int(group, "runs", 0) + 1));
	}
	return groups;
}

/* What would be done, before anybody is asked. */
static void
preview(struct cli *cli, const char *verb, const json_t *runs)
{
	static const struct column columns[] = {{"RUNS", "runs", CELL_COUNT},
						{"AGENT", "agent", CELL_TEXT},
						{"REASON", "reason", CELL_STATUS}};
	unsigned widths[ARRAY_LEN(columns)] = {0};
	AUTO(json_auto_decref) json_t *groups = groups_of(runs);
	size_t left = json_array_size(groups);

	if (cli->out.json) {
		json_t *run;
		size_t i;

		json_array_foreach (cli_has(cli, "plan") ? runs : NULL, i, run) {
			AUTO(buf_fini) struct buf line = BUF_INIT;

			json_write(&line, run);
			print_json(&cli->out, buf_str(&line));
		}
		return;
	}
	while (json_array_size(groups) > GROUPS_SHOWN)
		json_array_remove(groups, json_array_size(groups) - 1);
	print_table(&cli->out, columns, ARRAY_LEN(columns), groups, widths);
	if (left > GROUPS_SHOWN)
		print_f(&cli->out, "and %zu more kinds\n", left - GROUPS_SHOWN);
	print_f(&cli->out, "\n%zu dead letter%s to %s\n", json_array_size(runs),
		json_array_size(runs) == 1 ? "" : "s", verb);
}

static void
many_tell(struct cli *cli, const json_t *reply, size_t *failed)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(reply, "done"), i, item) {
		AUTO(buf_fini) struct buf line = BUF_INIT;

		json_write(&line, item);
		if (cli->out.json)
			print_json(&cli->out, buf_str(&line));
		else if (json_str(item, "run_id"))
			print_f(&cli->out, "%s\n", json_str(item, "run_id"));
		else if (cli_arg(cli, 0))
			print_f(&cli->out, "%s is dropped\n", json_str(item, "id"));
	}
	json_array_foreach (json_object_get(reply, "failed"), i, item) {
		AUTO(err_fini) struct err why = ERR_INIT;

		err_set(&why, E_STATE, "%s", json_str(item, "error"));
		cli_complain(&why);
		++*failed;
	}
}

static bool
many_do(struct cli *cli, const struct act *act, const json_t *runs, struct err *err)
{
	size_t total = json_array_size(runs), failed = 0;

	for (size_t done = 0; done < total;) {
		AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
		json_t *ids = json_array();

		for (size_t k = 0; k < IDS_A_REQUEST && done < total; k++, done++)
			json_array_append(ids, json_object_get(json_array_get(runs, done), "id"));
		json_object_set_new(act->body, "ids", ids);
		if (!cli_post(cli, act->body, &reply, err, "/v1/dlq/%s", act->verb))
			return false;
		many_tell(cli, reply.json, &failed);
		if (!print_flush(&cli->out, err))
			return false;
		print_progress(act->verb, done, total);
	}
	if (!cli->out.json && !cli_arg(cli, 0))
		cli_note("%zu of %zu: %s done", total - failed, total, act->verb);
	return !failed || err_set(err, E_STATE, "not all was done; what failed is said above");
}

/* The path of the list that --all and the filters leave; false without any: then ids are named. */
static bool
filters_path(struct cli *cli, struct buf *path, bool *ret_any, struct err *err)
{
	static const char *const filters[] = {"agent", "trigger", "reason", "entity", "tenant"};

	*ret_any = cli_has(cli, "all") || cli_opt(cli, "since");
	buf_puts(path, "/v1/dlq");
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		*ret_any |= cli_opt(cli, filters[i]) != NULL;
		cli_query(path, filters[i], cli_opt(cli, filters[i]));
	}
	return cli_query_since(cli, "since", "since", path, err);
}

static bool
dlq_act(struct cli *cli, const struct act *act, struct err *err)
{
	AUTO(json_auto_decref) json_t *runs = NULL;
	AUTO(buf_fini) struct buf path = BUF_INIT, question = BUF_INIT;
	bool any, on;

	if (!filters_path(cli, &path, &any, err))
		return false;
	if (any && cli_arg(cli, 0))
		return err_set(err, E_USAGE, "either runs by name, or filters");
	if (!any && !cli_arg(cli, 0))
		return err_set(err, E_USAGE,
			       "name the runs, or say which: --agent, --trigger, --reason, "
			       "--entity, --tenant, --since, or --all");
	if (!any && !cli_arg(cli, 1))
		return act->one(cli, cli_arg(cli, 0), err);
	if (!any) {
		runs = json_array();
		for (size_t i = 0; cli_arg(cli, i); i++)
			json_array_append_new(runs, json_pack("{s:s}", "id", cli_arg(cli, i)));
		return cli_has(cli, "plan") || many_do(cli, act, runs, err);
	}
	if (!cli_fetch_all(cli, buf_cstr(&path), DLQ_MOST, &runs, err))
		return false;
	if (!json_array_size(runs)) {
		cli_note("There is no such dead letter.");
		return true;
	}
	preview(cli, act->verb, runs);
	if (cli_has(cli, "plan"))
		return true;
	buf_printf(&question, "%s %zu runs?", act->verb, json_array_size(runs));
	if (!cli_confirm(cli, act->verb, buf_cstr(&question), &on, err))
		return false;
	return !on || many_do(cli, act, runs, err);
}

bool
verb_dlq_replay(struct cli *cli, struct err *err)
{
	AUTO(json_auto_decref) json_t *body = json_object();
	const char *from = cli_opt(cli, "payload");

	/* Standard input is read once: one run reads it for itself. */
	if (from && (!cli_arg(cli, 0) || cli_arg(cli, 1)) && !replay_body(cli, body, err))
		return false;
	return dlq_act(cli, &(struct act){"replay", replay_one, body}, err);
}

bool
verb_dlq_drop(struct cli *cli, struct err *err)
{
	AUTO(json_auto_decref) json_t *body = json_object();

	json_put_str(body, "reason", cli_opt(cli, "because"));
	return dlq_act(cli, &(struct act){"drop", drop_one, body}, err);
}
