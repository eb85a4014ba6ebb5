/* rouse top: what stands on the screen. */
/* SPDX-License-Identifier: MIT */
#include "cli/top.h"

#include <string.h>

#include "cli/text.h"
#include "cli/tty.h"

static const struct column agent_columns[] = {
	{"AGENT", "name", CELL_TEXT},	   {"RUNS", "in_flight", CELL_COUNT},
	{"OF", "concurrency", CELL_COUNT}, {"QUEUED", "queued", CELL_COUNT},
	{"RUNS/S", "ended_s", CELL_COUNT}, {"FAILED/S", "failed_s", CELL_COUNT},
	{"$/H", "usd_h", CELL_MONEY},	   {"BREAKER", "breaker.state", CELL_STATUS},
	{"PAUSED", "paused", CELL_TEXT},
};

static const struct column trigger_columns[] = {
	{"TRIGGER", "name", CELL_TEXT},	   {"SOURCE", "source", CELL_TEXT},
	{"HEALTH", "health", CELL_STATUS}, {"WAITING", "backlog", CELL_COUNT},
	{"LAG", "lag_ms", CELL_SPAN},	   {"LAST EVENT", "last_event", CELL_TIME},
	{"NEXT", "next", CELL_TIME},	   {"LAST ERROR", "last_error", CELL_TEXT},
};

static const struct column run_columns[] = {
	{"RUN", "id", CELL_ID},
	{"AGENT", "agent", CELL_TEXT},
	{"ENTITY", "entity", CELL_TEXT},
	{"STARTED", "started", CELL_TIME},
	{"STEPS", "steps", CELL_COUNT},
	{"TOKENS", "tokens", CELL_COUNT},
	{"COST $", "cost_usd", CELL_MONEY},
};

static const char *const help_lines[] = {
	"  o  all             a  agents only",
	"  t  triggers only   r  runs only",
	"  j k, arrows        a line down, up (of one only)",
	"  g                  the first line",
	"  space              look again now",
	"  Ctrl-Z             stop; fg goes on",
	"  q, Ctrl-C          leave",
	"",
	"RUNS/S, FAILED/S and $/H are of the time since the look before.",
	"Triggers that are failing or stale come first. Any key goes on.",
};

/* --- the head ------------------------------------------------------------------------------ */

static void
put_rate(struct buf *out, const struct top *top, double before, double now, double factor,
	 const char *fmt)
{
	double rate = top_rate(top, before, now);

	if (rate < 0) {
		buf_puts(out, "-");
		return;
	}
	buf_printf(out, *fmt == '$' ? "$%.2f" : "%.1f", rate * factor);
}

static void
head_text(const struct top *top, struct buf *out)
{
	const char *version = json_str(top->status, "version");
	const char *started = json_str(top->status, "started");
	struct wall at, now = clock_wall(top->cli->clock);

	buf_puts(out, " rouse ");
	text_escape(out, str_of(version ? version : "?"));
	if (started && wall_parse(str_of(started), &at)) {
		buf_puts(out, "  started ");
		print_age(at, now, out);
	}
	if (top->trouble.code != E_OK) {
		buf_puts(out, "  NO ANSWER: ");
		text_escape(out, str_of(err_text(&top->trouble)));
	}
}

static void
load_text(const struct top *top, struct buf *out)
{
	const json_t *health = json_object_get(top->status, "health");
	struct wall now = clock_wall(top->cli->clock);
	int64_t oldest = json_int(health, "oldest_queued_ms", 0);

	buf_printf(out, "runs %lld of %lld   queued %lld",
		   (long long)json_int(health, "in_flight", 0),
		   (long long)json_int(health, "max_running", 0),
		   (long long)json_int(health, "queue_depth", 0));
	if (oldest) {
		buf_puts(out, ", the oldest ");
		print_age((struct wall){now.ms - oldest}, now, out);
	}
	buf_printf(out, "   dead letters %lld   store ", (long long)json_int(health, "dlq", 0));
	text_escape(out, str_of(json_str(health, "store") ? json_str(health, "store") : "?"));
}

static void
rates_text(const struct top *top, struct buf *out)
{
	const json_t *limit = json_object_get(top->day, "limit_usd");

	buf_puts(out, "events ");
	put_rate(out, top, top->before.events, top->now.events, 1, "");
	buf_puts(out, "/s   runs ");
	put_rate(out, top, top->before.ended, top->now.ended, 1, "");
	buf_puts(out, "/s   failed ");
	put_rate(out, top, top->before.failed, top->now.failed, 1, "");
	buf_puts(out, "/s   cost ");
	put_rate(out, top, top->before.cost, top->now.cost, 3600, "$");
	buf_printf(out, "/h   today $%.2f",
		   json_number_value(json_object_get(top->day, "spent_usd")));
	if (json_is_number(limit))
		buf_printf(out, " of $%.2f", json_number_value(limit));
}

