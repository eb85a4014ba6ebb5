/* One batch, as a person sees it: its progress, what it found, what it would cost. */
/* SPDX-License-Identifier: MIT */
#include "cli/batch.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pure/duration.h"

#define LOOK_MS 500
#define BAR 24

static bool
runs(const json_t *batch)
{
	const char *state = json_str(batch, "state");

	return state && !strcmp(state, "running");
}

bool
batch_ended_well(const json_t *batch)
{
	const char *state = json_str(batch, "state"), *reason = json_str(batch, "reason");

	if (!state)
		return false;
	return !strcmp(state, "review") || !strcmp(state, "applying") || !strcmp(state, "done") ||
	       (!strcmp(state, "paused") && reason && !strcmp(reason, "trial"));
}

static int64_t
ended_of(const json_t *batch)
{
	return json_int(batch, "done", 0) + json_int(batch, "skipped", 0) +
	       json_int(batch, "failed", 0);
}

/* "12.3/s, done in 4m10s, 0.31 of about 12.50 dollars" */
static void
pace(const struct cli *cli, const json_t *batch, struct buf *out)
{
	double rate = json_num(batch, "rate_per_s", 0), projected;
	const char *eta = json_str(batch, "eta");
	struct wall at;

	if (rate > 0)
		buf_printf(out, rate >= 10 ? "%.0f/s" : rate >= 0.1 ? "%.1f/s" : "%.3f/s", rate);
	if (eta && wall_parse(str_of(eta), &at) && at.ms > clock_wall(cli->clock).ms) {
		int64_t left = (at.ms - clock_wall(cli->clock).ms) / 1000 * 1000;

		buf_puts(out, out->len ? ", done in " : "done in ");
		duration_print(left ? left : 1000, out);
	}
	projected = json_num(batch, "projected_cost_usd", -1);
	buf_printf(out, "%s%.2f", out->len ? ", " : "", json_num(batch, "cost_usd", 0));
	if (projected >= 0)
		buf_printf(out, " of about %.2f", projected);
	buf_puts(out, " dollars");
}

static void
bar_print(int64_t ended, int64_t total, struct buf *out)
{
	int64_t filled = total > 0 ? ended * BAR / total : 0;

	buf_putc(out, '[');
	for (int64_t i = 0; i < BAR; i++)
		buf_putc(out, i < filled ? '#' : '.');
	buf_putc(out, ']');
}

static void
bar_draw(const struct cli *cli, const json_t *batch)
{
	AUTO(buf_fini) struct buf line = BUF_INIT;
	const char *source = json_str(batch, "source");
	int64_t ended = ended_of(batch), total = json_int(batch, "entities", 0);

	bar_print(ended, total, &line);
	buf_printf(&line, " %lld/%lld%s  ", (long long)ended, (long long)total,
		   source && !strcmp(source, "reading") ? "+" : "");
	pace(cli, batch, &line);
	fprintf(stderr, "\r%.*s\033[K", 200, buf_cstr(&line));
	fflush(stderr);
}

bool
batch_follow_until(struct cli *cli, const char *batch, const volatile sig_atomic_t *stop,
		   struct err *err)
{
	bool bar = isatty(STDERR_FILENO) && !cli->out.json, ok = true, over = false;
	const struct timespec rest = {.tv_nsec = LOOK_MS * 1000000L};

	while (ok && !over && !(stop && *stop)) {
		AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;

		ok = cli_get(cli, &reply, err, "/v1/batches/%s", batch);
		if (ok && bar)
			bar_draw(cli, reply.json);
		over = ok && !runs(reply.json);
		if (ok && !over)
			nanosleep(&rest, NULL);
	}
	if (bar)
		fputs("\r\033[K", stderr);
	return ok;
}

bool
batch_follow(struct cli *cli, const char *batch, struct err *err)
{
	return batch_follow_until(cli, batch, NULL, err);
}

static void
changes_print(struct cli *cli, const json_t *batch)
{
	const json_t *changes = json_object_get(batch, "changes");
	AUTO(buf_fini) struct buf line = BUF_INIT;
	const char *status;
	json_t *n;

	json_object_foreach ((json_t *)changes, status, n)
		buf_printf(&line, "%s%lld %s", line.len ? ", " : "",
			   (long long)json_integer_value(n), status);
	if (line.len)
		print_f(&cli->out, "changes     %s\n", buf_cstr(&line));
}

/* "1.00 dollars (0.91 to 1.09)" */
static void
interval_print(struct cli *cli, double value, double low, double high, const char *unit)
{
	print_f(&cli->out, high - low >= 0.005 ? "%.2f%s (%.2f to %.2f)" : "%.2f%s", value, unit,
		low, high);
}

