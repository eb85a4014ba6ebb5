/* The API: HTTP routes over core. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#include "api/api.h"

#include "api/inside.h"
#include "core/change.h"
#include "core/run.h"
#include "store/changes.h"
#include "store/runs.h"

/* Found and allowed before a byte of the body is read. */
static bool
on_head(void *arg, struct http_request *req, size_t *ret_max_body, struct err *err)
{
	struct api *api = arg;
	struct visit *visit = mem_alloc(sizeof(*visit));
	const char *allow = NULL;

	*visit = (struct visit){.api = api, .req = req, .caller.expires = WALL_NONE};
	if (!auth_address_may(api->auth, req, err)) {
		visit_free(visit);
		return false;
	}
	if (!router_find(api->router, http_method(req), http_path(req), &visit->route, &visit->arg,
			 &visit->match, &allow, err)) {
		if (allow)
			http_add_header(req, "Allow", allow);
		visit_free(visit);
		return false;
	}
	if (!api_allowed(api, req, visit, err)) {
		visit_free(visit);
		return false;
	}
	if (visit->route->on_head && !visit->route->on_head(visit->arg, req, ret_max_body, err)) {
		visit_free(visit);
		return false;
	}
	http_set_context(req, visit);
	http_set_context_free(req, visit_free);
	return true;
}

static void
request_handle(struct http_request *req)
{
	struct visit *visit = http_context(req);
	const struct route *route = visit->route;

	/* Who changes nothing, and what is kept as an event, needs no row. */
	if (route->scope && strcmp(route->scope, "read") != 0 &&
	    strcmp(route->method, "GET") != 0 && !route->is_event)
		api_record(req, NULL);
	visit->route->handle(visit->arg, req, &visit->match);
}

static void
on_turn_over(void *arg, const struct err *err)
{
	(void)err;
	request_handle(arg);
}

/* Who only looks must not be shown what is not on disk yet: a crash would take it back. */
static void
on_request(void *arg, struct http_request *req)
{
	struct api *api = arg;

	if (str_eq(http_method(req), STR("GET")) && turn_is_open(api->core->store))
		turn_after(api->core->store, on_turn_over, req);
	else
		request_handle(req);
}

struct api *
api_new(struct core *core, const struct http_limits *limits, const struct api_host *host)
{
	struct api *api = mem_alloc(sizeof(*api));
	struct http_handler handler = {.on_head = on_head, .on_request = on_request, .arg = api};

	api->core = core;
	api->host = host;
	api->router = router_new();
	api->auth = auth_new(core);
	api->server = http_server_new(core->base, limits, &handler);
	api_admin_routes(api);
	api_doctor_routes(api);
	api_registry_routes(api);
	api_invoke_routes(api);
	api_runs_routes(api);
	api_dlq_routes(api);
	api_events_routes(api);
	api_changes_routes(api);
	api_batches_routes(api);
	api_replays_routes(api);
	api_rollouts_routes(api);
	api_review_routes(api);
	api_samples_routes(api);
	api_decide_routes(api);
	api_topics_routes(api);
	api_stream_routes(api);
	api_why_routes(api);
	api_tokens_routes(api);
	api_gates_routes(api);
	api_inbox_routes(api);
	api_links_routes(api);
	api_notify_routes(api);
	api_sessions_routes(api);
	api_budget_routes(api);
	api_schedule_routes(api);
	api_db_routes(api);
	api_audit_routes(api);
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

/* The configuration was checked: every item is an address. */
static void
proxies_configured(struct api *api, const struct conf_section *http)
{
	struct proxies *proxies = NULL;
	const char *const *items;
	size_t count = conf_list(http, "trusted_proxies", &items);

	proxies_new(items, count, &proxies, NULL);
	http_server_set_proxies(api->server, proxies);
}

void
api_configured(struct api *api)
{
	auth_configured(api->auth);
	proxies_configured(api, conf_section(registry_conf(api->core->registry), "http", ""));
}
