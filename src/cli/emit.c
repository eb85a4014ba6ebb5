/* rouse emit: says something on a topic, as an agent does. */
/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

bool
verb_emit(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	const char *data = cli_opt(cli, "data");
	json_t *value = NULL;
	int64_t heard;

	if (data && !cli_data_json("--data", data, &value, err))
		return false;
	if (value)
		json_object_set_new(body, "data", value);
	json_put_str(body, "event_type", cli_opt(cli, "type"));
	json_put_str(body, "key", cli_opt(cli, "key"));
	if (!cli_post(cli, body, &reply, err, "/v1/topics/%s/emit", cli_arg(cli, 0)))
		return false;
	if (cli_json(cli, &reply))
		return true;
	heard = json_int(reply.json, "heard", 0);
	print_f(&cli->out, "%lld trigger%s of topic %s\n", (long long)heard, heard == 1 ? "" : "s",
		cli_arg(cli, 0));
	if (!heard)
		cli_note("nobody listens to this topic; rouse trigger list shows who listens to "
			 "what");
	return true;
}
