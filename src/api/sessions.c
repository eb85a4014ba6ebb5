/* Sessions over HTTP: conversations of agents, their turns, what is kept for them. SPEC 2, 13. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"

#include "core/session.h"

struct listing {
	struct core *core;
	struct api_list list;
};

static bool
session_add(void *arg, const struct session_row *row)
{
	struct listing *listing = arg;

	return api_list_add(&listing->list, session_object(listing->core, row, false), row->seq);
}

static void
on_list(void *arg, struct http_request *req, const struct route_match *match)
{
	static const char *const columns[] = {"agent", "tenant", "name", "open", NULL};
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct listing listing = {.core = api->core};

	(void)match;
	if (api_list_begin(req, columns, &listing.list, &err))
		sessions_list(api->core->store, &listing.list.query, session_add, &listing, &err);
	api_list_reply(&listing.list, req, &err);
}

static json_t *
make_session(struct core *core, void *arg, int *ret_status, struct err *err)
{
	AUTO(session_row_fini) struct session_row session = {0};

	(void)ret_status;
	return sessions_get(core->store, arg, &session, err) ? session_object(core, &session, true)
							     : NULL;
}

static void
on_show(void *arg, struct http_request *req, const struct route_match *match)
{
	api_show(arg, req, match, make_session);
}

static void
on_end(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(err_fini) struct err err = ERR_INIT;

	if (session_end(api->core, id, api_by(req), &err))
		api_reply_object_after(api, req, 200, make_session, id);
	else
		http_reply_error(req, &err);
}

static const struct route routes[] = {
	{"GET", "/v1/sessions", "read", "conversations of agents", on_list},
	{"GET", "/v1/sessions/{id}", "read", "one conversation", on_show},
	{"POST", "/v1/sessions/{id}/end", "invoke", "end a conversation; its name is free again",
	 on_end},
};

void
api_sessions_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
