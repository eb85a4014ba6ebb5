/* Schedules: what calendars name between two times, how often, how close, at what cost at most. */
/* SPDX-License-Identifier: MIT */
#include "cli/schedule.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"

#define PAGE 1000

static const struct column schedule_columns[SCHEDULE_COLUMNS] = {
	{"AT", "at", CELL_TEXT},
	{"TRIGGER", "trigger", CELL_TEXT},
	{"SOURCE", "source", CELL_TEXT},
	{"AGENT", "agent", CELL_TEXT},
};

bool
schedule_get(struct cli *cli, const char *path, struct client_reply *ret, struct err *err)
{
	struct client *client;

	if (!cli_client(cli, &client, err) || !client_get(client, path, ret, err))
		return false;
	return json_is_array(json_object_get(ret->json, "items")) ||
	       err_set(err, E_CORRUPT, "the daemon answered a schedule without items");
}

size_t
schedule_rows(struct cli *cli, const struct column *columns, size_t count, const json_t *items,
	      unsigned *widths)
{
	size_t i;
	json_t *item;

	if (!cli->out.json) {
		if (json_array_size(items))
			print_table(&cli->out, columns, count, items, widths);
		return json_array_size(items);
	}
	json_array_foreach (items, i, item) {
		AUTO(buf_fini) struct buf line = BUF_INIT;

		json_write(&line, item);
		print_json(&cli->out, buf_str(&line));
	}
	return i;
}

size_t
schedule_print(struct cli *cli, const json_t *items, unsigned *widths)
{
	return schedule_rows(cli, schedule_columns, SCHEDULE_COLUMNS, items, widths);
}

/* By name of trigger: how often it fires, and how often before the run before must be over. */
static void
tally_add(json_t *tally, const json_t *item)
{
	const char *name = json_str(item, "trigger"), *at = json_str(item, "at");
	json_t *one = name ? json_object_get(tally, name) : NULL;
	struct wall when;

	if (!name || !at || !wall_parse(str_of(at), &when))
		return;
	if (!one) {
		one = json_object();
		json_object_set_new(tally, name, one);
	} else if (when.ms - json_int(one, "last", 0) < json_int(item, "deadline_ms", 0)) {
		json_object_set_new(one, "close", json_integer(json_int(one, "close", 0) + 1));
	}
	json_object_set_new(one, "last", json_integer(when.ms));
	json_object_set_new(one, "times", json_integer(json_int(one, "times", 0) + 1));
	json_object_set_new(
		one, "cost",
		json_real(json_num(one, "cost", 0) + json_num(item, "max_cost_usd", 0)));
	json_put_str(one, "overlap", json_str(item, "overlap"));
}

static void
tally_print(json_t *tally)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	double dollars = 0;
	const char *name;
	json_t *one;

	json_object_foreach (tally, name, one) {
		buf_printf(&text, "%s%s %" PRId64 "x", text.len ? ", " : "", name,
			   json_int(one, "times", 0));
		dollars += json_num(one, "cost", 0);
	}
	if (text.len)
		cli_note("%s; at most %.2f US dollars.", buf_cstr(&text), dollars);
	else
		cli_note("Nothing would fire between these times.");
	json_object_foreach (tally, name, one)
		if (json_int(one, "close", 0))
			cli_note("%s: %" PRId64 " times come before the run before must be over "
				 "(its deadline); overlap = %s.",
				 name, json_int(one, "close", 0), json_str(one, "overlap"));
}

/* Page by page: a year of a schedule of seconds is never whole in memory. */
bool
schedule_play(struct cli *cli, const char *trigger, struct err *err)
{
	AUTO(json_auto_decref) json_t *tally = json_object();
	AUTO(auto_free) char *from = NULL;
	unsigned widths[SCHEDULE_COLUMNS] = {0};
	uint64_t left;

	if (!cli_opt(cli, "from") || !cli_opt(cli, "to"))
		return err_set(err, E_USAGE, "--from WHEN and --to WHEN are needed");
	if (!cli_number(cli, "count", 10000, 1, 1000000000, &left, err))
		return false;
	do {
		AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
		AUTO(buf_fini) struct buf path = BUF_INIT, limit = BUF_INIT;
		const json_t *items;
		json_t *item;
		size_t i;

		buf_printf(&limit, "%" PRIu64, left < PAGE ? left : PAGE);
		buf_puts(&path, "/v1/schedule");
		cli_query(&path, "trigger", trigger);
		cli_query(&path, "limit", buf_cstr(&limit));
		if (from)
			cli_query(&path, "from", from);
		else if (!cli_query_since(cli, "from", "from", &path, err))
			return false;
		if (!cli_query_since(cli, "to", "to", &path, err) ||
		    !schedule_get(cli, buf_cstr(&path), &reply, err))
			return false;
		items = json_object_get(reply.json, "items");
		schedule_print(cli, items, widths);
		json_array_foreach (items, i, item)
			tally_add(tally, item);
		left -= i < left ? i : left;
		free(from);
		from = mem_strdup(json_str(reply.json, "next"));
	} while (from && left);
	if (!cli->out.json)
		tally_print(tally);
	if (from)
		cli_note("There is more from %s on: --from %s, or a larger --count", from, from);
	return true;
}

bool
verb_trigger_simulate(struct cli *cli, struct err *err)
{
	return schedule_play(cli, cli_arg(cli, 0), err);
}
