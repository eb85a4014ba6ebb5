/* rouse trigger next, simulate: what calendars name, ahead or between two times. No effects. */
/* SPDX-License-Identifier: MIT */
#include "cli/run.h"

#include <inttypes.h>
#include <string.h>

static const struct column time_columns[] = {
	{"AT", "at", CELL_TEXT},
	{"TRIGGER", "trigger", CELL_TEXT},
	{"SOURCE", "source", CELL_TEXT},
	{"AGENT", "agent", CELL_TEXT},
};

static bool
schedule_get(struct cli *cli, const char *path, struct client_reply *ret, struct err *err)
{
	struct client *client;

	if (!cli_client(cli, &client, err) || !client_get(client, path, ret, err))
		return false;
	return json_is_array(json_object_get(ret->json, "items")) ||
	       err_set(err, E_CORRUPT, "the daemon answered a schedule without items");
}

static void
items_json(struct cli *cli, const json_t *items)
{
	size_t i;
	json_t *item;

	json_array_foreach (items, i, item) {
		AUTO(buf_fini) struct buf line = BUF_INIT;

		json_write(&line, item);
		print_json(&cli->out, buf_str(&line));
	}
}

bool
verb_trigger_next(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(buf_fini) struct buf path = BUF_INIT;
	unsigned widths[ARRAY_LEN(time_columns)] = {0};
	const json_t *items;

	buf_puts(&path, "/v1/schedule");
	cli_query(&path, "trigger", cli_arg(cli, 0));
	cli_query(&path, "limit", cli_opt(cli, "count") ? cli_opt(cli, "count") : "5");
	if (!cli_query_since(cli, "from", "from", &path, err) ||
	    !schedule_get(cli, buf_cstr(&path), &reply, err))
		return false;
	items = json_object_get(reply.json, "items");
	if (cli->out.json)
		items_json(cli, items);
	else if (json_array_size(items))
		print_table(&cli->out, time_columns, ARRAY_LEN(time_columns), items, widths);
	else
		cli_note("%s", cli_arg(cli, 0) ? "It never fires again."
					       : "No trigger that is enabled follows a calendar.");
	return true;
}

/* How often each fired, and what that would cost at most. */
static double
tally(json_t *counts, const json_t *items)
{
	double dollars = 0;
	size_t i;
	json_t *item;

	json_array_foreach (items, i, item) {
		const char *name = json_str(item, "trigger");
		int64_t before = json_int(counts, name ? name : "", 0);

		json_object_set_new(counts, name ? name : "", json_integer(before + 1));
		dollars += json_num(item, "max_cost_usd", 0);
	}
	return dollars;
}

static void
tally_print(const json_t *counts, double dollars)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	const char *name;
	json_t *count;

	json_object_foreach ((json_t *)counts, name, count)
		buf_printf(&text, "%s%s %" PRId64 "x", text.len ? ", " : "", name,
			   (int64_t)json_integer_value(count));
	if (text.len)
		cli_note("%s; at most %.2f US dollars.", buf_cstr(&text), dollars);
	else
		cli_note("Nothing would fire between these times.");
}

/* Page by page: a year of a schedule of seconds is never whole in memory. */
bool
verb_trigger_simulate(struct cli *cli, struct err *err)
{
	AUTO(json_auto_decref) json_t *counts = json_object();
	AUTO(auto_free) char *from = NULL;
	unsigned widths[ARRAY_LEN(time_columns)] = {0};
	double dollars = 0;
	size_t left = 10000, most;

	if (cli_opt(cli, "count")) {
		uint64_t count;

		if (!str_to_u64(str_of(cli_opt(cli, "count")), &count) || !count)
			return err_set(err, E_USAGE, "--count %s: a number was expected",
				       cli_opt(cli, "count"));
		left = (size_t)count;
	}
	if (!cli_opt(cli, "from") || !cli_opt(cli, "to"))
		return err_set(err, E_USAGE, "--from WHEN and --to WHEN are needed");
	do {
		AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
		AUTO(buf_fini) struct buf path = BUF_INIT, limit = BUF_INIT;
		const json_t *items;

		most = left < 1000 ? left : 1000;
		buf_printf(&limit, "%zu", most);
		buf_puts(&path, "/v1/schedule");
		cli_query(&path, "trigger", cli_arg(cli, 0));
		cli_query(&path, "limit", buf_cstr(&limit));
		if (from)
			cli_query(&path, "from", from);
		else if (!cli_query_since(cli, "from", "from", &path, err))
			return false;
		if (!cli_query_since(cli, "to", "to", &path, err) ||
		    !schedule_get(cli, buf_cstr(&path), &reply, err))
			return false;
		items = json_object_get(reply.json, "items");
		if (cli->out.json)
			items_json(cli, items);
		else if (json_array_size(items))
			print_table(&cli->out, time_columns, ARRAY_LEN(time_columns), items,
				    widths);
		dollars += tally(counts, items);
		left -= json_array_size(items) < left ? json_array_size(items) : left;
		free(from);
		from = mem_strdup(json_str(reply.json, "next"));
	} while (from && left);
	if (!cli->out.json)
		tally_print(counts, dollars);
	if (from)
		cli_note("There is more from %s on: --from %s, or a larger --count", from, from);
	return true;
}
