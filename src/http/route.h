/* Routes: a table of method, pattern and handler; upper rooms hand theirs down. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_HTTP_ROUTE_H
#define ROUSE_HTTP_ROUTE_H

#include "http/server.h"

#define ROUTE_PARAMS 3

struct route_match {
	struct str params[ROUTE_PARAMS]; /* what stood for {x}, in order, decoded */
};

struct route {
	const char *method;  /* "GET" (HEAD too) "POST" ... */
	const char *pattern; /* "/v1/runs/{id}/events"; "{id...}" at the end takes slashes too */
	const char *scope;   /* read invoke review apply admin run; NULL: open to all */
	const char *summary; /* one line, for the OpenAPI document */
	void (*handle)(void *arg, struct http_request *req, const struct route_match *match);
	/* Asked when the head is there, as http_on_head is; may be NULL. */
	bool (*on_head)(void *arg, struct http_request *req, size_t *ret_max_body, struct err *err);
	bool is_event; /* what it does is an event, and kept as one: the audit log has no row of it
			*/
};

struct router;
struct router *router_new(void);
void router_free(struct router *router);
/* The table must live as long as the router. */
void router_add(struct router *router, const struct route *table, size_t count, void *arg);
/* E_NOT_FOUND, or E_METHOD with ret_allow a list for the Allow header (owned by the router). */
bool router_find(const struct router *router, struct str method, struct str path,
		 const struct route **ret_route, void **ret_arg, struct route_match *ret_match,
		 const char **ret_allow, struct err *err);
/* Calls fn for every route in order of addition. */
void router_each(const struct router *router, void (*fn)(void *arg, const struct route *route),
		 void *arg);

#endif
