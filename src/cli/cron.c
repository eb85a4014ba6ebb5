/* rouse cron next, explain. */
/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cron_words.h"
#include "cli/jsonl.h"
#include "pure/civil.h"
#include "pure/cron_next.h"

#define COUNT 5
#define COUNT_MOST 100000
#define EXPLAIN_NEXT 10

static void
instant_utc(int64_t seconds, struct buf *out)
{
	struct civil day = civil_of_days(civil_floor_div(seconds, DAY_S));
	int64_t of_day = seconds - civil_floor_div(seconds, DAY_S) * DAY_S;

	buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d", day.year, day.month, day.day,
		   (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60));
}

/* Local time with its offset, and the day of the week: what people want to see. */
static void
instant_local(const struct zone *zone, int64_t seconds, struct buf *out)
{
	int32_t offset = zone_span_at(zone, seconds).offset, away = offset < 0 ? -offset : offset;
	int64_t local = seconds + offset;

	buf_printf(out, "%s ", cron_weekday_name(civil_weekday(civil_floor_div(local, DAY_S))));
	instant_utc(local, out);
	buf_printf(out, "%c%02d:%02d", offset < 0 ? '-' : '+', away / 3600, away / 60 % 60);
}

static bool
from_parse(const char *text, struct wall *ret, struct err *err)
{
	if (wall_parse(str_of(text), ret))
		return true;
	return err_set(err, E_USAGE, "from %s: an instant as 2026-11-20T09:30:00Z was expected",
		       text);
}

static struct str
str_or_none(const char *text)
{
	return text ? str_of(text) : STR("");
}

/* Schedules repeat in a stream of lines; the last one is kept, for its zone is dear to read. */
struct lines {
	struct cli *cli;
	struct cron *cron;
	char *expr, *tz;
};

static void
lines_forget(struct lines *lines)
{
	free(TAKE(lines->expr));
	free(TAKE(lines->tz));
	cron_free(TAKE(lines->cron));
}

static bool
lines_cron(struct lines *lines, const char *expr, const char *tz, struct err *err)
{
	if (lines->cron && !strcmp(lines->expr, expr) && !strcmp(lines->tz, tz))
		return true;
	lines_forget(lines);
	if (!cron_new(str_of(expr), str_of(tz), STR("rouse"), &lines->cron, err))
		return false;
	lines->expr = mem_strdup(expr);
	lines->tz = mem_strdup(tz);
	return true;
}

static bool
line_next(struct lines *lines, const json_t *line, struct buf *out, struct err *err)
{
	const char *expr = json_str(line, "expr"), *tz = json_str(line, "tz");
	const char *from = json_str(line, "from");
	int64_t count = json_int(line, "count", COUNT);
	struct wall at = lines->cli->out.now;

	if (!expr)
		return err_set(err, E_INVALID, "the line has no expr");
	if (count < 0 || count > COUNT_MOST)
		return err_set(err, E_INVALID, "count is not between 0 and %d", COUNT_MOST);
	if ((from && !from_parse(from, &at, err)) || !lines_cron(lines, expr, tz ? tz : "", err))
		return false;
	for (int64_t i = 0; i < count && cron_next(lines->cron, at, &at); i++) {
		buf_puts(out, i ? ",\"" : "\"");
		instant_utc(at.ms / 1000, out);
		buf_puts(out, "Z\"");
	}
	return true;
}

static void
answer_line(void *arg, const json_t *line, const char *why)
{
	struct lines *lines = arg;
	struct buf *out = &lines->cli->out.buf;
	AUTO(buf_fini) struct buf next = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	buf_puts(out, "{\"id\":");
	jsonl_put_id(out, line);
	if (line && line_next(lines, line, &next, &err)) {
		buf_printf(out, ",\"next\":[%s]}\n", buf_cstr(&next));
		return;
	}
	buf_puts(out, ",\"error\":");
	buf_json_cstr(out, why ? why : err_text(&err));
	buf_puts(out, "}\n");
}

static bool
next_lines(struct cli *cli, struct err *err)
{
	struct lines lines = {.cli = cli};
	bool ok;

	if (cli_arg(cli, 0))
		return err_set(err, E_USAGE, "with --jsonl the expressions stand in the lines");
	ok = jsonl_each(STDIN_FILENO, &cli->out, answer_line, &lines, err);
	lines_forget(&lines);
	return ok;
}

static bool
cron_of(struct cli *cli, struct cron **ret, struct err *err)
{
	struct err why = ERR_INIT;

	if (cron_new(str_of(cli_arg(cli, 0)), str_or_none(cli_opt(cli, "tz")), STR("rouse"), ret,
		     &why))
		return true;
	return err_move(err, &why);
}

