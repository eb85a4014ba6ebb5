/* rouse doctor: what is wrong with the installation, and what to do about it. */
/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <string.h>

#include "cli/text.h"

#define CHECK_WIDTH 16

/* How it stands, the worst last; of what is not known as a failure. */
enum verdict { WELL, DOUBTFUL, ILL };

static enum verdict
verdict_of(const json_t *row)
{
	const char *state = json_str(row, "state");

	return !state ? ILL : !strcmp(state, "ok") ? WELL : !strcmp(state, "warn") ? DOUBTFUL : ILL;
}

/* Where no daemon answers: that, and what a program of our own sees from the outside. */
static bool
from_outside(struct cli *cli, const struct err *why, json_t *rows, struct err *err)
{
	const char *const args[] = {"--doctor", "-c", cli_config(cli), NULL};
	AUTO(buf_fini) struct buf said = BUF_INIT;
	json_t *daemon = json_object(), *row;
	struct str rest, line;

	json_put_str(daemon, "check", "daemon");
	json_put_str(daemon, "state", "fail");
	json_put_str(daemon, "found", err_text(why));
	json_put_str(daemon, "advice",
		     "systemctl start roused; journalctl -u roused says why it ended");
	json_array_append_new(rows, daemon);
	if (cli_opt(cli, "url"))
		return true;
	if (!cli_roused_try(args, 0, &said, err))
		return false;
	for (rest = buf_str(&said); rest.p && rest.len;) {
		rest = str_split(rest, '\n', &line);
		if (!line.len)
			continue;
		if (!json_read(line, &row, err))
			return err_prefix(err, "roused --doctor");
		json_array_append_new(rows, row);
	}
	return true;
}

static bool
rows_get(struct cli *cli, json_t **ret, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *rows = json_array();
	AUTO(err_fini) struct err why = ERR_INIT;

	if (cli_get(cli, &reply, &why, "/v1/doctor")) {
		if (!json_is_array(json_object_get(reply.json, "items")))
			return err_set(err, E_CORRUPT,
				       "the daemon answered /v1/doctor without items");
		json_array_extend(rows, json_object_get(reply.json, "items"));
	} else if (why.code != E_UNAVAILABLE) {
		return err_move(err, &why);
	} else if (!from_outside(cli, &why, rows, err)) {
		return false;
	}
	*ret = json_incref(rows);
	return true;
}

static void
put_row(struct cli *cli, const json_t *row)
{
	static const struct {
		const char *word;
		enum print_style style;
	} words[] = {{"ok  ", STYLE_GREEN}, {"warn", STYLE_YELLOW}, {"FAIL", STYLE_RED}};
	enum verdict verdict = verdict_of(row);
	const char *check = json_str(row, "check"), *advice = json_str(row, "advice");
	size_t len = check ? text_width(str_of(check)) : 0;

	print_styled(&cli->out, words[verdict].style, words[verdict].word);
	print_f(&cli->out, "  ");
	print_text(&cli->out, check);
	print_f(&cli->out, "%*s", len < CHECK_WIDTH ? (int)(CHECK_WIDTH - len) : 1, "");
	print_text(&cli->out, json_str(row, "found"));
	print_f(&cli->out, "\n");
	if (!advice)
		return;
	print_f(&cli->out, "%*s", CHECK_WIDTH + 6, "");
	print_style(&cli->out, STYLE_BOLD);
	print_text(&cli->out, advice);
	print_style(&cli->out, STYLE_PLAIN);
	print_f(&cli->out, "\n");
}

static void
put_verdict(struct cli *cli, size_t doubtful, size_t ill)
{
	if (!doubtful && !ill)
		print_styled(&cli->out, STYLE_GREEN, "Nothing is wrong.");
	else
		print_f(&cli->out, "%zu to mend, %zu to look at.", ill, doubtful);
	print_f(&cli->out, "\n");
}

bool
verb_doctor(struct cli *cli, struct err *err)
{
	AUTO(json_auto_decref) json_t *rows = NULL;
	size_t counts[ILL + 1] = {0}, i;
	json_t *row;

	if (!rows_get(cli, &rows, err))
		return false;
	json_array_foreach (rows, i, row) {
		counts[verdict_of(row)]++;
		if (cli->out.json) {
			AUTO(buf_fini) struct buf line = BUF_INIT;

			json_write(&line, row);
			print_json(&cli->out, buf_str(&line));
		} else {
			put_row(cli, row);
		}
	}
	cli->status = counts[ILL] ? 1 : 0;
	if (!cli->out.json)
		put_verdict(cli, counts[DOUBTFUL], counts[ILL]);
	return true;
}
