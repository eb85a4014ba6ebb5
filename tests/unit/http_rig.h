/* A live server and its clients in one process, for the tests of src/http. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TESTS_HTTP_RIG_H
#define ROUSE_TESTS_HTTP_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/server.h"

enum { RIG_PATIENCE_MS = 5000, RIG_HELD = 256 };

struct rig {
	struct event_base *base;
	struct http_server *server;
	unsigned port;
	struct http_request *held[RIG_HELD]; /* requests to /late…, to be answered by the test */
	size_t held_count;
	struct http_stream *stream; /* of a request to /stream */
	size_t max_buffered;
	unsigned requests, heads, gone, stream_gone, drained, contexts, contexts_freed;
	struct http_peer peer; /* of the last request */
	struct buf seen;       /* paths and bodies, a line each */
};

struct client {
	struct rig *rig;
	int fd;
	struct buf got;
	bool eof;
};

static inline void
rig_on_gone(void *arg, struct http_request *req)
{
	struct rig *rig = arg;
	(void)req;
	rig->gone++;
}

static inline void
rig_on_stream_gone(void *arg, struct http_stream *stream)
{
	struct rig *rig = arg;
	(void)stream;
	rig->stream_gone++;
}

static inline void
rig_on_drain(void *arg, struct http_stream *stream)
{
	struct rig *rig = arg;
	(void)stream;
	rig->drained++;
}

static struct rig *rig_of_contexts; /* whose contexts are counted */

static inline void
rig_free_context(void *context)
{
	rig_of_contexts->contexts_freed++;
	free(context);
}

/* /small takes 10 bytes, /refused nothing, /closed says 403. */
static inline bool
rig_on_head(void *arg, struct http_request *req, size_t *ret_max_body, struct err *err)
{
	struct rig *rig = arg;
	rig->heads++;
	http_set_context(req, mem_alloc(1));
	http_set_context_free(req, rig_free_context);
	rig->contexts++;
	if (str_eq_cstr(http_path(req), "/small"))
		*ret_max_body = 10;
	if (str_eq_cstr(http_path(req), "/big"))
		*ret_max_body = 64 << 20;
	if (str_eq_cstr(http_path(req), "/closed"))
		return err_set(err, E_DENIED, "\"%s\" is closed", "it");
	if (str_eq_cstr(http_path(req), "/login"))
		return err_set(err, E_UNAUTHORIZED, "who is there?");
	if (str_eq_cstr(http_path(req), "/busy"))
		return err_set(err, E_FULL, "later");
	return true;
}

static inline void
rig_on_request(void *arg, struct http_request *req)
{
	struct rig *rig = arg;
	struct str path = http_path(req);
	rig->requests++;
	rig->peer = *http_peer(req);
	buf_add_str(&rig->seen, path);
	buf_putc(&rig->seen, ' ');
	buf_add_str(&rig->seen,
		    str_make(http_body(req).p, http_body(req).len < 64 ? http_body(req).len : 64));
	buf_putc(&rig->seen, '\n');
	if (str_starts(path, STR("/late")) && rig->held_count < RIG_HELD) {
		http_set_on_gone(req, rig_on_gone, rig);
		rig->held[rig->held_count++] = req;
	} else if (str_starts(path, STR("/stream"))) {
		rig->stream = http_stream_begin(req, 200, "text/event-stream", rig->max_buffered,
						rig_on_stream_gone, rig);
		http_stream_set_on_drain(rig->stream, rig_on_drain, rig);
	} else if (str_eq_cstr(path, "/nothing")) {
		http_reply(req, 204, NULL, STR(""));
	} else {
		http_reply(req, 200, "text/plain", path);
	}
}

static inline struct http_limits
rig_limits(void)
{
	return (struct http_limits){.max_header = 16384,
				    .max_body = 65536,
				    .header_timeout_ms = 10000,
				    .body_timeout_ms = 10000,
				    .idle_timeout_ms = 10000,
				    .max_connections = 100};
}

static inline void
rig_init(struct rig *rig, const struct http_limits *limits)
{
	struct http_handler handler = {rig_on_head, rig_on_request, rig};
	struct err err = ERR_INIT;
	*rig = (struct rig){.base = event_base_new(), .max_buffered = 65536};
	rig_of_contexts = rig;
	rig->server = http_server_new(rig->base, limits, &handler);
	if (!http_listen_tcp(rig->server, "127.0.0.1:0", NULL, NULL, &rig->port, &err))
		printf("# %s\n", err_text(&err));
	err_fini(&err);
}