static void
span_print(double seconds, struct buf *out)
{
	int64_t ms = (int64_t)(seconds * 1000);

	duration_print(ms >= 10000 ? ms / 1000 * 1000 : ms > 0 ? ms : 1, out);
}

static void
estimate_print(struct cli *cli, const json_t *batch)
{
	const json_t *e = json_object_get(batch, "estimate");
	AUTO(buf_fini) struct buf span = BUF_INIT, low = BUF_INIT, high = BUF_INIT;

	if (!json_is_object(e))
		return;
	span_print(json_num(e, "seconds", 0), &span);
	span_print(json_num(e, "seconds_low", 0), &low);
	span_print(json_num(e, "seconds_high", 0), &high);
	print_f(&cli->out, "\nall %lld entities, by the %lld that were tried, would cost about ",
		(long long)json_int(e, "entities", 0), (long long)json_int(e, "tried", 0));
	interval_print(cli, json_num(e, "cost_usd", 0), json_num(e, "cost_usd_low", 0),
		       json_num(e, "cost_usd_high", 0), " dollars");
	print_f(&cli->out, "\nand take about %s (%s to %s), %lld at once; 95 %% sure of both\n",
		buf_cstr(&span), buf_cstr(&low), buf_cstr(&high),
		(long long)json_int(e, "at_once", 1));
	if (json_object_get(e, "budget_ends_after"))
		print_f(&cli->out,
			"batch_budget.cost = %.2f would end it after about %lld of them\n",
			json_num(e, "budget_usd", 0),
			(long long)json_int(e, "budget_ends_after", 0));
	else if (json_object_get(e, "budget_usd"))
		print_f(&cli->out, "that is within batch_budget.cost = %.2f\n",
			json_num(e, "budget_usd", 0));
}

static void
next_print(struct cli *cli, const json_t *batch)
{
	const char *state = json_str(batch, "state"), *id = json_str(batch, "id");
	const char *reason = json_str(batch, "reason");
	static const struct {
		const char *state, *text;
	} hints[] = {
		{"review", "rouse diff @ shows what is proposed, rouse review @ decides it\n"},
		{"trial", "rouse batch resume @ runs the others, paying nothing twice; rouse batch "
			  "cancel @ ends it there\n"},
		{"paused", "rouse batch resume @ goes on, rouse batch cancel @ ends it\n"},
		{"failed", "rouse batch resume @ goes on, rouse batch cancel @ ends it\n"},
	};

	if (state && !strcmp(state, "paused") && reason && !strcmp(reason, "trial"))
		state = reason;
	for (size_t i = 0; state && i < ARRAY_LEN(hints); i++) {
		struct str rest = str_of(hints[i].text), word;

		if (strcmp(hints[i].state, state) != 0)
			continue;
		print_f(&cli->out, "\n");
		/* Each @ is the batch. */
		while (rest.p) {
			rest = str_split(rest, '@', &word);
			print_f(&cli->out, "%.*s%s", STR_ARG(word), rest.p ? id : "");
		}
	}
}

void
batch_print(struct cli *cli, const json_t *batch)
{
	static const struct column columns[] = {
		{"batch", "id", CELL_TEXT},	      {"state", "state", CELL_STATUS},
		{"reason", "reason", CELL_TEXT},      {"error", "error", CELL_TEXT},
		{"agent", "agent", CELL_TEXT},	      {"mode", "mode", CELL_TEXT},
		{"entities", "entities", CELL_COUNT}, {"done", "done", CELL_COUNT},
		{"running", "running", CELL_COUNT},   {"skipped", "skipped", CELL_COUNT},
		{"failed", "failed", CELL_COUNT},     {"left", "left", CELL_COUNT},
		{"repeated", "repeated", CELL_COUNT}, {"started", "started", CELL_TIME},
		{"by", "started_by", CELL_TEXT},      {"ended", "ended", CELL_TIME},
	};
	AUTO(buf_fini) struct buf line = BUF_INIT;
	const json_t *note;
	size_t i;

	print_fields(&cli->out, columns, ARRAY_LEN(columns), batch);
	changes_print(cli, batch);
	bar_print(ended_of(batch), json_int(batch, "entities", 0), &line);
	buf_puts(&line, "  ");
	pace(cli, batch, &line);
	print_f(&cli->out, "progress    %s\n", buf_cstr(&line));
	json_array_foreach (json_object_get(batch, "notes"), i, note) {
		print_f(&cli->out, "%s", i ? "            " : "notes       ");
		print_text(&cli->out, json_str(note, "text"));
		print_f(&cli->out, "\n");
	}
	estimate_print(cli, batch);
	next_print(cli, batch);
}
