/* rouse dlq list, show, replay, drop. */
/* SPDX-License-Identifier: MIT */
#include "cli/run.h"

#define DLQ_MOST 100000

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

static bool
replay_one(struct cli *cli, const char *id, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	const char *from = cli_opt(cli, "payload");
	json_t *payload = NULL;

	if (from && !cli_data_json("--payload", from, &payload, err))
		return false;
	if (payload)
		json_object_set_new(body, "payload", payload);
	if (!cli_post(cli, body, &reply, err, "/v1/dlq/%s/replay", id))
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

/* --all: the ids of all dead letters that the filters leave become the verb's arguments. */
static bool
args_from_filters(struct cli *cli, const char *what, json_t **ret_keep, bool *ret_on,
		  struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT, question = BUF_INIT;
	static const char *const filters[] = {"agent", "trigger", "reason"};
	const json_t *run;
	size_t i;

	*ret_on = true;
	if (!cli_has(cli, "all")) {
		for (i = 0; i < ARRAY_LEN(filters); i++)
			if (cli_opt(cli, filters[i]))
				return err_set(err, E_USAGE, "--%s goes with --all", filters[i]);
		if (!cli_arg(cli, 0))
			return err_set(err, E_USAGE,
				       "name the runs, or say --all (with --agent, "
				       "--trigger, --reason to narrow it)");
		return true;
	}
	if (cli_arg(cli, 0))
		return err_set(err, E_USAGE, "either runs by name, or --all");
	buf_puts(&path, "/v1/dlq");
	for (i = 0; i < ARRAY_LEN(filters); i++)
		cli_query(&path, filters[i], cli_opt(cli, filters[i]));
	if (!cli_fetch_all(cli, buf_cstr(&path), DLQ_MOST, ret_keep, err))
		return false;
	if (!json_array_size(*ret_keep)) {
		cli_note("There is no such dead letter.");
		*ret_on = false;
		return true;
	}
	buf_printf(&question, "%s %zu runs?", what, json_array_size(*ret_keep));
	if (!cli_confirm(cli, what, buf_cstr(&question), ret_on, err))
		return false;
	json_array_foreach (*ret_keep, i, run) {
		const char *id = json_str(run, "id");

		if (!id)
			return err_set(err, E_CORRUPT, "the daemon listed a run without an id");
		cli->opts.args =
			mem_realloc(cli->opts.args, (cli->opts.arg_count + 1) * sizeof(char *));
		cli->opts.args[cli->opts.arg_count++] = id;
	}
	return true;
}

static bool
dlq_act(struct cli *cli, const char *what, bool (*act)(struct cli *, const char *, struct err *),
	struct err *err)
{
	AUTO(json_auto_decref) json_t *keep = NULL;
	bool on, ok;

	if (!args_from_filters(cli, what, &keep, &on, err))
		return false;
	ok = !on || cli_each(cli, act, err);
	/* The ids belong to the list that ends here. */
	if (keep)
		cli->opts.arg_count = 0;
	return ok;
}

bool
verb_dlq_replay(struct cli *cli, struct err *err)
{
	return dlq_act(cli, "replay", replay_one, err);
}

bool
verb_dlq_drop(struct cli *cli, struct err *err)
{
	return dlq_act(cli, "drop", drop_one, err);
}
