/* A server of a page: 202 to POST /hooks/…, 200 to GET; for the corpus of raw requests, and to
 * measure. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/route.h"

struct echo {
	struct router *router;
	struct event_base *base;
	struct http_server *server;
	bool late; /* answers come at the end of the turn, as the daemon's do */
	struct http_request *waiting[4096];
	size_t waiting_count;
};

static void
accept_event(void *arg, struct http_request *req, const struct route_match *match)
{
	struct echo *echo = arg;
	(void)match;
	if (echo->late && echo->waiting_count < ARRAY_LEN(echo->waiting))
		echo->waiting[echo->waiting_count++] = req;
	else
		http_reply_json(req, 202, STR("{\"event\":\"72d3162e\",\"outcome\":\"ran\"}\n"));
}

static void
say_hello(void *arg, struct http_request *req, const struct route_match *match)
{
	(void)arg;
	(void)match;
	http_reply_json(req, 200, STR("{\"ok\":true}\n"));
}

static const struct route routes[] = {
	{"POST", "/hooks/{path...}", NULL, "Takes an event", accept_event},
	{"GET", "/hooks/{path...}", NULL, "Says hello", say_hello},
	{"GET", "/", NULL, "Says hello", say_hello},
};

static void
on_request(void *arg, struct http_request *req)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct echo *echo = arg;
	const struct route *route;
	struct route_match match;
	const char *allow = NULL;
	void *route_arg;
	if (router_find(echo->router, http_method(req), http_path(req), &route, &route_arg, &match,
			&allow, &err)) {
		route->handle(route_arg, req, &match);
		return;
	}
	if (allow)
		http_add_header(req, "Allow", allow);
	http_reply_error(req, &err);
}

static void
on_signal(evutil_socket_t fd, short what, void *arg)
{
	bool *stop = arg;
	(void)fd;
	(void)what;
	*stop = true;
}

static void
turn_end(struct echo *echo)
{
	for (size_t i = 0; i < echo->waiting_count; i++)
		http_reply_json(echo->waiting[i], 202,
				STR("{\"event\":\"72d3162e\",\"outcome\":\"ran\"}\n"));
	echo->waiting_count = 0;
}

/* http_echo ADDRESS DEADLINE_MS [late] [CERT KEY]: prints the port. */
int
main(int argc, char **argv)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	int64_t deadline_ms = 10000;
	bool stop = false;
	unsigned port = 0;
	struct echo *echo = mem_alloc(sizeof *echo);
	if (argc > 2)
		str_to_i64(str_of(argv[2]), &deadline_ms);
	echo->late = argc > 3 && !strcmp(argv[3], "late");
	struct http_limits limits = {.max_header = 16384,
				     .max_body = 1 << 20,
				     .header_timeout_ms = deadline_ms,
				     .body_timeout_ms = deadline_ms,
				     .idle_timeout_ms = deadline_ms,
				     .max_connections = 4096};
	struct http_handler handler = {.on_request = on_request, .arg = echo};
	echo->base = event_base_new();
	echo->server = http_server_new(echo->base, &limits, &handler);
	echo->router = router_new();
	router_add(echo->router, routes, ARRAY_LEN(routes), echo);
	if (!http_listen_tcp(echo->server, argc > 1 ? argv[1] : "127.0.0.1:0",
			     argc > 5 ? argv[4] : NULL, argc > 5 ? argv[5] : NULL, &port, &err)) {
		fprintf(stderr, "http_echo: %s\n", err_text(&err));
		return 1;
	}
	struct event *term = evsignal_new(echo->base, SIGTERM, on_signal, &stop);
	event_add(term, NULL);
	printf("%u\n", port);
	fflush(stdout);
	while (!stop) {
		event_base_loop(echo->base, EVLOOP_ONCE);
		turn_end(echo);
	}
	event_free(term);
	http_server_free(echo->server);
	router_free(echo->router);
	event_base_free(echo->base);
	free(echo);
	return 0;
}
