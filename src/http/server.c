/* The server: what listeners and connections share, from its beginning to its end. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/conn.h"

/* Connections that come to the list meanwhile wait for the next round of the loop. */
static void
server_on_later(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	struct http_server *server = arg;
	struct conn *conn;
	for (unsigned n = server->later_count; n && (conn = TAILQ_FIRST(&server->later)); n--) {
		TAILQ_REMOVE(&server->later, conn, later);
		server->later_count--;
		conn->is_later = false;
		conn_settle(conn);
	}
	if (server->later_count)
		event_active(server->ev_later, EV_TIMEOUT, 0);
}

struct http_server *
http_server_new(struct event_base *base, const struct http_limits *limits,
		const struct http_handler *handler)
{
	struct http_server *server = mem_alloc(sizeof *server);
	assert(handler->on_request);
	server->base = base;
	server->limits = *limits;
	server->handler = *handler;
	server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	TAILQ_INIT(&server->listeners);
	TAILQ_INIT(&server->conns);
	TAILQ_INIT(&server->waiting);
	TAILQ_INIT(&server->later);
	TAILQ_INIT(&server->pool);
	wheel_init(&server->wheel, base, conn_on_deadline);
	server->ev_later = event_new(base, -1, 0, server_on_later, server);
	assert(server->ev_later);
	return server;
}

static void
free_listeners(struct http_server *server)
{
	struct listener *listener;
	while ((listener = TAILQ_FIRST(&server->listeners)))
		listener_free(listener);
}

void
http_server_free(struct http_server *server)
{
	struct conn *conn;
	if (!server)
		return;
	free_listeners(server);
	while ((conn = TAILQ_FIRST(&server->conns))) {
		if (!conn->dead) { /* a reply given in the last turn still goes out */
			conn->busy = true;
			conn_advance(conn);
			conn_flush(conn);
		}
		conn_destroy(conn);
	}
	wheel_fini(&server->wheel);
	event_free(server->ev_later);
	request_pool_free(server);
	buf_fini(&server->date);
	proxies_free(server->proxies);
	if (server->spare_fd >= 0)
		close(server->spare_fd);
	free(server);
}

void
http_server_set_limits(struct http_server *server, const struct http_limits *limits)
{
	server->limits = *limits;
	listener_resume_all(server);
}

void
http_server_set_proxies(struct http_server *server, struct proxies *take_proxies)
{
	proxies_free(server->proxies);
	server->proxies = take_proxies;
}

/* Those who wait between requests are closed now, the others behind their next reply. */
void
http_server_stop_listening(struct http_server *server)
{
	struct conn *conn, *next;
	free_listeners(server);
	server->draining = true;
	TAILQ_FOREACH_SAFE (conn, &server->waiting, waiting, next)
		if (!conn->busy && conn_is_over(conn))
			conn_lose(conn);
}

/* A connection is made before its request is sent: whoever has just come gets a moment for it. */
static bool
is_owed(const struct conn *conn, int64_t now_ms)
{
	if (conn->dead || conn->lingering)
		return false;
	if (conn->reading || conn->held.len || (!conn->in_flight && conn_out_len(conn)))
		return true;
	return !conn->in_flight && now_ms - conn->since_ms < ASK_AFTER_MS;
}

bool
http_server_is_drained(const struct http_server *server)
{
	int64_t now_ms = clock_mono(clock_system()).ms;
	const struct conn *conn;

	if (server->later_count || server->in_flight > server->streams)
		return false;
	TAILQ_FOREACH (conn, &server->conns, entry)
		if (is_owed(conn, now_ms))
			return false;
	return true;
}

bool
http_server_listens(const struct http_server *server)
{
	const struct listener *listener;
	TAILQ_FOREACH (listener, &server->listeners, entry)
		if (!event_pending(listener->ev, EV_READ, NULL) &&
		    !event_pending(listener->resume, EV_TIMEOUT, NULL))
			return server->holding;
	return !TAILQ_EMPTY(&server->listeners);
}

struct http_counts
http_server_counts(const struct http_server *server)
{
	return (struct http_counts){
		.connections = server->conn_count,
		.in_flight = server->in_flight,
		.streams = server->streams,
		.requests = server->requests,
		.refused = server->refused,
		.accepted = server->accepted,
	};
}
