/* Batches over HTTP: listed, shown, started, paused, resumed, cancelled; their entities. SPEC 13.
 */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "base/json.h"
#include "core/batch.h"

char *
api_batch_param(const struct route_match *match)
{
	struct buf id = BUF_INIT;

	buf_add_str(&id, match->params[0]);
	if (match->params[1].p) {
		buf_putc(&id, '/');
		buf_add_str(&id, match->params[1]);
	}
	return buf_take(&id);
}

json_t *
api_make_batch(struct core *core, void *arg, int *ret_status, struct err *err)
{
	AUTO(batch_row_fini) struct batch_row row = {0};

	(void)ret_status;
	return batch_find(core, arg, &row, err) ? batch_object(core, &row, true) : NULL;
}

struct listing {
	struct core *core;
	struct api_list list;
};

static bool
batch_add(void *arg, const struct batch_row *row)
{
	struct listing *listing = arg;

	return api_list_add(&listing->list, batch_object(listing->core, row, false), row->seq);
}

static void
on_list(void *arg, struct http_request *req, const struct route_match *match)
{
	static const char *const columns[] = {"name", "state", NULL};
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct listing listing = {.core = api->core};

	(void)match;
	if (api_list_begin(req, columns, &listing.list, &err))
		batches_list(api->core->store, &listing.list.query, batch_add, &listing, &err);
	api_list_reply(&listing.list, req, &err);
}

static void
on_show(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *word = api_batch_param(match);
	AUTO(err_fini) struct err err = ERR_INIT;
	int status = 200;
	json_t *object = api_make_batch(api->core, word, &status, &err);

	if (object)
		api_reply(req, status, object);
	else
		http_reply_error(req, &err);
}

/* --- entities ------------------------------------------------------------------------------ */

static bool
item_add(void *arg, const struct item_row *row)
{
	return api_list_add(arg, batch_item_object(row), row->n);
}

static bool
state_check(const char *state, struct err *err)
{
	static const char *const words[] = {"left", "running", "done", "skipped", "failed"};

	for (size_t i = 0; state && i < ARRAY_LEN(words); i++)
		if (!strcmp(words[i], state))
			return true;
	return !state ||
	       err_set(err, E_USAGE, "status=%s; expected left, running, done, skipped or failed",
		       state);
}

/* In the order in which they are taken: the cursor counts up. */
static void
on_entities(void *arg, struct http_request *req, const struct route_match *match)
{
	static const char *const columns[] = {"status", NULL};
	struct api *api = arg;
	AUTO(auto_free) char *word = api_batch_param(match);
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(batch_row_fini) struct batch_row row = {0};
	struct api_list list;
	const char *state;

	if (api_list_begin(req, columns, &list, &err)) {
		state = list.count ? list.values[0] : NULL;
		if (state_check(state, &err) && batch_find(api->core, word, &row, &err))
			items_list(api->core->store, row.seq, state, list.query.before_seq,
				   list.query.limit, false, item_add, &list, &err);
	}
	api_list_reply(&list, req, &err);
}

/* --- start --------------------------------------------------------------------------------- */

static bool
text_member(const json_t *body, const char *name, const char **ret, struct err *err)
{
	const json_t *value = json_object_get(body, name);

	*ret = json_string_value(value);
	return !value || json_is_null(value) || (*ret && **ret) ||
	       err_set(err, E_INVALID, "%s: expected the id or the name of a batch", name);
}

static bool
start(struct api *api, const struct http_request *req, const char *name, char **ret_id,
      struct err *err)
{
	AUTO(json_auto_decref) json_t *body = NULL;
	static const char *const names[] = {"limit", "trial", "only", "failed", "skipped", NULL};
	struct batch_options options = {.nominal = WALL_NONE, .by = api_by(req)};

	if (!api_body(req, &body, err) || !api_members(body, names, err) ||
	    !api_member_whole(body, "limit", INT64_MAX, &options.limit, err) ||
	    !api_member_whole(body, "trial", INT64_MAX, &options.trial, err) ||
	    !text_member(body, "failed", &options.failed, err) ||
	    !text_member(body, "skipped", &options.skipped, err))
		return false;
	options.only = json_object_get(body, "only");
	return batch_start(api->core, name, &options, ret_id, err);
}

static void
on_start(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *name = api_param(match, 0);
	AUTO(auto_free) char *id = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (start(api, req, name, &id, &err))
		api_reply_object_after(api, req, 202, api_make_batch, id);
	else
		http_reply_error(req, &err);
}

/* --- pause, resume, cancel ----------------------------------------------------------------- */

typedef bool batch_verb(struct core *core, const char *word, const char *by, const char *why,
			struct err *err);

static void
act(struct api *api, struct http_request *req, const struct route_match *match, batch_verb *verb)
{
	AUTO(auto_free) char *word = api_batch_param(match);
	AUTO(json_auto_decref) json_t *body = NULL;
	AUTO(batch_row_fini) struct batch_row row = {0};
	AUTO(err_fini) struct err err = ERR_INIT;

	if (api_body(req, &body, &err) && batch_find(api->core, word, &row, &err) &&
	    verb(api->core, row.id, api_by(req), json_str(body, "reason"), &err))
		api_reply_object_after(api, req, 200, api_make_batch, row.id);
	else
		http_reply_error(req, &err);
}

static void
on_pause(void *arg, struct http_request *req, const struct route_match *match)
{
	act(arg, req, match, batch_pause);
}

static void
on_resume(void *arg, struct http_request *req, const struct route_match *match)
{
	act(arg, req, match, batch_resume);
}

static void
on_cancel(void *arg, struct http_request *req, const struct route_match *match)
{
	act(arg, req, match, batch_cancel);
}

#define BOTH(method, tail, scope, summary, handler)                                                \
	{method, "/v1/batches/{b}" tail, scope, summary, handler},                                 \
	{                                                                                          \
		method, "/v1/batches/{b}/{start}" tail, scope, summary, handler                    \
	}

static const struct route routes[] = {
	{"GET", "/v1/batches", "read", "batches, newest first", on_list},
	BOTH("GET", "", "read", "one batch, by its id or its name", on_show),
	BOTH("GET", "/entities", "read", "its entities, and what became of each", on_entities),
	{"POST", "/v1/batches/{name}/start", "invoke",
	 "start one: {\"limit\", \"trial\", \"only\": […], \"failed\", \"skipped\"}", on_start},
	BOTH("POST", "/pause", "invoke", "start no more of its entities", on_pause),
	BOTH("POST", "/resume", "invoke", "go on with what is paused or failed", on_resume),
	BOTH("POST", "/cancel", "invoke", "stop it for good, what runs as well", on_cancel),
};

void
api_batches_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
