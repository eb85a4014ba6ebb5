/* rouse inbox: all that waits for a person; rouse notify: who is told of it. */
/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <inttypes.h>

#include "base/json.h"

static void
rows_json(struct cli *cli, const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		AUTO(buf_fini) struct buf line = BUF_INIT;

		json_write(&line, row);
		print_json(&cli->out, buf_str(&line));
	}
}

/* How one goes on, for each kind that is there; of several kinds the same once. */
static void
hints_print(struct cli *cli, const json_t *items)
{
	static const struct {
		const char *kind, *hint;
	} hints[] = {
		{"approval", "Look: rouse gate show ID; decide: rouse gate approve|deny ID"},
		{"ask", "Answer: rouse gate respond ID --text '...'"},
		{"batch", "Review a batch: rouse diff ID, then rouse review ID"},
		{"proposed", "Review a run: rouse diff ID, then rouse approve|reject ID"},
		{"conflict", "Someone was faster: rouse why ID"},
		{"failed", "Not applied: rouse why ID; again: rouse apply ID"},
		{"dead_letters", "Failed runs: rouse dlq list; again: rouse dlq replay RUN"},
	};

	for (size_t h = 0; h < ARRAY_LEN(hints); h++) {
		const json_t *item;
		size_t i;

		json_array_foreach (items, i, item) {
			const char *kind = json_str(item, "kind");

			if (!kind || strcmp(kind, hints[h].kind))
				continue;
			print_f(&cli->out, "%s\n", hints[h].hint);
			break;
		}
	}
}

bool
verb_inbox(struct cli *cli, struct err *err)
{
	static const struct column columns[] = {
		{"KIND", "kind", CELL_TEXT},   {"ID", "id", CELL_ID},
		{"RUN", "run", CELL_ID},       {"UNTIL", "expires", CELL_TIME},
		{"SINCE", "since", CELL_TIME}, {"AGENT", "agent", CELL_TEXT},
		{"WHAT", "about", CELL_TEXT},
	};
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	unsigned widths[ARRAY_LEN(columns)] = {0};
	const json_t *items, *counts;
	struct client *client;
	int64_t gates;

	if (!cli_client(cli, &client, err) || !client_get(client, "/v1/inbox", &reply, err))
		return false;
	items = json_object_get(reply.json, "items");
	counts = json_object_get(reply.json, "counts");
	if (cli->out.json) {
		rows_json(cli, items);
		return true;
	}
	if (!json_array_size(items)) {
		cli_note("Nothing waits.");
		return true;
	}
	print_table(&cli->out, columns, ARRAY_LEN(columns), items, widths);
	print_f(&cli->out, "\n");
	hints_print(cli, items);
	gates = json_int(counts, "gates", 0);
	if (gates > 200)
		cli_note("%" PRId64 " questions wait in all: rouse gate list --status waiting",
			 gates);
	return true;
}

/* --- who is told --------------------------------------------------------------------------- */

bool
verb_notify_list(struct cli *cli, struct err *err)
{
	static const struct column columns[] = {
		{"NOTIFY", "name", CELL_TEXT},		 {"KIND", "kind", CELL_TEXT},
		{"WAITING", "waiting", CELL_COUNT},	 {"SENT", "sent", CELL_COUNT},
		{"DROPPED", "dropped", CELL_COUNT},	 {"LAST SENT", "last_sent", CELL_TIME},
		{"NEXT TRY", "next_try", CELL_TIME},	 {"ON", "on", CELL_LIST},
		{"LAST ERROR", "last_error", CELL_TEXT},
	};
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	unsigned widths[ARRAY_LEN(columns)] = {0};
	const json_t *items;
	struct client *client;

	if (!cli_client(cli, &client, err) || !client_get(client, "/v1/notify", &reply, err))
		return false;
	items = json_object_get(reply.json, "items");
	if (cli->out.json)
		rows_json(cli, items);
	else if (json_array_size(items))
		print_table(&cli->out, columns, ARRAY_LEN(columns), items, widths);
	else
		cli_note("Nobody is told of anything: there is no [notify NAME].");
	return true;
}

bool
verb_notify_test(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();

	if (!cli_post(cli, body, &reply, err, "/v1/notify/%s/test", cli_arg(cli, 0)))
		return false;
	if (!cli_json(cli, &reply))
		print_f(&cli->out, "It was taken.\n");
	return true;
}
