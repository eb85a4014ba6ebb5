/* rouse gate ...: questions that runs wait for. */
/* SPDX-License-Identifier: MIT */
#include "cli/run.h"

#include <string.h>

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
		{"on timeout", "on_timeout", CELL_TEXT},
		{"status", "status", CELL_STATUS},
		{"decision", "decision", CELL_TEXT},
		{"by", "by", CELL_TEXT},
		{"payload", "payload", CELL_JSON},
	};
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct client *client;

	buf_puts(&path, "/v1/gates/");
	client_encode(&path, cli_arg(cli, 0));
	if (!cli_client(cli, &client, err) || !client_get(client, buf_cstr(&path), &reply, err))
		return false;
	if (!cli_json(cli, &reply))
		print_fields(&cli->out, columns, ARRAY_LEN(columns), reply.json);
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
