/* Lists: pages of a listing, with the verb's filters, as one table or JSON lines. */
/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <stdlib.h>

#include "cli/text.h"
#include "pure/duration.h"

#define PAGE 1000
#define LIMIT 50
#define LIMIT_MOST 10000000

void
cli_query(struct buf *path, const char *name, const char *value)
{
	if (!value)
		return;
	buf_putc(path, path->len && memchr(path->data, '?', path->len) ? '&' : '?');
	client_encode(path, name);
	buf_putc(path, '=');
	client_encode(path, value);
}

bool
cli_instant(const struct cli *cli, const char *option, struct buf *ret, struct err *err)
{
	const char *text = cli_opt(cli, option);
	struct wall at;
	int64_t ms;

	if (!text)
		return true;
	if (*text == '+' && duration_parse(str_of(text + 1), &ms, NULL))
		at = (struct wall){cli->out.now.ms + ms};
	else if (duration_parse(str_of(text), &ms, NULL))
		at = (struct wall){cli->out.now.ms - ms};
	else if (!wall_parse(str_of(text), &at))
		return err_set(err, E_USAGE,
			       "--%s %s: a duration as 7d or 90m, or an instant as "
			       "2026-11-20T09:30:00Z, was expected",
			       option, text);
	wall_format(at, ret);
	return true;
}

bool
cli_query_since(const struct cli *cli, const char *option, const char *name, struct buf *path,
		struct err *err)
{
	AUTO(buf_fini) struct buf instant = BUF_INIT;

	if (!cli_instant(cli, option, &instant, err))
		return false;
	cli_query(path, name, instant.len ? buf_cstr(&instant) : NULL);
	return true;
}

/* path with the verb's filters and --since. */
static bool
list_path(const struct cli *cli, const char *base, struct buf *path, struct err *err)
{
	struct str rest = str_of(cli->opts.verb->filters), name;

	buf_puts(path, base);
	while (rest.p) {
		AUTO(auto_free) char *filter = NULL;

		rest = str_split(rest, ' ', &name);
		filter = str_dup(name);
		cli_query(path, filter, cli_opt(cli, filter));
	}
	return cli_query_since(cli, "since", "since", path, err);
}

/* One page of a listing: its items, and the cursor behind them (NULL at the end). */
static bool
page_get(struct cli *cli, const char *path, size_t limit, const char *after,
	 struct client_reply *ret, struct err *err)
{
	AUTO(buf_fini) struct buf full = BUF_INIT;
	AUTO(buf_fini) struct buf number = BUF_INIT;
	struct client *client;

	buf_puts(&full, path);
	buf_printf(&number, "%zu", limit);
	cli_query(&full, "limit", buf_cstr(&number));
	cli_query(&full, "after", after);
	if (!cli_client(cli, &client, err) || !client_get(client, buf_cstr(&full), ret, err))
		return false;
	if (!json_is_array(json_object_get(ret->json, "items")))
		return err_set(err, E_CORRUPT, "the daemon answered a list without items to %s",
			       path);
	return true;
}

static bool
json_on_element(void *arg, struct str element)
{
	struct cli *cli = arg;

	print_json(&cli->out, element);
	return true;
}

/* Straight from the text, so that no number loses a digit. */
static void
print_page_json(struct cli *cli, const struct client_reply *reply)
{
	const struct json_step items = {.name = STR("items")};
	struct str raw;

	if (json_raw_find(buf_str(&reply->body), &items, 1, &raw))
		text_json_elements(raw, json_on_element, cli);
}

static void
list_end(const struct cli_list *list, size_t shown, const char *next)
{
	if (!shown)
		cli_note("%s", list->empty);
	else if (next)
		cli_note("There is more: --after %s, or a larger --limit", next);
}

bool
cli_list(struct cli *cli, const struct cli_list *list, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(auto_free) unsigned *widths = mem_alloc_array(list->count, sizeof(*widths));
	AUTO(auto_free) char *after = mem_strdup(cli_opt(cli, "after"));
	uint64_t limit, shown = 0;

	if (!cli_number(cli, "limit", LIMIT, 1, LIMIT_MOST, &limit, err) ||
	    !list_path(cli, list->path, &path, err))
		return false;
	for (;;) {
		AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
		uint64_t left = limit - shown;
		const json_t *items;

		if (!page_get(cli, buf_cstr(&path), left < PAGE ? left : PAGE, after, &reply, err))
			return false;
		items = json_object_get(reply.json, "items");
		if (cli->out.json)
			print_page_json(cli, &reply);
		else
			print_table(&cli->out, list->columns, list->count, items, widths);
		if (!print_flush(&cli->out, err))
			return false;
		shown += json_array_size(items);
		free(after);
		after = mem_strdup(json_str(reply.json, "next"));
		if (after && shown < limit && json_array_size(items))
			continue;
		list_end(list, shown, after);
		return true;
	}
}

bool
cli_fetch_all(struct cli *cli, const char *path, size_t most, json_t **ret, struct err *err)
{
	AUTO(json_auto_decref) json_t *all = json_array();
	AUTO(auto_free) char *after = NULL;

	for (;;) {
		AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
		json_t *items;

		if (!page_get(cli, path, PAGE, after, &reply, err))
			return false;
		items = json_object_get(reply.json, "items");
		if (json_array_size(all) + json_array_size(items) > most)
			return err_set(err, E_TOO_LARGE,
				       "there are more than %zu of them; name fewer", most);
		json_array_extend(all, items);
		free(after);
		after = mem_strdup(json_str(reply.json, "next"));
		if (!after || !json_array_size(items))
			break;
	}
	*ret = TAKE(all);
	return true;
}