static void
alarm_text(const struct top *top, struct buf *out)
{
	size_t ill = 0, paused = json_array_size(json_object_get(top->status, "paused")), i;
	json_t *trigger;

	json_array_foreach (top->triggers, i, trigger) {
		const char *health = json_str(trigger, "health");

		ill += health && (!strcmp(health, "failing") || !strcmp(health, "stale"));
	}
	if (json_bool(top->status, "halted", false))
		buf_puts(out, "HALTED: rouse resume goes on   ");
	if (paused)
		buf_printf(out, "%zu PAUSED   ", paused);
	if (ill)
		buf_printf(out, "%zu triggers failing or stale", ill);
}

/* --- the tables ---------------------------------------------------------------------------- */

struct section {
	enum top_pane pane;
	const struct column *columns;
	size_t count;
	const json_t *rows;
	const char *empty;
	size_t shown; /* lines that it may have */
};

/* Everybody gets what he needs, and of what is left as much as the others. */
static void
share(struct section *sections, size_t count, size_t room)
{
	size_t open = 0, given;

	for (size_t i = 0; i < count; i++)
		sections[i].shown = 0;
	do {
		open = 0;
		for (size_t i = 0; i < count; i++)
			open += sections[i].shown < json_array_size(sections[i].rows);
		given = 0;
		for (size_t i = 0; i < count && open; i++) {
			size_t lack = json_array_size(sections[i].rows) - sections[i].shown;
			size_t part = room / open ? room / open : given < room;

			part = part < lack ? part : lack;
			sections[i].shown += part;
			given += part;
		}
		room -= given < room ? given : room;
	} while (open && room && given);
}

static void
section_put(const struct section *section, const struct print *like, size_t from, struct buf *out)
{
	AUTO(json_auto_decref) json_t *rows = json_array();
	struct print print = *like;
	unsigned widths[16] = {0};

	print.buf = (struct buf)BUF_INIT;
	if (!json_array_size(section->rows)) {
		buf_cat(out, section->empty, "\n");
		return;
	}
	for (size_t i = from; i < json_array_size(section->rows) && i < from + section->shown; i++)
		json_array_append(rows, json_array_get(section->rows, i));
	print_table(&print, section->columns, section->count, rows, widths);
	buf_add_str(out, buf_str(&print.buf));
	buf_fini(&print.buf);
}

static void
tables_put(const struct top *top, unsigned columns, unsigned room, bool colour, struct buf *out)
{
	struct section sections[] = {
		{TOP_AGENTS, agent_columns, ARRAY_LEN(agent_columns), top->agents,
		 "No agent is configured.", 0},
		{TOP_TRIGGERS, trigger_columns, ARRAY_LEN(trigger_columns), top->triggers,
		 "No trigger is configured.", 0},
		{TOP_RUNS, run_columns, ARRAY_LEN(run_columns), top->runs, "Nothing runs.", 0},
	};
	struct print like = {.fd = -1,
			     .terminal = true,
			     .colour = colour,
			     .width = columns,
			     .now = clock_wall(top->cli->clock)};
	/* A title each, a line at least, an empty one between: as many as there is room for. */
	size_t fit = room / 3 + (room % 3 == 2), count = fit < 1 ? 1 : fit < 3 ? fit : 3;
	size_t taken = top->pane == TOP_ALL ? 2 * count - 1 : 1;

	if (top->pane != TOP_ALL) {
		struct section *one = &sections[top->pane - TOP_AGENTS];
		size_t all = json_array_size(one->rows), last = all ? all - 1 : 0;

		one->shown = room > taken ? room - taken : 1;
		section_put(one, &like, top->scroll < last ? top->scroll : last, out);
		return;
	}
	share(sections, count, room > taken ? room - taken : 1);
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_putc(out, '\n');
		section_put(&sections[i], &like, 0, out);
	}
}

/* --- the whole ----------------------------------------------------------------------------- */

static void
line_put(struct buf *out, unsigned columns, bool reverse,
	 void (*text)(const struct top *top, struct buf *out), const struct top *top)
{
	AUTO(buf_fini) struct buf line = BUF_INIT;

	text(top, &line);
	tty_bar(out, columns, reverse, buf_str(&line));
}

void
top_picture(const struct top *top, unsigned columns, unsigned rows, bool colour, struct buf *out)
{
	static const char keys[] = "o all  a agents  t triggers  r runs  space now  ? help  q quit";
	AUTO(buf_fini) struct buf body = BUF_INIT;
	unsigned room = rows > 6 ? rows - 6 : rows ? 1 : 10000;
	struct str rest, line;

	line_put(out, columns, rows && colour, head_text, top);
	line_put(out, columns, false, load_text, top);
	line_put(out, columns, false, rates_text, top);
	line_put(out, columns, false, alarm_text, top);
	if (top->help)
		for (size_t i = 0; i < ARRAY_LEN(help_lines); i++)
			buf_cat(&body, help_lines[i], "\n");
	else
		tables_put(top, columns, room, colour, &body);
	rest = buf_str(&body);
	for (unsigned i = 0; i < room && (rows || (rest.p && rest.len)); i++) {
		line = str_make("", 0);
		if (rest.p && rest.len)
			rest = str_split(rest, '\n', &line);
		buf_add_str(out, line);
		buf_putc(out, '\n');
	}
	if (!rows)
		return;
	buf_putc(out, '\n');
	tty_bar(out, columns, !colour, str_of(keys));
}
