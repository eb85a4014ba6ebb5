/* rouse cron next, prev, match, explain. */
/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/jsonl.h"
#include "pure/civil.h"
#include "pure/cron_explain.h"
#include "pure/cron_import.h"

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

/* Local time with its offset; of old some had seconds. */
static void
instant_offset(const struct zone *zone, int64_t seconds, struct buf *out)
{
	int32_t offset = zone_span_at(zone, seconds).offset, away = offset < 0 ? -offset : offset;

	instant_utc(seconds + offset, out);
	buf_printf(out, "%c%02d:%02d", offset < 0 ? '-' : '+', away / 3600, away / 60 % 60);
	if (away % 60)
		buf_printf(out, ":%02d", away % 60);
}

/* With the day of the week: what people want to see. */
static void
instant_local(const struct zone *zone, int64_t seconds, struct buf *out)
{
	int64_t local = seconds + zone_span_at(zone, seconds).offset;

	buf_printf(out, "%s ", cron_weekday_name(civil_weekday(civil_floor_div(local, DAY_S))));
	instant_offset(zone, seconds, out);
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
	AUTO(buf_fini) struct buf text = BUF_INIT;
	const char *trigger = cli_opt(cli, "trigger"), *dialect = cli_opt(cli, "dialect");

	if (!dialect || !strcmp(dialect, "rouse"))
		buf_puts(&text, cli_arg(cli, 0));
	else if (strcmp(dialect, "quartz"))
		return err_set(err, E_USAGE, "dialect %s: rouse or quartz was expected", dialect);
	else if (!cron_import_quartz(str_of(cli_arg(cli, 0)), &text, err))
		return false;
	return cron_new(buf_str(&text), str_or_none(cli_opt(cli, "tz")),
			str_of(trigger ? trigger : "rouse"), ret, err);
}

