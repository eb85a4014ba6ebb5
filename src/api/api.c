/* The API: HTTP routes over core. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#include "api/api.h"

#include "api/inside.h"
#include "core/change.h"
#include "core/rate.h"
#include "core/run.h"
#include "store/changes.h"
#include "store/runs.h"

/* What is known of a request once its head was accepted. */
struct visit {
	const struct route *route;
	void *arg;
	struct route_match match;
	char *by;
	void (*when_over)(void *arg);
	void *over_arg;
};

static void
visit_free(void *arg)
{
	struct visit *visit = arg;

	if (visit->when_over)
		visit->when_over(visit->over_arg);
	free(visit->by);
	free(visit);
}

void
api_when_over(struct http_request *req, void (*fn)(void *arg), void *arg)
{
	struct visit *visit = http_context(req);

	visit->when_over = fn;
	visit->over_arg = arg;
}

const char *
api_by(const struct http_request *req)
{
	const struct visit *visit = http_context(req);

	return visit && visit->by ? visit->by : "nobody";
}

/* http.rate_per_ip, for what comes by TCP. */
static bool
address_may(struct api *api, const struct http_request *req, struct err *err)
{
	const struct http_peer *peer = http_peer(req);
	AUTO(buf_fini) struct buf name = BUF_INIT;
	int64_t wait_ms;

	if (!api->rate_count || peer->local)
		return true;
	buf_printf(&name, "address/%s", peer->address);
	if (rate_take(api->core, buf_cstr(&name), api->rate_count, api->rate_per_ms, &wait_ms))
		return true;
	return err_set(err, E_RATE, "more requests from %s than http.rate_per_ip; try again in %lld ms", peer->address, (long long)wait_ms);
}

/* Found and allowed before a byte of the body is read. */
static bool
on_head(void *arg, struct http_request *req, size_t *ret_max_body, struct err *err)
{
	struct api *api = arg;
	struct visit *visit = mem_alloc(sizeof(*visit));
	const char *allow = NULL;

	(void)ret_max_body;
	if (!address_may(api, req, err)) {
		visit_free(visit);
		return false;
	}
	if (!router_find(api->router, http_method(req), http_path(req), &visit->route, &visit->arg, &visit->match, &allow, err)) {
		if (allow)
			http_add_header(req, "Allow", allow);
		visit_free(visit);
		return false;
	}
	if (visit->route->scope && !auth_check(api->auth, req, visit->route->scope, &visit->by, err)) {
		visit_free(visit);
		return false;
	}
	http_set_context(req, visit);
	http_set_context_free(req, visit_free);
	return true;
}

static void
on_request(void *arg, struct http_request *req)
{
	struct visit *visit = http_context(req);

	(void)arg;
	visit->route->handle(visit->arg, req, &visit->match);
}

struct api *
api_new(struct core *core, const struct http_limits *limits, const struct api_host *host)
{
	struct api *api = mem_alloc(sizeof(*api));
	struct http_handler handler = {.on_head = on_head, .on_request = on_request, .arg = api};

	api->core = core;
	api->host = host;
	api->router = router_new();
	api->auth = auth_new(core, host->group);
	api->server = http_server_new(core->base, limits, &handler);
	api_admin_routes(api);
	api_registry_routes(api);
	api_invoke_routes(api);
	api_runs_routes(api);
	api_events_routes(api);
	api_changes_routes(api);
	api_stream_routes(api);
	api_why_routes(api);
	api_tokens_routes(api);
	api_gates_routes(api);
	api_db_routes(api);
	api_openapi_routes(api);
	api_configured(api);
	return api;
}

void
api_free(struct api *api)
{
	http_server_free(api->server);
	router_free(api->router);
	auth_free(api->auth);
	free(api);
}

struct http_server *
api_server(struct api *api)
{
	return api->server;
}

struct router *
api_router(struct api *api)
{
	return api->router;
}

void
api_configured(struct api *api)
{
	const struct conf *conf = registry_conf(api->core->registry);

	auth_set_group(api->auth, conf_str(conf_section(conf, "daemon", ""), "group"));
	if (!conf_rate(conf_section(conf, "http", ""), "rate_per_ip", &api->rate_count, &api->rate_per_ms))
		api->rate_count = 0;
}

/* --- bodies and answers -------------------------------------------------------------------- */

/* A string with a NUL inside would be taken for its beginning. */
static bool
members_check(const json_t *body, struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)body, key, value)
		if (json_is_string(value) && strlen(json_string_value(value)) != json_string_length(value))
			return err_set(err, E_INVALID, "body: %s has a NUL (\\u0000) in it; leave it out", key);
	return true;
}

bool
api_body(const struct http_request *req, json_t **ret, struct err *err)
{
	struct str body = str_trim(http_body(req));

	if (!body.len) {
		*ret = json_object();
		return true;
	}
	if (!json_read(body, ret, err))
		return err_prefix(err, "body");
	if (json_is_object(*ret) ? members_check(*ret, err) : err_set(err, E_INVALID, "the body must be a JSON object"))
		return true;
	json_decref(*ret);
	*ret = NULL;
	return false;
}

void
api_reply(struct http_request *req, int status, json_t *take_json)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	json_write(&text, take_json);
	json_decref(take_json);
	http_reply_json(req, status, buf_str(&text));
}

struct pending {
	struct api *api;
	struct http_request *req;
	int status;
	api_make *make;
	void *arg;
};

static void
on_turn_end(void *arg, const struct err *err)
{
	struct pending *pending = arg;
	AUTO(err_fini) struct err failure = ERR_INIT;
	json_t *answer = NULL;

	if (err->code == E_OK)
		answer = pending->make(pending->api->core, pending->arg, &pending->status, &failure);
	if (answer)
		api_reply(pending->req, pending->status, answer);
	else
		http_reply_error(pending->req, err->code == E_OK ? &failure : err);
	free(pending->arg);
	free(pending);
}

static void
reply_after(struct api *api, struct http_request *req, int status, api_make *make, void *arg)
{
	struct pending *pending = mem_alloc(sizeof(*pending));

	*pending = (struct pending){api, req, status, make, arg};
	turn_after(api->core->store, on_turn_end, pending);
}

void
api_reply_after(struct api *api, struct http_request *req, api_make *make, void *arg)
{
	reply_after(api, req, 200, make, arg);
}

void
api_reply_object_after(struct api *api, struct http_request *req, int status, api_make *make, const char *id)
{
	reply_after(api, req, status, make, mem_strdup(id));
}

json_t *
api_make_run(struct core *core, void *arg, int *ret_status, struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};

	(void)ret_status;
	return runs_get(core->store, arg, &run, err) ? run_object(core, &run, true) : NULL;
}

json_t *
api_make_change(struct core *core, void *arg, int *ret_status, struct err *err)
{
	AUTO(change_row_fini) struct change_row change = {0};

	(void)ret_status;
	return changes_get(core->store, arg, &change, err) ? change_object(&change) : NULL;
}

char *
api_param(const struct route_match *match, size_t i)
{
	return str_dup(match->params[i]);
}
