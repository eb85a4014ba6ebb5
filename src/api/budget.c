/* The budget of a day: spent, reserved and left. SPEC 9, 13. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "base/json.h"
#include "core/ledger.h"

static json_t *
dollars(int64_t uusd)
{
	return uusd < 0 ? json_null() : json_real((double)uusd / 1e6);
}

/* What may still be spent; NULL limit: none. */
static int64_t
left_of(int64_t limit, int64_t spent, int64_t reserved)
{
	if (limit < 0)
		return -1;
	return spent > limit || reserved > limit - spent ? 0 : limit - spent - reserved;
}

static json_t *
count(int64_t n)
{
	return n < 0 ? json_null() : json_integer(n);
}

static void
on_line(void *arg, const struct ledger_line *line)
{
	json_t *item = json_object();

	json_put_str(item, "scope", line->scope);
	json_put_str(item, "name", line->name);
	if (line->tenant)
		json_put_str(item, "tenant", line->tenant);
	json_put_str(item, "day", line->day);
	json_object_set_new(item, "spent_usd", dollars(line->spent_uusd));
	json_object_set_new(item, "reserved_usd", dollars(line->reserved_uusd));
	json_object_set_new(item, "limit_usd", dollars(line->limit_uusd));
	json_object_set_new(
		item, "left_usd",
		dollars(left_of(line->limit_uusd, line->spent_uusd, line->reserved_uusd)));
	json_object_set_new(item, "tokens", json_integer(line->tokens));
	json_object_set_new(item, "reserved_tokens", json_integer(line->reserved_tokens));
	json_object_set_new(item, "limit_tokens", count(line->limit_tokens));
	json_object_set_new(item, "held", json_integer(line->held));
	json_array_append_new(arg, item);
}

static void
on_budget(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(auto_free) char *day = http_query_param(req, "day");
	struct wall asked;
	json_t *items;

	(void)match;
	if (day && (strlen(day) != 10 || !wall_parse(str_of(day), &asked))) {
		err_set(&err, E_USAGE, "day=%s; expected a date as 2026-11-20", day);
		http_reply_error(req, &err);
		return;
	}
	items = json_array();
	if (!ledger_each(api->core, day, on_line, items, &err)) {
		json_decref(items);
		http_reply_error(req, &err);
		return;
	}
	api_reply_items(req, items);
}

static const struct route routes[] = {
	{"GET", "/v1/budget", "read", "what a day has cost, and may", on_budget},
};

void
api_budget_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