static inline void
rig_fini(struct rig *rig)
{
	http_server_free(rig->server);
	event_base_free(rig->base);
	buf_fini(&rig->seen);
}

static inline void
rig_answer(struct rig *rig, size_t i)
{
	http_reply(rig->held[i], 200, "text/plain", http_path(rig->held[i]));
	rig->held[i] = NULL;
}

static inline int64_t
rig_now(void)
{
	return clock_mono(clock_system()).ms;
}

static inline void
rig_wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* One round of the loop, which ends at the latest after wait_ms. */
static inline void
rig_turn(struct rig *rig, int wait_ms)
{
	struct timeval tv = {wait_ms / 1000, wait_ms % 1000 * 1000};
	event_base_once(rig->base, -1, EV_TIMEOUT, rig_wake, NULL, &tv);
	event_base_loop(rig->base, EVLOOP_ONCE);
}

/* Runs the loop until cond holds; false after RIG_PATIENCE_MS. */
#define RIG_AWAIT(rig, cond)                                                                       \
	({                                                                                         \
		int64_t until_ = rig_now() + RIG_PATIENCE_MS;                                      \
		while (!(cond) && rig_now() < until_)                                              \
			rig_turn((rig), 20);                                                       \
		(cond);                                                                            \
	})

static inline void
client_connect_to(struct client *c, struct rig *rig, const void *addr, socklen_t len, int family)
{
	*c = (struct client){.rig = rig};
	c->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (connect(c->fd, addr, len) < 0 && errno != EINPROGRESS)
		printf("# connect: %s\n", strerror(errno));
}

static inline void
client_connect(struct client *c, struct rig *rig)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)rig->port)};
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client_connect_to(c, rig, &addr, sizeof addr, AF_INET);
}

static inline void
client_connect_unix(struct client *c, struct rig *rig, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	memcpy(addr.sun_path, path, strlen(path) + 1);
	client_connect_to(c, rig, &addr, sizeof addr, AF_UNIX);
}

static inline void
client_fini(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	buf_fini(&c->got);
}

static inline void
client_send(struct client *c, struct str bytes)
{
	int64_t until = rig_now() + RIG_PATIENCE_MS;
	while (bytes.len && rig_now() < until) {
		ssize_t n = send(c->fd, bytes.p, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			bytes = str_make(bytes.p + n, bytes.len - (size_t)n);
		else if (n < 0 && errno != EAGAIN)
			return;
		else
			rig_turn(c->rig, 1);
	}
}

static inline void
client_say(struct client *c, const char *text)
{
	client_send(c, str_of(text));
}

/* What has come so far, without waiting. */
static inline void
client_receive(struct client *c)
{
	char bytes[16384];
	ssize_t n;
	while (!c->eof && (n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT)) != 0) {
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		buf_add(&c->got, bytes, (size_t)n);
	}
	c->eof = true;
}

/* Runs the loop until the client has got the text; false when it never comes. */
static inline bool
client_await(struct client *c, const char *text)
{
	return RIG_AWAIT(c->rig, (client_receive(c), strstr(buf_cstr(&c->got), text) || c->eof)) &&
	       strstr(buf_cstr(&c->got), text);
}

static inline bool
client_await_eof(struct client *c)
{
	return RIG_AWAIT(c->rig, (client_receive(c), c->eof));
}

static inline unsigned
client_count(const struct client *c, const char *text)
{
	unsigned count = 0;
	for (const char *p = buf_cstr(&c->got); (p = strstr(p, text)); p++)
		count++;
	return count;
}

static inline bool
client_has(const struct client *c, const char *text)
{
	return strstr(buf_cstr(&c->got), text) != NULL;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path, length, body)                                                                   \
	"POST " path " HTTP/1.1\r\nHost: a\r\nContent-Length: " length "\r\n\r\n" body

/* A server with one client, for the body that follows. */
#define WITH_RIG(limits)                                                                           \
	struct rig rig;                                                                            \
	struct http_limits rig_limits_ = (limits);                                                 \
	rig_init(&rig, &rig_limits_);                                                              \
	AUTO(client_fini) struct client c;                                                         \
	client_connect(&c, &rig)

#endif
