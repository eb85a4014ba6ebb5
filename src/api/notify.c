/* Who is told of what: each [notify], and whether it works. SPEC 3. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "core/notify.h"

static void
on_list(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;

	(void)match;
	api_reply_items(req, notify_objects(api->core));
}

static void
on_tried(void *arg, const struct err *err)
{
	struct http_request *req = arg;

	if (err->code == E_OK)
		api_reply(req, 200, json_pack("{s:b}", "sent", 1));
	else
		http_reply_error(req, err);
}

/* The answer comes when it was taken, or not: notify.timeout at the latest. */
static void
on_test(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *name = api_param(match, 0);
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!notify_try(api->core, name, on_tried, req, &err))
		http_reply_error(req, &err);
}

static const struct route routes[] = {
	{"GET", "/v1/notify", "read", "who is told of what, and whether that works", on_list},
	{"POST", "/v1/notify/{name}/test", "admin", "send one message now", on_test},
};

void
api_notify_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
