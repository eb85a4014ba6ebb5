/* rouse event list, show, replay. */
/* SPDX-License-Identifier: MIT */
#include "cli/run.h"

static const struct column list_columns[] = {
	{"EVENT", "id", CELL_ID},	   {"TIME", "time", CELL_TIME},
	{"TRIGGER", "trigger", CELL_TEXT}, {"OUTCOME", "outcome", CELL_STATUS},
	{"RULE", "rule", CELL_TEXT},	   {"KEY", "key", CELL_TEXT},
	{"RUN", "run", CELL_ID},
};

static const struct column event_columns[] = {
	{"event", "id", CELL_ID},
	{"time", "time", CELL_TIME},
	{"trigger", "trigger", CELL_TEXT},
	{"source", "source", CELL_TEXT},
	{"outcome", "outcome", CELL_STATUS},
	{"rule", "rule", CELL_TEXT},
	{"key", "key", CELL_TEXT},
	{"run", "run", CELL_ID},
};

bool
verb_event_list(struct cli *cli, struct err *err)
{
	return cli_list(cli,
			&(struct cli_list){"/v1/events", list_columns, ARRAY_LEN(list_columns),
					   "There is no such event."},
			err);
}

bool
verb_event_show(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	const json_t *document;

	if (!cli_get(cli, &reply, err, "/v1/events/%s", cli_arg(cli, 0)))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_fields(&cli->out, event_columns, ARRAY_LEN(event_columns), reply.json);
	document = json_object_get(reply.json, "document");
	if (!document)
		return true;
	json_write_pretty(&text, document);
	print_f(&cli->out, "\n");
	print_lines(&cli->out, "", buf_str(&text));
	return true;
}

static bool
replay_one(struct cli *cli, const char *id, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_pack("{s:b}", "force", 1);

	if (!cli_post(cli, body, &reply, err, "/v1/events/%s/replay", id))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_text(&cli->out, json_str(reply.json, "run_id"));
	print_f(&cli->out, "\n");
	return true;
}

bool
verb_event_replay(struct cli *cli, struct err *err)
{
	return cli_each(cli, replay_one, err);
}
