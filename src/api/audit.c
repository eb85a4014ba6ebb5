/* The audit log over HTTP: who did what. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "core/put.h"
#include "store/audit.h"

/* What it is in words: the summary of its route. */
struct meaning {
	const char *act, *summary;
};

static void
meaning_find(void *arg, const struct route *route)
{
	struct meaning *meaning = arg;
	size_t len = strlen(route->method);

	if (!strncmp(meaning->act, route->method, len) && meaning->act[len] == ' ' &&
	    !strcmp(meaning->act + len + 1, route->pattern))
		meaning->summary = route->summary;
}

struct listing {
	struct api *api;
	struct api_list list;
};

static bool
act_add(void *arg, const struct audit_row *row)
{
	struct listing *listing = arg;
	struct meaning meaning = {row->act, NULL};
	json_t *item = json_object();

	router_each(listing->api->router, meaning_find, &meaning);
	json_object_set_new(item, "id", json_integer(row->seq));
	json_put_wall(item, "at", row->at.ms);
	json_put_str(item, "by", row->who);
	json_put_str(item, "from", row->via);
	json_put_str(item, "act", row->act);
	put_or_null(item, "what", meaning.summary);
	put_or_null(item, "object", row->object);
	put_or_null(item, "scope", row->scope);
	put_or_null(item, "request", row->request);
	json_object_set_new(item, "status", row->status ? json_integer(row->status) : json_null());
	put_or_null(item, "error", row->error);
	return api_list_add(&listing->list, item, row->seq);
}

static void
on_list(void *arg, struct http_request *req, const struct route_match *match)
{
	static const char *const columns[] = {"by", "scope", "object", "status", NULL};
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct listing listing = {.api = api};

	(void)match;
	if (api_list_begin(req, columns, &listing.list, &err))
		audit_list(api->core->store, &listing.list.query, act_add, &listing, &err);
	api_list_reply(&listing.list, req, &err);
}

static const struct route routes[] = {
	{"GET", "/v1/audit", "read", "who did what, newest first", on_list},
};

void
api_audit_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
