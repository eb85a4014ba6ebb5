/* Replays over HTTP: started, taken up, compared, forgotten. SPEC 12. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "base/json.h"
#include "core/replay.h"

#define SHOWN 100

/* The first TEXTS of them are texts. */
#define TEXTS 8
static const char *const members[] = {"agent",	"of",	       "trigger",	  "batch",
				      "entity", "tenant",      "status",	  "since",
				      "limit",	"concurrency", "budget_cost_usd", NULL};

static bool
members_check(const json_t *body, struct err *err)
{
	if (!api_members(body, members, err))
		return false;
	for (size_t i = 0; i < TEXTS; i++) {
		const json_t *value = json_object_get(body, members[i]);

		if (value && !json_is_string(value) && !json_is_null(value))
			return err_set(err, E_INVALID, "%s: expected a text", members[i]);
	}
	return true;
}

/* Dollars; -1: nothing was said. */
static bool
budget_member(const json_t *body, int64_t *ret, struct err *err)
{
	const json_t *value = json_object_get(body, "budget_cost_usd");
	double dollars = json_number_value(value);

	*ret = -1;
	if (!value || json_is_null(value))
		return true;
	*ret = (int64_t)(dollars * 1e6 + 0.5);
	return (json_is_number(value) && dollars >= 0 && dollars <= 1e9) ||
	       err_set(err, E_INVALID, "budget_cost_usd: expected dollars, as 5 or 0.25");
}

static bool
status_check(const char *status, struct err *err)
{
	static const char *const words[] = {"succeeded", "failed", "cancelled", "skipped"};

	for (size_t i = 0; status && i < ARRAY_LEN(words); i++)
		if (!strcmp(words[i], status))
			return true;
	return !status || err_set(err, E_USAGE,
				  "status=%s; expected succeeded, failed, cancelled or skipped: a "
				  "run is replayed once it has ended",
				  status);
}

static bool
since_member(const json_t *body, struct wall *ret, struct err *err)
{
	const char *text = json_str(body, "since");

	*ret = WALL_NONE;
	return !text || wall_parse(str_of(text), ret) ||
	       err_set(err, E_INVALID, "since=%s; expected an instant, as 2026-11-20T09:30:00Z",
		       text);
}

/* row: of the batch that it names, which wish borrows from. */
static bool
wish_read(struct core *core, const json_t *body, struct replay_wish *ret, struct batch_row *row,
	  struct err *err)
{
	const char *batch = json_str(body, "batch");

	*ret = (struct replay_wish){.agent = json_str(body, "agent"),
				    .old_agent = json_str(body, "of"),
				    .trigger = json_str(body, "trigger"),
				    .entity = json_str(body, "entity"),
				    .tenant = json_str(body, "tenant"),
				    .status = json_str(body, "status")};
	if (!ret->agent)
		return err_set(err, E_INVALID, "agent: expected which agent the runs go to");
	if (!members_check(body, err) || !status_check(ret->status, err) ||
	    !since_member(body, &ret->since, err) ||
	    !api_member_whole(body, "limit", INT32_MAX, &ret->limit, err) ||
	    !api_member_whole(body, "concurrency", 1024, &ret->concurrency, err) ||
	    !budget_member(body, &ret->cost_uusd, err))
		return false;
	if (batch && !batch_find(core, batch, row, err))
		return false;
	ret->batch = row->id;
	return true;
}

static void
on_start(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(json_auto_decref) json_t *body = NULL;
	AUTO(batch_row_fini) struct batch_row row = {0};
	AUTO(auto_free) char *id = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct replay_wish wish;

	(void)match;
	if (!api_body(req, &body, &err) || !wish_read(api->core, body, &wish, &row, &err)) {
		http_reply_error(req, &err);
		return;
	}
	wish.by = api_by(req);
	if (replay_start(api->core, &wish, &id, &err))
		api_reply_object_after(api, req, 202, api_make_batch, id);
	else
		http_reply_error(req, &err);
}

/* --- taken up, forgotten ------------------------------------------------------------------- */

static void
on_resume(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *word = api_batch_param(match);
	AUTO(json_auto_decref) json_t *body = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;
	int64_t cost;

	if (api_body(req, &body, &err) && budget_member(body, &cost, &err) &&
	    replay_resume(api->core, word, cost, api_by(req), &err))
		api_reply_object_after(api, req, 200, api_make_batch, word);
	else
		http_reply_error(req, &err);
}

static void
on_forget(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *word = api_batch_param(match);
	AUTO(err_fini) struct err err = ERR_INIT;

	if (replay_forget(api->core, word, api_by(req), &err))
		api_reply_object_after(api, req, 202, api_make_batch, word);
	else
		http_reply_error(req, &err);
}

/* --- compared ------------------------------------------------------------------------------ */

static void
on_page(void *arg, json_t *take_page, struct err *err)
{
	struct http_request *req = arg;

	if (take_page)
		api_reply(req, 200, take_page);
	else
		http_reply_error(req, err);
}

static bool
number_param(const struct http_request *req, const char *name, int64_t def, int64_t least,
	     int64_t most, int64_t *ret, struct err *err)
{
	AUTO(auto_free) char *text = http_query_param(req, name);

	*ret = def;
	return !text || (str_to_i64(str_of(text), ret) && *ret >= least && *ret <= most) ||
	       err_set(err, E_USAGE, "%s=%s; expected a number from %lld to %lld", name, text,
		       (long long)least, (long long)most);
}

static void
on_compare(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *word = api_batch_param(match);
	AUTO(batch_row_fini) struct batch_row row = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	int64_t after, limit;

	if (!number_param(req, "after", 0, 0, INT64_MAX, &after, &err) ||
	    !number_param(req, "limit", SHOWN, 1, REPLAY_PAGE_MAX, &limit, &err) ||
	    !batch_find(api->core, word, &row, &err)) {
		http_reply_error(req, &err);
		return;
	}
	if (!replay_is(row.id)) {
		err_set(&err, E_STATE, "batch %s is no replay; rouse diff shows what it proposed",
			row.id);
		http_reply_error(req, &err);
		return;
	}
	replay_compare(api->core, &row, after, (unsigned)limit, on_page, req);
}

#define BOTH(method, tail, scope, summary, handler)                                                \
	{method, "/v1/replays/{b}" tail, scope, summary, handler},                                 \
	{                                                                                          \
		method, "/v1/replays/{b}/{start}" tail, scope, summary, handler                    \
	}

static const struct route routes[] = {
	{"POST", "/v1/replays", "invoke",
	 "run old runs again in another agent: {\"agent\", \"of\", \"trigger\", \"batch\", "
	 "\"since\", \"limit\", \"budget_cost_usd\", …}",
	 on_start},
	BOTH("GET", "/diff", "read", "what the old and the new agent proposed", on_compare),
	BOTH("POST", "/resume", "invoke", "go on with one: {\"budget_cost_usd\"}", on_resume),
	BOTH("POST", "/forget", "invoke", "let go of it and of all that it proposed", on_forget),
};

void
api_replays_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
