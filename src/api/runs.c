/* Runs over HTTP. */
/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "api/inside.h"
#include "core/attempt.h"
#include "core/run.h"
#include "pure/duration.h"
#include "store/runs.h"

#define STDERR_MAX 65536

struct listing {
	struct core *core;
	struct api_list list;
};

static bool
run_add(void *arg, const struct run_row *row)
{
	struct listing *listing = arg;

	return api_list_add(&listing->list, run_object(listing->core, row, false), row->seq);
}

void
api_runs_list(struct api *api, struct http_request *req, const char *const *columns, bool dead)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct listing listing = {.core = api->core};
	struct list_query *query = &listing.list.query;

	if (api_list_begin(req, columns, &listing.list, &err)) {
		if (dead && listing.list.count < LIST_FILTERS)
			query->filters[listing.list.count] = (struct list_filter){"dead", "1"};
		api_list_batch(api, &listing.list);
		runs_list(api->core->store, query, run_add, &listing, &err);
	}
	api_list_reply(&listing.list, req, &err);
}

static void
on_list(void *arg, struct http_request *req, const struct route_match *match)
{
	static const char *const columns[] = {"status", "agent", "trigger", "batch",   "entity",
					      "tenant", "key",	 "reason",  "session", NULL};

	(void)match;
	api_runs_list(arg, req, columns, false);
}

static void
on_show(void *arg, struct http_request *req, const struct route_match *match)
{
	api_show(arg, req, match, api_make_run);
}

/* What a person says with an action: {"reason": …}. */
static bool
reason_of(const struct http_request *req, json_t **ret_body, const char **ret_reason,
	  struct err *err)
{
	if (!api_body(req, ret_body, err))
		return false;
	*ret_reason = json_str(*ret_body, "reason");
	return true;
}

static void
on_cancel(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(json_auto_decref) json_t *body = NULL;
	const char *reason;

	if (reason_of(req, &body, &reason, &err) &&
	    run_cancel(api->core, id, api_by(req), reason ? reason : "cancelled by a person", &err))
		api_reply_object_after(api, req, 200, api_make_run, id);
	else
		http_reply_error(req, &err);
}

static bool
count_parse(struct str s, int64_t *ret, struct err *err)
{
	int64_t n;

	if (!str_to_i64(s, &n) || n < 0)
		return err_set(err, E_INVALID, "%.*s; expected a whole number", STR_ARG(s));
	*ret = n;
	return true;
}

/* {"cost":5,"deadline":"30m"}: as the configuration writes them, or as numbers (dollars, counts,
 * bytes, milliseconds). */
static bool
limits_of(json_t *budget, struct run_limits *ret, struct err *err)
{
	static const struct {
		const char *name;
		bool (*parse)(struct str s, int64_t *ret, struct err *err);
		size_t offset;
		double scale;
	} names[] = {
		{"deadline", duration_parse, offsetof(struct run_limits, deadline_ms), 1},
		{"steps", count_parse, offsetof(struct run_limits, steps), 1},
		{"tools", count_parse, offsetof(struct run_limits, tools), 1},
		{"tokens", count_parse, offsetof(struct run_limits, tokens), 1},
		{"context", count_parse, offsetof(struct run_limits, context), 1},
		{"cost", money_parse, offsetof(struct run_limits, cost_uusd), 1e6},
		{"output", size_parse, offsetof(struct run_limits, output_bytes), 1},
	};
	const char *name;
	json_t *value;

	json_object_foreach (budget, name, value) {
		size_t i = 0;
		int64_t *field;

		while (i < ARRAY_LEN(names) && strcmp(names[i].name, name) != 0)
			i++;
		if (i == ARRAY_LEN(names))
			return err_set(err, E_INVALID,
				       "budget.%s is no limit of a run; expected deadline, steps, "
				       "tools, tokens, context, cost or output",
				       name);
		field = (int64_t *)(void *)((char *)ret + names[i].offset);
		if (json_is_string(value)) {
			if (!names[i].parse(str_of(json_string_value(value)), field, err))
				return err_prefix(err, "budget.%s", name);
		} else if (json_is_number(value) && json_number_value(value) >= 0 &&
			   json_number_value(value) < 1e12) {
			*field = llround(json_number_value(value) * names[i].scale);
		} else {
			return err_set(err, E_INVALID,
				       "budget.%s: expected a number that is not "
				       "negative, or a text as 30m or 16M",
				       name);
		}
	}
	return true;
}

static void
on_retry(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(auto_free) char *run_id = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(json_auto_decref) json_t *body = NULL;
	struct run_limits limits = RUN_LIMITS_AS_THEY_WERE;

	if (api_body(req, &body, &err) &&
	    limits_of(json_object_get(body, "budget"), &limits, &err) &&
	    run_retry(api->core, id, &limits, api_by(req), &run_id, &err))
		api_reply_object_after(api, req, 202, api_make_run_id, run_id);
	else
		http_reply_error(req, &err);
}

static void
on_input(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(json_auto_decref) json_t *body = NULL;
	const char *text;

	if (!api_body(req, &body, &err)) {
		http_reply_error(req, &err);
		return;
	}
	text = json_str(body, "text");
	if (!text)
		err_set(&err, E_INVALID, "input without text; expected {\"text\": \"…\"}");
	if (text && run_send(api->core, id, text, &err))
		api_reply_object_after(api, req, 202, api_make_run, id);
	else
		http_reply_error(req, &err);
}

/* What a run wrote on standard error: kept in its log when an attempt ends. */
struct tail {
	struct buf text;
	int64_t attempt;
};

static bool
stderr_add(void *arg, const struct log_row *row)
{
	struct tail *tail = arg;
	AUTO(json_auto_decref) json_t *data = NULL;

	if (strcmp(row->type, "stderr") || (tail->attempt && row->attempt != tail->attempt) ||
	    tail->text.len > STDERR_MAX)
		return true;
	if (json_read(str_of(row->data), &data, NULL) && json_str(data, "text"))
		buf_puts(&tail->text, json_str(data, "text"));
	return true;
}

static void
on_stderr(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(auto_free) char *attempt = http_query_param(req, "attempt");
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(run_row_fini) struct run_row run = {0};
	struct tail tail = {.text = BUF_INIT};

	if (attempt && !str_to_i64(str_of(attempt), &tail.attempt))
		err_set(&err, E_USAGE, "attempt=%s; expected a number", attempt);
	if (err.code == E_OK && runs_get(api->core->store, id, &run, &err) &&
	    runlog_list(api->core->store, run.seq, 0, UINT32_MAX, stderr_add, &tail, &err))
		http_reply(req, 200, "text/plain; charset=utf-8", buf_str(&tail.text));
	else
		http_reply_error(req, &err);
	buf_fini(&tail.text);
}

json_t *
api_make_run_id(struct core *core, void *arg, int *ret_status, struct err *err)
{
	json_t *object = api_make_run(core, arg, ret_status, err);

	if (object)
		json_object_set(object, "run_id", json_object_get(object, "id"));
	return object;
}

static const struct route routes[] = {
	{"GET", "/v1/runs", "read", "runs, newest first", on_list},
	{"GET", "/v1/runs/{id}", "read", "one run, whole", on_show},
	{"GET", "/v1/runs/{id}/stderr", "read", "what it wrote on standard error", on_stderr},
	{"POST", "/v1/runs/{id}/cancel", "invoke", "stop it", on_cancel},
	{"POST", "/v1/runs/{id}/retry", "invoke", "run it again", on_retry},
	{"POST", "/v1/runs/{id}/input", "invoke", "say something to it", on_input},
};

void
api_runs_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