/* What next, prev, match and explain have in common: the expression and the instant. */
static bool
cron_and_from(struct cli *cli, struct cron **ret, struct wall *ret_from, struct err *err)
{
	const char *from = cli_opt(cli, "from");

	*ret_from = cli->out.now;
	return (!from || from_parse(from, ret_from, err)) && cron_of(cli, ret, err);
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

typedef bool step_fn(struct cron *cron, struct wall t, struct wall *ret);

static size_t
put_instants(struct cli *cli, struct cron *cron, step_fn *step, struct wall at, uint64_t count)
{
	size_t shown = 0;

	while (shown < count && step(cron, at, &at))
		put_instant(cli, cron_zone(cron), at, shown++);
	return shown;
}

/* next and prev. */
static bool
walk(struct cli *cli, step_fn *step, const char *name, struct err *err)
{
	AUTO(cron_auto_free) struct cron *cron = NULL;
	struct wall at;
	uint64_t count;
	size_t shown;

	if (!cli_number(cli, "count", COUNT, 1, COUNT_MOST, &count, err) ||
	    !cron_and_from(cli, &cron, &at, err))
		return false;
	if (cli->out.json)
		print_f(&cli->out, "{\"%s\":[", name);
	shown = put_instants(cli, cron, step, at, count);
	if (cli->out.json)
		print_f(&cli->out, "]}\n");
	if (shown < count)
		cli_note(cron_expr(cron)->reboot
				 ? "It fires once when the daemon starts, never by the clock."
			 : shown ? step == cron_next ? "And then never again." : "Never before."
			 : step == cron_next ? "It never fires."
					     : "It never fired.");
	return true;
}

bool
verb_cron_next(struct cli *cli, struct err *err)
{
	if (cli_has(cli, "jsonl"))
		return next_lines(cli, err);
	if (!cli_arg(cli, 0))
		return err_set(err, E_USAGE,
			       "rouse cron next wants EXPR, as '0 9 * * MON-FRI', or --jsonl");
	return walk(cli, cron_next, "next", err);
}

bool
verb_cron_prev(struct cli *cli, struct err *err)
{
	return walk(cli, cron_prev, "prev", err);
}

bool
verb_cron_match(struct cli *cli, struct err *err)
{
	AUTO(cron_auto_free) struct cron *cron = NULL;
	struct wall at;
	bool match;

	if (!cron_and_from(cli, &cron, &at, err))
		return false;
	match = cron_match(cron, at);
	if (cli->out.json)
		print_f(&cli->out, "{\"match\":%s}\n", match ? "true" : "false");
	else
		print_f(&cli->out, "%s\n", match ? "yes" : "no");
	cli->status = match ? 0 : 1;
	return true;
}

/* ---- explain ---- */

struct explanation {
	struct cron *cron;
	struct wall from;
	struct buf plain, words, change, never;
	json_t *lints;
};

static void
explanation_fini(struct explanation *x)
{
	cron_free(x->cron);
	buf_fini(&x->plain);
	buf_fini(&x->words);
	buf_fini(&x->change);
	buf_fini(&x->never);
	json_decref(x->lints);
}

static void
add_lint(void *arg, const char *text)
{
	json_array_append_new(arg, json_string(text));
}

static bool
explain(struct cli *cli, struct explanation *x, struct err *err)
{
	AUTO(err_fini) struct err never = ERR_INIT;
	struct cron_change change;

	if (!cron_and_from(cli, &x->cron, &x->from, err) ||
	    (cli_has(cli, "strict") && !cron_check_strict(cron_expr(x->cron), err)))
		return false;
	cron_print(cron_expr(x->cron), &x->plain);
	cron_explain(x->cron, &x->words);
	if (cron_next_change(x->cron, x->from, WALL_NONE, &change))
		cron_explain_change(x->cron, &change, &x->change);
	if (!cron_check_fires(x->cron, x->from, &never))
		buf_puts(&x->never, err_text(&never));
	x->lints = json_array();
	cron_lint(x->cron, x->from, add_lint, x->lints);
	return true;
}

static void
put_member(struct buf *out, const char *name, const struct buf *text)
{
	buf_printf(out, ",\"%s\":", name);
	if (text->len)
		buf_json_cstr(out, buf_cstr(text));
	else
		buf_puts(out, "null");
}

static void
explain_json(struct cli *cli, const struct explanation *x)
{
	struct buf *out = &cli->out.buf;
	AUTO(auto_free) char *lints = json_dumps(x->lints, JSON_COMPACT);
	struct wall at = x->from;

	buf_puts(out, "{\"expr\":");
	buf_json_cstr(out, buf_cstr(&x->plain));
	buf_puts(out, ",\"text\":");
	buf_json_cstr(out, buf_cstr(&x->words));
	buf_printf(out, ",\"class\":\"%s\",\"tz\":", cron_class(cron_expr(x->cron)));
	buf_json_cstr(out, zone_name(cron_zone(x->cron)));
	buf_puts(out, ",\"next\":[");
	put_instants(cli, x->cron, cron_next, x->from, EXPLAIN_NEXT);
	buf_puts(out, "],\"local\":[");
	for (size_t i = 0; i < EXPLAIN_NEXT && cron_next(x->cron, at, &at); i++) {
		buf_puts(out, i ? ",\"" : "\"");
		instant_offset(cron_zone(x->cron), at.ms / 1000, out);
		buf_putc(out, '"');
	}
	buf_putc(out, ']');
	put_member(out, "transition", &x->change);
	put_member(out, "never", &x->never);
	buf_printf(out, ",\"warnings\":%s}\n", lints);
}

static const struct {
	const char *name, *meaning;
} classes[] = {
	{"appointment", "once a matching date; a skipped time fires when the clock goes on, a "
			"repeated one the first time"},
	{"rhythm",
	 "follows real time; nothing extra when clocks skip, both passes when they repeat"},
	{"interval", "follows real time, the same in every zone"},
	{"start", "once when the daemon starts, never by the clock"},
};

static void
explain_text(struct cli *cli, const struct explanation *x)
{
	const char *class = cron_class(cron_expr(x->cron));
	const json_t *lint;
	size_t i;

	print_f(&cli->out, "%s\n\nplain    %s\n", buf_cstr(&x->words), buf_cstr(&x->plain));
	for (i = 0; i < ARRAY_LEN(classes); i++)
		if (!strcmp(class, classes[i].name))
			print_f(&cli->out, "class    %s: %s\n", class, classes[i].meaning);
	print_f(&cli->out, "zone     %s\n", zone_name(cron_zone(x->cron)));
	if (x->change.len)
		print_f(&cli->out, "clocks   %s\n", buf_cstr(&x->change));
	json_array_foreach (x->lints, i, lint)
		print_f(&cli->out, "warning  %s\n", json_string_value(lint));
	print_f(&cli->out, "\n");
	put_instants(cli, x->cron, cron_next, x->from, EXPLAIN_NEXT);
	if (x->never.len)
		print_f(&cli->out, "%s\n", buf_cstr(&x->never));
}

bool
verb_cron_explain(struct cli *cli, struct err *err)
{
	AUTO(explanation_fini) struct explanation x = {.cron = NULL};

	if (!explain(cli, &x, err))
		return false;
	if (cli->out.json)
		explain_json(cli, &x);
	else
		explain_text(cli, &x);
	return true;
}
