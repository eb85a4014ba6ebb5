/* rouse top: what runs, waits, costs and fails, again and again on one screen. */
/* SPDX-License-Identifier: MIT */
#include "cli/top.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/tty.h"

#define EVERY_MS 2000
#define RUNS_ASKED "100"

/* --- counters ------------------------------------------------------------------------------ */

/* The value of a label in NAME{a="x",b="y"}; p NULL: it has none. Escapes stay. */
static struct str
label_of(struct str series, const char *label)
{
	AUTO(buf_fini) struct buf mark = BUF_INIT;
	const char *at;
	size_t end = 0;

	buf_printf(&mark, "%s=\"", label);
	at = memmem(series.p, series.len, mark.data, mark.len);
	if (!at || (at[-1] != '{' && at[-1] != ','))
		return str_make(NULL, 0);
	at += mark.len;
	while (at + end < series.p + series.len && at[end] != '"')
		end += at[end] == '\\' ? 2 : 1;
	return str_make(at, end);
}

static void
agent_count(json_t *agents, struct str name, size_t which, double by)
{
	AUTO(auto_free) char *key = str_dup(name);
	json_t *counts = json_object_get(agents, key);

	if (!counts) {
		counts = json_pack("[f, f, f]", 0.0, 0.0, 0.0);
		json_object_set_new(agents, key, counts);
	}
	json_array_set_new(counts, which,
			   json_real(json_real_value(json_array_get(counts, which)) + by));
}

/* One line of the metrics. */
static void
series_take(struct top_counts *counts, struct str line)
{
	const char *end = line.len ? memrchr(line.p, ' ', line.len) : NULL;
	AUTO(auto_free) char *number = NULL;
	struct str series, status;
	double value;

	if (!end || *line.p == '#')
		return;
	series = str_make(line.p, (size_t)(end - line.p));
	number = str_dup(str_make(end + 1, line.len - series.len - 1));
	value = strtod(number, NULL);
	if (str_starts(series, STR("rouse_events_total{"))) {
		counts->events += value;
	} else if (str_starts(series, STR("rouse_runs_total{"))) {
		status = label_of(series, "status");
		counts->ended += value;
		agent_count(counts->agents, label_of(series, "agent"), 0, value);
		if (!str_eq_cstr(status, "failed"))
			return;
		counts->failed += value;
		agent_count(counts->agents, label_of(series, "agent"), 1, value);
	} else if (str_starts(series, STR("rouse_cost_usd_total{"))) {
		counts->cost += value;
		agent_count(counts->agents, label_of(series, "agent"), 2, value);
	}
}

static void
counts_take(struct top_counts *counts, struct str text)
{
	struct str line;

	counts->agents = json_object();
	while (text.p && text.len) {
		text = str_split(text, '\n', &line);
		series_take(counts, line);
	}
}

double
top_rate(const struct top *top, double before, double now)
{
	int64_t ms = top->now.at.ms - top->before.at.ms;

	/* A counter that went back is another daemon's. */
	if (!top->before.at.ms || ms <= 0 || now < before)
		return -1;
	return (now - before) * 1000 / (double)ms;
}

/* --- asking -------------------------------------------------------------------------------- */

static bool
metrics_get(struct top *top, struct top_counts *ret, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	struct client *client;

	if (!cli_client(top->cli, &client, err) ||
	    !client_send(client,
			 &(struct client_request){
				 .method = "GET", .path = "/metrics", .accept = "text/plain"},
			 &reply, err))
		return false;
	counts_take(ret, buf_str(&reply.body));
	ret->at = clock_mono(top->cli->clock);
	return true;
}

static bool
items_get(struct top *top, const char *path, json_t **ret, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	struct client *client;
	json_t *items;

	if (!cli_client(top->cli, &client, err) || !client_get(client, path, &reply, err))
		return false;
	items = json_object_get(reply.json, "items");
	if (!json_is_array(items))
		return err_set(err, E_CORRUPT, "the daemon answered %s without items", path);
	json_decref(*ret);
	*ret = json_incref(items);
	return true;
}

static double
count_at(const json_t *agents, const char *name, size_t which)
{
	return json_real_value(json_array_get(json_object_get(agents, name), which));
}

static void
put_rate(json_t *row, const char *key, double rate)
{
	if (rate >= 0)
		json_object_set_new(row, key, json_sprintf("%.1f", rate));
}

static void
agents_take(struct top *top, const json_t *agents)
{
	json_t *rows = json_array(), *agent;
	size_t i;

	json_array_foreach ((json_t *)agents, i, agent) {
		const char *name = json_str(agent, "name");
		json_t *row = json_copy(agent);
		double rates[3];

		for (size_t which = 0; which < ARRAY_LEN(rates); which++)
			rates[which] = top_rate(top, count_at(top->before.agents, name, which),
						count_at(top->now.agents, name, which));
		put_rate(row, "ended_s", rates[0]);
		put_rate(row, "failed_s", rates[1]);
		if (rates[2] >= 0)
			json_object_set_new(row, "usd_h", json_real(rates[2] * 3600));
		json_array_append_new(rows, row);
	}
	json_decref(top->agents);
	top->agents = rows;
}

