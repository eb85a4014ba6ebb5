/* rouse trigger next: what calendars name. */
/* SPDX-License-Identifier: MIT */
#include "cli/schedule.h"

bool
verb_trigger_next(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(buf_fini) struct buf path = BUF_INIT;
	unsigned widths[SCHEDULE_COLUMNS] = {0};

	buf_puts(&path, "/v1/schedule");
	cli_query(&path, "trigger", cli_arg(cli, 0));
	cli_query(&path, "limit", cli_opt(cli, "count") ? cli_opt(cli, "count") : "5");
	if (!cli_query_since(cli, "from", "from", &path, err) ||
	    !schedule_get(cli, buf_cstr(&path), &reply, err))
		return false;
	if (!schedule_print(cli, json_object_get(reply.json, "items"), widths) && !cli->out.json)
		cli_note("%s", cli_arg(cli, 0) ? "It never fires again."
					       : "No trigger that is enabled follows a calendar.");
	return true;
}
