/* The router, and events as they stand on the wire. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/tap.h"

#include "http/route.h"
#include "http/sse.h"

static void
handle(void *arg, struct http_request *req, const struct route_match *match)
{
	(void)arg;
	(void)req;
	(void)match;
}

static const struct route api[] = {
	{"GET", "/v1/runs", "read", "", handle},
	{"GET", "/v1/runs/{id}", "read", "", handle},
	{"GET", "/v1/runs/{id}/events", "read", "", handle},
	{"POST", "/v1/runs/{id}/events", "run", "", handle},
	{"POST", "/v1/batches/{name}/start", "invoke", "", handle},
	{"GET", "/v1/batches/{id...}", "read", "", handle},
	{"GET", "/v1/batches/all", "read", "", handle},
	{"DELETE", "/v1/a/{x}/{y}/{z}", "admin", "", handle},
	{"GET", "/", NULL, "", handle},
};
static const struct route hooks[] = {
	{"POST", "/hooks/{path...}", NULL, "", handle},
};

struct found {
	bool ok;
	const struct route *route;
	void *arg;
	struct route_match match;
	const char *allow;
	enum err_code code;
};

static struct found
find(const struct router *router, const char *method, const char *path)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct found f = {0};
	f.ok = router_find(router, str_of(method), str_of(path), &f.route, &f.arg, &f.match,
			   &f.allow, &err);
	f.code = err.code;
	return f;
}

static bool
leads_to(const struct router *router, const char *method, const char *path, const char *pattern,
	 const char *first)
{
	struct found f = find(router, method, path);
	return f.ok && !strcmp(f.route->pattern, pattern) &&
	       (!first || str_eq_cstr(f.match.params[0], first));
}

static void
count_route(void *arg, const struct route *route)
{
	*(size_t *)arg += route->handle != NULL;
}

static void
check_event(const char *id, const char *event, struct str data, const char *want)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;
	sse_format(&out, id, event, data);
	CHECK_STR(buf_cstr(&out), want);
}

int
main(void)
{
	struct router *router = router_new();
	int hooks_arg;
	router_add(router, api, ARRAY_LEN(api), NULL);
	router_add(router, hooks, ARRAY_LEN(hooks), &hooks_arg);
	IT ("a path finds its pattern, and the parameters in it") {
		CHECK(leads_to(router, "GET", "/", "/", NULL));
		CHECK(leads_to(router, "GET", "/v1/runs", "/v1/runs", NULL));
		CHECK(leads_to(router, "GET", "/v1/runs/7", "/v1/runs/{id}", "7"));
		CHECK(leads_to(router, "POST", "/v1/runs/7/events", "/v1/runs/{id}/events", "7"));
		struct found f = find(router, "DELETE", "/v1/a/1/2/3");
		CHECK(f.ok && str_eq_cstr(f.match.params[1], "2") &&
		      str_eq_cstr(f.match.params[2], "3"));
	}
	IT ("a parameter with dots takes slashes, and what is more exact goes before it") {
		CHECK(leads_to(router, "GET", "/v1/batches/tag/2026-11-20T02:00:00Z",
			       "/v1/batches/{id...}", "tag/2026-11-20T02:00:00Z"));
		CHECK(leads_to(router, "GET", "/v1/batches/all", "/v1/batches/all", NULL));
		CHECK(leads_to(router, "POST", "/v1/batches/tag/start", "/v1/batches/{name}/start",
			       "tag"));
		CHECK(find(router, "POST", "/hooks/a/b").arg == &hooks_arg);
	}
	IT ("braces in a path are a path") {
		CHECK(leads_to(router, "GET", "/v1/runs/{id}", "/v1/runs/{id}", "{id}"));
		CHECK(leads_to(router, "GET", "/v1/runs/{no}", "/v1/runs/{id}", "{no}"));
		CHECK(leads_to(router, "GET", "/v1/runs/{", "/v1/runs/{id}", "{"));
	}
	IT ("HEAD goes where GET goes") {
		CHECK(leads_to(router, "HEAD", "/v1/runs", "/v1/runs", NULL));
	}
	IT ("a path that is unknown is not found") {
		const char *const unknown[] = {
			"/v1",	   "/v1/",   "/v1/runs/", "/v1/runs/7/", "/v1/runs/7/x",
			"/hooks/", "/hooks", "",	  "/V1/runs",	 "/v1/a/1/2"};
		for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
			struct found f = find(router, "GET", unknown[i]);
			CHECK(!f.ok && f.code == E_NOT_FOUND && !f.allow);
		}
	}
	IT ("a method that is not served says which are") {
		struct found f = find(router, "PUT", "/v1/runs/7/events");
		CHECK(!f.ok && f.code == E_METHOD);
		CHECK_STR(f.allow, "GET, HEAD, POST");
		CHECK(find(router, "PATCH", "/v1/runs/8/events").allow == f.allow);
		CHECK_STR(find(router, "GET", "/hooks/x").allow, "POST");
	}
	IT ("every route is told") {
		size_t count = 0;
		router_each(router, count_route, &count);
		CHECK_INT(count, ARRAY_LEN(api) + ARRAY_LEN(hooks));
	}
	router_free(router);

	IT ("an event has id, name and its data line by line") {
		check_event("7", "done", STR("{}"), "id: 7\nevent: done\ndata: {}\n\n");
		check_event(NULL, NULL, STR("a\nb\r\nc\rd"),
			    "data: a\ndata: b\ndata: c\ndata: d\n\n");
		check_event(NULL, NULL, STR(""), "data: \n\n");
		check_event(NULL, NULL, STR("a\n"), "data: a\ndata: \n\n");
	}
	IT ("a name cannot begin another line") {
		check_event("1\ndata: x", "a\r\n\nb", STR("c"),
			    "id: 1 data: x\nevent: a   b\ndata: c\n\n");
		AUTO(buf_fini) struct buf out = BUF_INIT;
		sse_comment(&out, "still\nhere");
		CHECK_STR(buf_cstr(&out), ": still here\n\n");
	}
	return tap_done();
}