static void
put_instant(struct cli *cli, const struct zone *zone, struct wall at, size_t index)
{
	struct buf *out = &cli->out.buf;

	if (cli->out.json) {
		buf_puts(out, index ? ",\"" : "\"");
		instant_utc(at.ms / 1000, out);
		buf_puts(out, "Z\"");
		return;
	}
	instant_utc(at.ms / 1000, out);
	buf_puts(out, "Z  ");
	instant_local(zone, at.ms / 1000, out);
	if (cli->out.terminal) {
		buf_puts(out, "  ");
		print_age(at, cli->out.now, out);
	}
	buf_putc(out, '\n');
}

static size_t
put_next(struct cli *cli, struct cron *cron, struct wall at, uint64_t count)
{
	size_t shown = 0;

	while (shown < count && cron_next(cron, at, &at))
		put_instant(cli, cron_zone(cron), at, shown++);
	return shown;
}

bool
verb_cron_next(struct cli *cli, struct err *err)
{
	AUTO(cron_auto_free) struct cron *cron = NULL;
	const char *from = cli_opt(cli, "from");
	struct wall at = cli->out.now;
	uint64_t count;
	size_t shown;

	if (cli_has(cli, "jsonl"))
		return next_lines(cli, err);
	if (!cli_arg(cli, 0))
		return err_set(err, E_USAGE,
			       "rouse cron next wants EXPR, as '0 9 * * MON-FRI', or --jsonl");
	if (!cli_number(cli, "count", COUNT, 1, COUNT_MOST, &count, err) ||
	    (from && !from_parse(from, &at, err)) || !cron_of(cli, &cron, err))
		return false;
	if (cli->out.json)
		print_f(&cli->out, "{\"next\":[");
	shown = put_next(cli, cron, at, count);
	if (cli->out.json)
		print_f(&cli->out, "]}\n");
	if (shown < count)
		cli_note(cron_expr(cron)->reboot
				 ? "It fires once when the daemon starts, never by the clock."
			 : shown ? "And then never again."
				 : "It never fires.");
	return true;
}

/* The next change of the zone's offset after now; false: there is none. */
static bool
next_transition(const struct zone *zone, int64_t now, int64_t *ret)
{
	struct zone_span span = zone_span_at(zone, now);

	if (span.until >= ZONE_MAX)
		return false;
	*ret = span.until;
	return true;
}

static void
explain_json(struct cli *cli, struct cron *cron, const char *plain, const char *words)
{
	struct buf *out = &cli->out.buf;

	buf_puts(out, "{\"expr\":");
	buf_json_cstr(out, plain);
	buf_puts(out, ",\"text\":");
	buf_json_cstr(out, words);
	buf_printf(out, ",\"class\":\"%s\",\"tz\":",
		   cron_expr(cron)->reboot   ? "reboot"
		   : cron_expr(cron)->rhythm ? "rhythm"
					     : "appointment");
	buf_json_cstr(out, zone_name(cron_zone(cron)));
	buf_puts(out, ",\"next\":[");
	put_next(cli, cron, cli->out.now, EXPLAIN_NEXT);
	buf_puts(out, "]}\n");
}

static void
explain_class(struct cli *cli, struct cron *cron)
{
	const struct zone *zone = cron_zone(cron);
	AUTO(buf_fini) struct buf at = BUF_INIT;
	int64_t change;

	if (cron_expr(cron)->reboot)
		return;
	print_f(&cli->out, "class   %s\n",
		cron_expr(cron)->every_s  ? "interval: follows real time, the same in every zone"
		: cron_expr(cron)->rhythm ? "rhythm: follows real time; nothing extra when clocks "
					    "skip, both passes when they repeat"
					  : "appointment: once a matching date; a skipped time "
					    "fires when the clock goes on, a "
					    "repeated one the first time");
	print_f(&cli->out, "zone    %s", zone_name(zone));
	if (next_transition(zone, cli->out.now.ms / 1000, &change)) {
		instant_local(zone, change, &at);
		print_f(&cli->out, "; its offset changes next on %s", buf_cstr(&at));
	}
	print_f(&cli->out, "\n");
}

bool
verb_cron_explain(struct cli *cli, struct err *err)
{
	AUTO(cron_auto_free) struct cron *cron = NULL;
	AUTO(buf_fini) struct buf plain = BUF_INIT, words = BUF_INIT;
	AUTO(err_fini) struct err never = ERR_INIT;

	if (!cron_of(cli, &cron, err))
		return false;
	cron_print(cron_expr(cron), &plain);
	cron_words(buf_str(&plain), &words);
	if (cli->out.json) {
		explain_json(cli, cron, buf_cstr(&plain), buf_cstr(&words));
		return true;
	}
	print_f(&cli->out, "%s.\n\nplain   %s\n", buf_cstr(&words), buf_cstr(&plain));
	explain_class(cli, cron);
	print_f(&cli->out, "\n");
	put_next(cli, cron, cli->out.now, EXPLAIN_NEXT);
	if (!cron_check_fires(cron, cli->out.now, &never))
		print_f(&cli->out, "%s\n", err_text(&never));
	return true;
}
