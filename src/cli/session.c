/* rouse session ...: conversations of agents. */
/* SPDX-License-Identifier: MIT */
#include "cli/run.h"

#include <string.h>

static const struct column list_columns[] = {
	{"SESSION", "id", CELL_ID},	     {"AGENT", "agent", CELL_TEXT},
	{"TENANT", "tenant", CELL_TEXT},     {"NAME", "name", CELL_TEXT},
	{"STATE", "state", CELL_TEXT},	     {"TURNS", "turns", CELL_COUNT},
	{"WAITING", "waiting", CELL_COUNT},  {"LAST RUN", "run", CELL_ID},
	{"RUN IS", "run_status", CELL_TEXT}, {"USED", "used", CELL_TIME},
};

static const struct column show_columns[] = {
	{"session", "id", CELL_ID},
	{"agent", "agent", CELL_TEXT},
	{"tenant", "tenant", CELL_TEXT},
	{"name", "name", CELL_TEXT},
	{"state", "state", CELL_TEXT},
	{"turns", "turns", CELL_TEXT},
	{"not done", "waiting", CELL_TEXT},
	{"last run", "run", CELL_ID},
	{"which is", "run_status", CELL_STATUS},
	{"created", "created", CELL_TIME},
	{"used", "used", CELL_TIME},
	{"ended", "ended", CELL_TIME},
	{"process", "process", CELL_JSON},
	{"checkpoint", "checkpoint", CELL_JSON},
};

static const struct column turn_columns[] = {
	{"TURN", "turn", CELL_COUNT},	   {"RUN", "id", CELL_ID},
	{"STATUS", "status", CELL_STATUS}, {"CREATED", "created", CELL_TIME},
	{"REASON", "reason", CELL_TEXT},   {"COST $", "cost_usd", CELL_MONEY},
};
#define TURNS_SHOWN 1000
#define SAME_NAME_MAX 1000

bool
verb_session_list(struct cli *cli, struct err *err)
{
	return cli_list(cli,
			&(struct cli_list){"/v1/sessions", list_columns, ARRAY_LEN(list_columns),
					   "There is no such session."},
			err);
}

/* AGENT/NAME is looked up; owned. */
static bool
session_id(struct cli *cli, const char *word, char **ret, struct err *err)
{
	const char *slash = strchr(word, '/');
	AUTO(auto_free)
	char *agent = slash ? str_dup(str_make(word, (size_t)(slash - word))) : NULL;
	AUTO(json_auto_decref) json_t *found = NULL;
	AUTO(buf_fini) struct buf path = BUF_INIT;

	if (!slash) {
		*ret = mem_strdup(word);
		return true;
	}
	buf_puts(&path, "/v1/sessions");
	cli_query(&path, "agent", agent);
	cli_query(&path, "name", slash + 1);
	cli_query(&path, "open", "1");
	if (!cli_fetch_all(cli, buf_cstr(&path), SAME_NAME_MAX, &found, err))
		return false;
	if (json_array_size(found) > 1)
		return err_set(err, E_USAGE,
			       "several tenants have a session %s; say its id (rouse session list "
			       "--name)",
			       word);
	*ret = mem_strdup(json_str(json_array_get(found, 0), "id"));
	return *ret || err_set(err, E_NOT_FOUND,
			       "agent %s has no open session %s; rouse session list shows them",
			       agent, slash + 1);
}

bool
verb_session_show(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *turns = NULL;
	AUTO(buf_fini) struct buf path = BUF_INIT;
	unsigned widths[ARRAY_LEN(turn_columns)] = {0};
	AUTO(auto_free) char *asked = NULL;
	const char *id;

	if (!session_id(cli, cli_arg(cli, 0), &asked, err) ||
	    !cli_get(cli, &reply, err, "/v1/sessions/%s", asked))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_fields(&cli->out, show_columns, ARRAY_LEN(show_columns), reply.json);
	id = json_str(reply.json, "id");
	if (!id)
		return true;
	buf_cat(&path, "/v1/runs?session=", id);
	if (!cli_fetch_all(cli, buf_cstr(&path), TURNS_SHOWN, &turns, err))
		return false;
	if (json_array_size(turns)) {
		print_f(&cli->out, "\n");
		print_table(&cli->out, turn_columns, ARRAY_LEN(turn_columns), turns, widths);
	}
	return true;
}

static bool
end_one(struct cli *cli, const char *word, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(auto_free) char *id = NULL;

	if (!session_id(cli, word, &id, err) ||
	    !cli_post(cli, NULL, &reply, err, "/v1/sessions/%s/end", id))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_text(&cli->out, word);
	print_f(&cli->out, " has ended\n");
	return true;
}

bool
verb_session_end(struct cli *cli, struct err *err)
{
	return cli_each(cli, end_one, err);
}
