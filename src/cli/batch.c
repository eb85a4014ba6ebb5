/* rouse batch list, show, start, pause, resume, cancel. */
/* SPDX-License-Identifier: MIT */
#include "cli/batch.h"

#include <string.h>

static const struct column list_columns[] = {
	{"BATCH", "id", CELL_TEXT},	      {"STATE", "state", CELL_STATUS},
	{"ENTITIES", "entities", CELL_COUNT}, {"DONE", "done", CELL_COUNT},
	{"RUNNING", "running", CELL_COUNT},   {"SKIPPED", "skipped", CELL_COUNT},
	{"FAILED", "failed", CELL_COUNT},     {"LEFT", "left", CELL_COUNT},
	{"COST", "cost_usd", CELL_MONEY},     {"STARTED", "started", CELL_TIME},
};

bool
verb_batch_list(struct cli *cli, struct err *err)
{
	return cli_list(cli,
			&(struct cli_list){"/v1/batches", list_columns, ARRAY_LEN(list_columns),
					   "There is no batch."},
			err);
}

static bool
entities(struct cli *cli, const char *batch, struct err *err)
{
	static const struct column columns[] = {
		{"ENTITY", "entity", CELL_TEXT}, {"STATUS", "status", CELL_STATUS},
		{"REASON", "reason", CELL_TEXT}, {"COST", "cost_usd", CELL_MONEY},
		{"RUN", "run", CELL_ID},	 {"ENDED", "ended", CELL_TIME},
		{"ERROR", "error", CELL_TEXT},
	};
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_puts(&path, "/v1/batches/");
	client_encode(&path, batch);
	buf_puts(&path, "/entities");
	return cli_list(cli,
			&(struct cli_list){buf_cstr(&path), columns, ARRAY_LEN(columns),
					   "The batch has no such entity."},
			err);
}

bool
verb_batch_show(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	const char *batch = cli_arg(cli, 0);

	if (cli_has(cli, "entities"))
		return entities(cli, batch, err);
	if (cli_has(cli, "status"))
		return err_set(err, E_USAGE, "--status is for --entities");
	if (cli_has(cli, "follow") && !batch_follow(cli, batch, err))
		return false;
	if (!cli_get(cli, &reply, err, "/v1/batches/%s", batch))
		return false;
	if (!cli_json(cli, &reply))
		batch_print(cli, reply.json);
	return true;
}

static bool
start_body(struct cli *cli, json_t *body, struct err *err)
{
	static const char *const numbers[] = {"limit", "trial"};
	static const char *const texts[] = {"failed", "skipped"};
	const char *key;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		uint64_t n;

		if (!cli_number(cli, numbers[i], 0, 1, 1000000000, &n, err))
			return false;
		if (n)
			json_object_set_new(body, numbers[i], json_integer((json_int_t)n));
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		json_put_str(body, texts[i], cli_opt(cli, texts[i]));
	for (size_t i = 0; (key = opts_nth(&cli->opts, "only", i)); i++) {
		json_t *only = json_object_get(body, "only");

		if (!only) {
			only = json_array();
			json_object_set_new(body, "only", only);
		}
		json_array_append_new(only, json_string(key));
	}
	return true;
}

bool
verb_batch_start(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(client_reply_fini) struct client_reply end = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	const char *id;

	if (!start_body(cli, body, err) ||
	    !cli_post(cli, body, &reply, err, "/v1/batches/%s/start", cli_arg(cli, 0)))
		return false;
	id = json_str(reply.json, "id");
	if (!cli_has(cli, "wait")) {
		if (cli_json(cli, &reply))
			return true;
		print_text(&cli->out, id);
		print_f(&cli->out, "\n");
		return true;
	}
	if (!batch_follow(cli, id, err) || !cli_get(cli, &end, err, "/v1/batches/%s", id))
		return false;
	cli->status = batch_ended_well(end.json) ? 0 : 1;
	if (!cli_json(cli, &end))
		batch_print(cli, end.json);
	return true;
}

static bool
act(struct cli *cli, const char *verb, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();

	json_put_str(body, "reason", cli_opt(cli, "reason"));
	if (!cli_post(cli, body, &reply, err, "/v1/batches/%s/%s", cli_arg(cli, 0), verb))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_text(&cli->out, json_str(reply.json, "id"));
	print_f(&cli->out, " is %s\n", json_str(reply.json, "state"));
	return true;
}

bool
verb_batch_pause(struct cli *cli, struct err *err)
{
	return act(cli, "pause", err);
}

bool
verb_batch_resume(struct cli *cli, struct err *err)
{
	return act(cli, "resume", err);
}

bool
verb_batch_cancel(struct cli *cli, struct err *err)
{
	return act(cli, "cancel", err);
}
