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

/* What batches cost at most and how long they take, by "batch NAME"; as the daemon counts them. */
static bool
batches_get(struct cli *cli, json_t **ret, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	json_t *item;
	size_t i;

	if (!schedule_get(cli, "/v1/schedule/batches", &reply, err))
		return false;
	*ret = json_object();
	json_array_foreach (json_object_get(reply.json, "items"), i, item) {
		AUTO(buf_fini) struct buf name = BUF_INIT;

		if (!json_str(item, "batch"))
			continue;
		buf_cat(&name, "batch ", json_str(item, "batch"));
		json_object_set(*ret, buf_cstr(&name), item);
	}
	return true;
}

/* What a batch's start stands for: its name beside those of triggers, its cost, its time. */
static void
batch_fill(json_t *item, const json_t *batches)
{
	static const char *const members[] = {"entities", "max_cost_usd"};
	AUTO(buf_fini) struct buf name = BUF_INIT;
	const json_t *batch;

	if (!json_str(item, "batch"))
		return;
	buf_cat(&name, "batch ", json_str(item, "batch"));
	batch = json_object_get(batches, buf_cstr(&name));
	json_put_str(item, "name", buf_cstr(&name));
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		if (json_object_get(batch, members[i]))
			json_object_set(item, members[i], json_object_get(batch, members[i]));
	if (json_object_get(batch, "longest_ms"))
		json_object_set(item, "deadline_ms", json_object_get(batch, "longest_ms"));
}

/* By name: how often it fires, and how often before the run before must be over. */
static void
tally_add(json_t *tally, const json_t *item)
{
	const char *name = json_str(item, "name"), *at = json_str(item, "at");
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
	if (json_is_null(json_object_get(item, "max_cost_usd")))
		json_object_set_new(one, "unlimited", json_true());
	json_put_str(one, "overlap", json_str(item, "overlap"));
}

/* By what its cost is bounded, in words. */
static void
batch_note(const char *name, const json_t *batch)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	double each = json_num(batch, "each_cost_usd", -1),
	       most = json_num(batch, "max_cost_usd", -1);
	double budget = json_num(batch, "budget_usd", -1);

	if (json_is_integer(json_object_get(batch, "entities")))
		buf_printf(&text, "%" PRId64 " entities now", json_int(batch, "entities", 0));
	else
		buf_puts(&text, "its entities were not counted");
	if (json_str(batch, "why"))
		buf_cat(&text, " (", json_str(batch, "why"), ")");
	if (each >= 0)
		buf_printf(&text, ", at most %.2f dollars each", each);
	if (most < 0)
		buf_puts(&text,
			 "; what it costs has no limit that is known (batch_budget.cost sets "
			 "one)");
	else if (budget >= 0 && budget <= most)
		buf_printf(&text, "; at most %.2f dollars a time (batch_budget.cost)", most);
	else
		buf_printf(&text, "; at most %.2f dollars a time", most);
	cli_note("%s: %s.", name, buf_cstr(&text));
}

static void
close_note(const char *name, const json_t *one, bool batch)
{
	if (!json_int(one, "close", 0))
		return;
	if (batch)
		cli_note("%s: %" PRId64 " times come before the one before must be over (by the "
			 "deadlines of its runs, or batch_budget.deadline); while that runs, a "
			 "time is "
			 "passed over.",
			 name, json_int(one, "close", 0));
	else
		cli_note("%s: %" PRId64 " times come before the run before must be over (its "
			 "deadline); overlap = %s.",
			 name, json_int(one, "close", 0), json_str(one, "overlap"));
}

static void
tally_print(json_t *tally, const json_t *batches)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	double dollars = 0;
	bool unlimited = false;
	const char *name;
	json_t *one;

	json_object_foreach (tally, name, one) {
		buf_printf(&text, "%s%s %" PRId64 "x", text.len ? ", " : "", name,
			   json_int(one, "times", 0));
		dollars += json_num(one, "cost", 0);
		unlimited |= json_bool(one, "unlimited", false);
	}
	if (text.len)
		cli_note("%s; at most %.2f US dollars%s.", buf_cstr(&text), dollars,
			 unlimited ? ", and what has no limit" : "");
	else
		cli_note("Nothing would fire between these times.");
	json_object_foreach (tally, name, one) {
		const json_t *batch = json_object_get(batches, name);

		if (batch)
			batch_note(name, batch);
		close_note(name, one, batch != NULL);
	}
}

/* Page by page: a year of a schedule of seconds is never whole in memory. */
bool
schedule_play(struct cli *cli, const char *trigger, bool with_batches, struct err *err)
{
	AUTO(json_auto_decref) json_t *tally = json_object();
	AUTO(json_auto_decref) json_t *batches = NULL;
	AUTO(auto_free) char *from = NULL;
	unsigned widths[SCHEDULE_COLUMNS] = {0};
	uint64_t left;

	if (!cli_opt(cli, "from") || !cli_opt(cli, "to"))
		return err_set(err, E_USAGE, "--from WHEN and --to WHEN are needed");
	if (!cli_number(cli, "count", 10000, 1, 1000000000, &left, err))
		return false;
	if (with_batches && !batches_get(cli, &batches, err))
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
		cli_query(&path, "batches", with_batches ? "yes" : NULL);
		if (from)
			cli_query(&path, "from", from);
		else if (!cli_query_since(cli, "from", "from", &path, err))
			return false;
		if (!cli_query_since(cli, "to", "to", &path, err) ||
		    !schedule_get(cli, buf_cstr(&path), &reply, err))
			return false;
		items = json_object_get(reply.json, "items");
		json_array_foreach (items, i, item) {
			json_put_str(item, "name", json_str(item, "trigger"));
			batch_fill(item, batches);
			tally_add(tally, item);
		}
		json_array_foreach (items, i, item) {
			/* A column for people; programs have "batch". */
			if (!cli->out.json)
				json_object_set(item, "trigger", json_object_get(item, "name"));
			json_object_del(item, "name");
		}
		schedule_print(cli, items, widths);
		left -= i < left ? i : left;
		free(from);
		from = mem_strdup(json_str(reply.json, "next"));
	} while (from && left);
	if (!cli->out.json)
		tally_print(tally, batches);
	if (from)
		cli_note("There is more from %s on: --from %s, or a larger --count", from, from);
	return true;
}

bool
verb_trigger_simulate(struct cli *cli, struct err *err)
{
	return schedule_play(cli, cli_arg(cli, 0), false, err);
}
