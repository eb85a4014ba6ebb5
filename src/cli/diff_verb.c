/* rouse diff: of a batch, a run or a change. */
/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/diff.h"
#include "cli/look.h"

#define FEW 50 /* so many are shown one by one */
#define GROUPS 20
#define GROUPS_ALL 500

static bool
put_csv(void *arg, const json_t *items, struct err *err)
{
	struct cli *cli = arg;

	diff_print_csv(&cli->out, items);
	return print_flush(&cli->out, err);
}

static bool
put_json(void *arg, const json_t *items, struct err *err)
{
	struct cli *cli = arg;
	const json_t *change;
	size_t i;

	json_array_foreach (items, i, change) {
		AUTO(buf_fini) struct buf line = BUF_INIT;

		json_write(&line, change);
		print_json(&cli->out, buf_str(&line));
	}
	return print_flush(&cli->out, err);
}

static bool
put_one_by_one(void *arg, const json_t *items, struct err *err)
{
	struct cli *cli = arg;

	for (size_t i = 0; i < json_array_size(items); i++)
		diff_print_change(&cli->out, json_array_get(items, i));
	return print_flush(&cli->out, err);
}

static bool
put_few(struct cli *cli, const char *look, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	bool more;

	if (!look_page(cli, look, 0, FEW, &reply, &more, err))
		return false;
	diff_print(&cli->out, json_object_get(reply.json, "items"),
		   &(struct diff_options){.each = cli_has(cli, "all") ? 0 : 10});
	return true;
}

static bool
put_groups(struct cli *cli, const json_t *look, const char *id, struct err *err)
{
	look_print(&cli->out, look);
	if (!cli_has(cli, "all"))
		return true;
	print_f(&cli->out, "\nAll of them, what needs eyes first:\n");
	return print_flush(&cli->out, err) && look_each(cli, id, put_one_by_one, cli, err);
}

/* Under which digest exactly this is approved, for who looks at it. */
static void
put_digest(struct cli *cli, const json_t *look)
{
	const char *word =
		json_str(look, "batch") ? json_str(look, "batch") : json_str(look, "run");
	const char *digest = json_str(look, "digest");

	if (!word || !digest || !cli->out.terminal || cli_opt(cli, "entity") ||
	    cli_opt(cli, "where"))
		return;
	print_f(&cli->out, "Approve exactly this: rouse approve ");
	print_text(&cli->out, word);
	print_f(&cli->out, " --digest %s\n", digest);
}

bool
verb_diff(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply look = CLIENT_REPLY_INIT;
	const char *word = cli_arg(cli, 0), *id;
	int64_t total;

	if (!look_get(cli, word, NULL, cli_has(cli, "all") ? GROUPS_ALL : GROUPS, &look, err))
		return false;
	id = json_str(look.json, "look");
	total = json_int(look.json, "total", 0);
	if (!id)
		return err_set(err, E_CORRUPT, "the daemon answered a diff without its name");
	if (!total && strchr(word, '/') && !cli_opt(cli, "where") && !cli_opt(cli, "entity"))
		return err_set(err, E_NOT_FOUND, "there is no batch with changes called %s", word);
	if (cli_has(cli, "html"))
		return diff_print_html(cli, look.json, err);
	if (cli_has(cli, "csv")) {
		diff_print_csv_head(&cli->out);
		return look_each(cli, id, put_csv, cli, err);
	}
	if (cli->out.json)
		return look_each(cli, id, put_json, cli, err);
	if (!(total <= FEW ? put_few(cli, id, err) : put_groups(cli, look.json, id, err)))
		return false;
	put_digest(cli, look.json);
	return true;
}