/* Who is unwell comes first. */
static void
triggers_take(struct top *top, const json_t *triggers)
{
	json_t *rows = json_array(), *trigger;
	size_t i;

	for (int round = 0; round < 2; round++)
		json_array_foreach ((json_t *)triggers, i, trigger) {
			const char *health = json_str(trigger, "health");
			bool ill =
				health && (!strcmp(health, "failing") || !strcmp(health, "stale"));

			if (ill == !round)
				json_array_append(rows, trigger);
		}
	json_decref(top->triggers);
	top->triggers = rows;
}

static void
counts_fini(struct top_counts *counts)
{
	json_decref(counts->agents);
	*counts = (struct top_counts){0};
}

/* What all cost today. */
static void
day_take(struct top *top, const json_t *budget)
{
	json_t *row;
	size_t i;

	json_decref(top->day);
	top->day = NULL;
	json_array_foreach ((json_t *)budget, i, row)
		if (json_str(row, "scope") && !strcmp(json_str(row, "scope"), "all"))
			top->day = json_incref(row);
}

bool
top_ask(struct top *top)
{
	AUTO(client_reply_fini) struct client_reply status = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *budget = NULL;
	struct top_counts counts = {0};

	err_fini(&top->trouble);
	top->trouble = (struct err)ERR_INIT;
	if (!cli_get(top->cli, &status, &top->trouble, "/v1/status") ||
	    !items_get(top, "/v1/runs?status=running&limit=" RUNS_ASKED, &top->runs,
		       &top->trouble) ||
	    !items_get(top, "/v1/budget", &budget, &top->trouble) ||
	    !metrics_get(top, &counts, &top->trouble))
		return false;
	counts_fini(&top->before);
	top->before = top->now;
	top->now = counts;
	json_decref(top->status);
	top->status = json_incref(status.json);
	agents_take(top, json_object_get(status.json, "agents"));
	triggers_take(top, json_object_get(status.json, "triggers"));
	day_take(top, budget);
	return true;
}

void
top_fini(struct top *top)
{
	counts_fini(&top->before);
	counts_fini(&top->now);
	json_decref(top->status);
	json_decref(top->agents);
	json_decref(top->triggers);
	json_decref(top->runs);
	json_decref(top->day);
	err_fini(&top->trouble);
}

/* --- keys ---------------------------------------------------------------------------------- */

static void
key_do(struct top *top, int key)
{
	static const struct {
		int key;
		enum top_pane pane;
	} panes[] = {{'o', TOP_ALL}, {'a', TOP_AGENTS}, {'t', TOP_TRIGGERS}, {'r', TOP_RUNS}};

	if (top->help && key != KEY_RESIZE && key != KEY_NONE) {
		top->help = false;
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(panes); i++)
		if (panes[i].key == key) {
			top->pane = panes[i].pane;
			top->scroll = 0;
		}
	if (key == 'q' || key == KEY_CTRL('c') || key == KEY_GONE)
		top->over = true;
	else if (key == '?' || key == 'h')
		top->help = true;
	else if (key == KEY_DOWN || key == 'j')
		top->scroll++;
	else if ((key == KEY_UP || key == 'k') && top->scroll)
		top->scroll--;
	else if (key == KEY_HOME || key == 'g')
		top->scroll = 0;
	else if (key == KEY_CTRL('z'))
		tty_suspend();
}

static bool
watch(struct top *top, struct err *err)
{
	while (!top->over) {
		struct mono next = clock_mono(top->cli->clock);

		top_ask(top);
		next.ms += top->every_ms;
		for (;;) {
			AUTO(buf_fini) struct buf picture = BUF_INIT;
			int64_t left = next.ms - clock_mono(top->cli->clock).ms;
			unsigned columns, rows;
			int key;

			tty_size(&columns, &rows);
			top_picture(top, columns, rows, top->cli->out.colour, &picture);
			if (!tty_draw(buf_str(&picture), -1, 0, err))
				return false;
			key = left > 0 ? tty_key((int)left) : KEY_NONE;
			if (key == KEY_NONE || key == ' ')
				break;
			key_do(top, key);
			if (top->over)
				break;
		}
	}
	return true;
}

/* One picture of the time between two moments, for who has no terminal. */
static bool
once(struct top *top, struct err *err)
{
	const struct timespec rest = {.tv_sec = top->every_ms / 1000,
				      .tv_nsec = top->every_ms % 1000 * 1000000L};

	if (!top_ask(top))
		return err_move(err, &top->trouble);
	nanosleep(&rest, NULL);
	if (!top_ask(top))
		return err_move(err, &top->trouble);
	top_picture(top, top->cli->out.width ? top->cli->out.width : 120, 0, top->cli->out.colour,
		    &top->cli->out.buf);
	return true;
}

bool
verb_top(struct cli *cli, struct err *err)
{
	AUTO(top_fini) struct top top = {.cli = cli, .trouble = ERR_INIT};
	bool ok;

	if (!cli_duration(cli, "every", EVERY_MS, &top.every_ms, err))
		return false;
	if (top.every_ms < 200 || top.every_ms > 3600000)
		return err_set(err, E_USAGE, "--every: expected a duration from 200ms to 1h");
	if (cli_has(cli, "once"))
		return once(&top, err);
	if (!tty_open(err))
		return false;
	ok = watch(&top, err);
	tty_close();
	return ok;
}
