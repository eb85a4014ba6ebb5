/* Connections: what one does, and when. The client's bytes become requests, their replies bytes. */
/* SPDX-License-Identifier: MIT */
#include "http/conn.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SETTLE_ROUNDS = 16 };

static int64_t
or_default(int64_t value, int64_t preset)
{
	return value > 0 ? value : preset;
}

static bool
conn_may_take(const struct conn *conn)
{
	unsigned max = conn->server->limits.max_pipelined;
	return !conn->closing && !conn->dead && conn->in_flight < (max ? max : DEFAULT_PIPELINED) &&
	       !(conn->serial && conn->in_flight) && conn_out_len(conn) < OUT_FULL;
}

/* The request that is being read is whole, or will never be: nothing of it is read any more. */
static void
end_reading(struct conn *conn, struct http_request *req)
{
	conn->reading = NULL;
	conn->request_no++;
	conn->in_flight++;
	conn->server->in_flight++;
	req->state = REQ_PENDING;
	req->gone = conn->peer_left;
}

static void
refuse(struct conn *conn, int status, const char *code, const char *detail)
{
	struct http_request *req = conn->reading;
	conn->server->refused++;
	conn->closing = true;
	end_reading(conn, req);
	req->close_after = true;
	reply_problem(req, status, code, detail);
}

static void
take_head(struct conn *conn, struct http_request *req, bool more_is_here)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct http_server *server = conn->server;
	size_t max_body = server->limits.max_body;
	req->head_done = true;
	req->head_only = str_eq(http_method(req), STR("HEAD"));
	req->close_after = !req->parse.keep_alive;
	req->continued = !req->parse.wants_continue || !parse_has_body(&req->parse) || more_is_here;
	if (!server->handler.on_head ||
	    server->handler.on_head(server->handler.arg, req, &max_body, &err)) {
		req->parse.max_body = max_body;
		return;
	}
	server->refused++;
	req->close_after |= parse_has_body(&req->parse);
	conn->closing |= req->close_after;
	end_reading(conn, req);
	http_reply_error(req, &err);
}

/* Ten thousand clients with a body each must not be more than there is memory for. */
static bool
bodies_fit(const struct http_server *server, size_t more)
{
	size_t max = server->limits.max_bodies ? server->limits.max_bodies : DEFAULT_BODIES;
	return more <= max && server->body_bytes <= max - more;
}

static void
take_body(struct conn *conn, struct http_request *req, struct str piece)
{
	size_t ahead = piece.len;
	if (!req->body.cap && req->parse.length > ahead)
		ahead = req->parse.length < READ_SIZE ? (size_t)req->parse.length : READ_SIZE;
	req->continued = true;
	if (!bodies_fit(conn->server, piece.len) || !buf_try_reserve(&req->body, ahead)) {
		refuse(conn, 503, "full", "there is no memory for the body; try again later");
		return;
	}
	buf_add_str(&req->body, piece);
	conn->server->body_bytes += piece.len;
}

static void
take_whole(struct conn *conn, struct http_request *req)
{
	struct http_server *server = conn->server;
	conn->closing |= req->close_after;
	conn->serial = req->parse.http10;
	end_reading(conn, req);
	server->requests++;
	server->handler.on_request(server->handler.arg, req);
}

static void
take_event(struct conn *conn, enum parse_event ev, struct str piece, bool more_is_here)
{
	struct http_request *req = conn->reading;
	enum parse_refusal refusal;
	switch (ev) {
	case PARSE_HEAD:
		take_head(conn, req, more_is_here);
		break;
	case PARSE_BODY:
		take_body(conn, req, piece);
		break;
	case PARSE_DONE:
		take_whole(conn, req);
		break;
	default:
		assert(ev == PARSE_REFUSED);
		refusal = req->parse.refusal;
		req->head_only = str_eq(http_method(req), STR("HEAD"));
		refuse(conn, parse_refusal_status(refusal), parse_refusal_code(refusal),
		       parse_refusal_text(refusal));
	}
}

/* Makes requests of the bytes at the front of in, as many as may be taken now. */
static void
conn_take(struct conn *conn, struct str *in)
{
	while (!conn->closing && !conn->dead) {
		struct str piece = STR_NONE;
		if (!conn->reading) {
			if (!in->len || !conn_may_take(conn))
				return;
			conn->reading = request_new(conn);
		}
		enum parse_event ev = parse_next(&conn->reading->parse, in, &piece);
		if (ev == PARSE_MORE)
			return;
		take_event(conn, ev, piece, in->len > 0);
	}
	in->len = 0; /* what comes behind the last request means nothing */
}

static void
conn_take_held(struct conn *conn)
{
	if (!conn->held.len || (!conn->reading && !conn_may_take(conn) && !conn->closing))
		return;
	struct str rest = buf_str(&conn->held);
	conn_take(conn, &rest);
	if (conn->dead)
		return;
	buf_consume(&conn->held, conn->held.len - rest.len);
	if (!conn->held.len)
		buf_fini(&conn->held);
}

static void
conn_on_readable(struct conn *conn)
{
	struct str in;
	if (conn->lingering) {
		conn_drain(conn);
		return;
	}
	if (conn_fill(conn, &in)) {
		conn_take(conn, &in);
		if (!conn->dead)
			buf_add_str(&conn->held, in);
	} else if (conn->eof) {
		conn->closing = true;
		if (conn->reading)
			request_free(conn->reading);
	}
}

static void
append_continue(struct conn *conn, struct http_request *req)
{
	if (req->state != REQ_READING || !req->head_done || req->continued)
		return;
	req->continued = true;
	buf_puts(&conn->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

void
conn_advance(struct conn *conn)
{
	struct http_request *req;
	if (conn->dead)
		return;
	while ((req = TAILQ_FIRST(&conn->requests))) {
		if (req->reply.len) {
			buf_add_str(&conn->out, buf_str(&req->reply));
			buf_fini(&req->reply);
		}
		if (req->state != REQ_ANSWERED)
			break;
		request_free(req);
	}
	if (req)
		append_continue(conn, req);
}

static struct http_request *
find_untold(struct conn *conn)
{
	struct http_request *req;
	TAILQ_FOREACH (req, &conn->requests, entry)
		if (!req->told && (req->state == REQ_PENDING || req->state == REQ_STREAMING))
			return req;
	return NULL;
}

/* Handlers may answer, and so free the request, while they are told: begin anew each time. */
static void
conn_tell_gone(struct conn *conn)
{
	struct http_request *req;
	while ((conn->peer_left || conn->dead) && (req = find_untold(conn))) {
		req->told = req->gone = true;
		if (req->state == REQ_STREAMING)
			http_stream_tell_gone(req->stream);
		else if (req->on_gone)
			req->on_gone(req->gone_arg, req);
	}
}

static void
conn_wake_stream(struct conn *conn)
{
	struct http_request *req = TAILQ_FIRST(&conn->requests);
	if (!conn->dead && req && req->state == REQ_STREAMING && !conn_out_len(conn))
		http_stream_flushed(req->stream);
}

static bool
conn_has_work(struct conn *conn)
{
	if (conn->dead || conn->peer_left)
		if (find_untold(conn))
			return true;
	return !conn->dead &&
	       ((conn_out_len(conn) && !conn->blocked) || (conn->held.len && conn_may_take(conn)));
}

static enum conn_phase
conn_find_phase(const struct conn *conn)
{
	if (conn->lingering)
		return PHASE_LINGER;
	if (conn->reading)
		return conn->reading->head_done ? PHASE_BODY : PHASE_HEAD;
	if (conn->in_flight || conn_out_len(conn))
		return PHASE_OWED;
	return conn->request_no ? PHASE_IDLE : PHASE_HEAD;
}

static void
conn_leave_waiting(struct conn *conn)
{
	if (conn->is_waiting)
		TAILQ_REMOVE(&conn->server->waiting, conn, waiting);
	conn->is_waiting = false;
}

/* The list of waiting connections stays in the order of since_ms. */
static void
conn_enter_phase(struct conn *conn)
{
	enum conn_phase phase = conn_find_phase(conn);
	bool waits = phase != PHASE_OWED && !conn->in_flight;
	if (phase == conn->phase && conn->request_no == conn->phase_no && waits == conn->is_waiting)
		return;
	if (phase != conn->phase || conn->request_no != conn->phase_no)
		conn->since_ms = clock_mono(clock_system()).ms;
	conn->phase = phase;
	conn->phase_no = conn->request_no;
	conn_leave_waiting(conn);
	conn->is_waiting = waits;
	if (waits)
		TAILQ_INSERT_TAIL(&conn->server->waiting, conn, waiting);
}

static int64_t
phase_due(const struct conn *conn)
{
	const struct http_limits *limits = &conn->server->limits;
	const int64_t timeouts[PHASES] = {
		[PHASE_HEAD] = or_default(limits->header_timeout_ms, DEFAULT_TIMEOUT_MS),
		[PHASE_BODY] = or_default(limits->body_timeout_ms, DEFAULT_TIMEOUT_MS),
		[PHASE_IDLE] = or_default(limits->idle_timeout_ms, DEFAULT_TIMEOUT_MS),
		[PHASE_LINGER] = LINGER_MS,
	};
	return conn->phase == PHASE_OWED ? INT64_MAX : conn->since_ms + timeouts[conn->phase];
}

static int64_t
write_due(const struct conn *conn)
{
	int64_t timeout_ms = or_default(conn->server->limits.write_timeout_ms, DEFAULT_TIMEOUT_MS);
	return conn->write_since_ms ? conn->write_since_ms + timeout_ms : INT64_MAX;
}

static void
conn_arm(struct conn *conn)
{
	int64_t phase_ms = phase_due(conn), write_ms = write_due(conn);
	int64_t due_ms = phase_ms < write_ms ? phase_ms : write_ms;
	if (due_ms == INT64_MAX)
		wheel_clear(&conn->server->wheel, &conn->deadline);
	else
		wheel_set(&conn->server->wheel, &conn->deadline, (struct mono){due_ms});
}

static void
conn_on_event(UNUSED evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;
	int errnum = 0;
	socklen_t len = sizeof errnum;
	conn->busy = true;
	if (what & EV_CLOSED)
		conn->peer_left = true;
	if (what & EV_WRITE) {
		conn->blocked = false;
		/* Where nothing is read or sent, only this tells a connection that was reset. */
		if (conn->watched & EV_ET &&
		    (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0 || errnum))
			conn_lose(conn);
	}
	bool reads = what & EV_READ || (conn->tls && tls_read_wants_write(conn->tls));
	if (reads && !conn->dead && conn->watched & EV_READ)
		conn_on_readable(conn);
	conn->busy = false;
	conn_settle(conn);
}

/* What the loop is to wait for. A connection that is not read is watched for its end only: edge
 * triggered and for writing too, since libevent tells an error to nobody who waits for the end
 * alone, and would spin over it. */
static short
conn_wants(const struct conn *conn)
{
	bool sends = conn_out_len(conn) || (conn->tls && tls_read_wants_write(conn->tls));
	bool held = conn->server->holding && !conn->reading;
	bool reads = conn->lingering || (!held && !conn->closing && !conn->held.len &&
					 (conn->reading || conn_may_take(conn)));
	short wants = (short)((reads ? EV_READ : 0) | (sends ? EV_WRITE : 0));
	if (!reads && !conn->peer_left)
		wants |= (short)(EV_CLOSED | (sends ? 0 : EV_WRITE | EV_ET));
	return wants;
}

static void
conn_watch(struct conn *conn)
{
	short wants = conn_wants(conn);
	if (wants == conn->watched)
		return;
	if (conn->watched)
		event_del(&conn->ev);
	conn->watched = wants;
	if (!wants)
		return;
	event_assign(&conn->ev, conn->server->base, conn->fd, (short)(wants | EV_PERSIST),
		     conn_on_event, conn);
	if (event_add(&conn->ev, NULL) < 0) {
		conn->watched = 0;
		conn_lose(conn);
	}
}

bool
conn_is_over(const struct conn *conn)
{
	char byte;
	if (!conn->request_no || conn->in_flight || conn->reading || conn->held.len)
		return false;
	return conn->eof || recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

void
conn_settle(struct conn *conn)
{
	unsigned rounds = 0;
	conn->busy = true;
	do {
		conn_tell_gone(conn);
		conn_advance(conn);
		conn_flush(conn);
		conn_wake_stream(conn);
		conn_take_held(conn);
	} while (conn_has_work(conn) && ++rounds < SETTLE_ROUNDS);
	conn->busy = false;
	if (conn->dead) {
		if (TAILQ_EMPTY(&conn->requests))
			conn_destroy(conn);
		return;
	}
	if (TAILQ_EMPTY(&conn->requests) && !conn_out_len(conn) && !conn->lingering &&
	    (conn->closing || (conn->server->draining && conn_is_over(conn))))
		conn_linger(conn);
	if (!conn->dead)
		conn_watch(conn);
	if (conn->dead)
		return; /* it is on the list of those to be seen later */
	conn_enter_phase(conn);
	conn_arm(conn);
	if (rounds == SETTLE_ROUNDS)
		conn_later(conn);
}

void
conn_later(struct conn *conn)
{
	struct http_server *server = conn->server;
	if (conn->busy || conn->is_later)
		return;
	conn->is_later = true;
	TAILQ_INSERT_TAIL(&server->later, conn, later);
	if (!server->later_count++)
		event_active(server->ev_later, EV_TIMEOUT, 0);
}

static void
close_socket(struct conn *conn)
{
	if (conn->watched)
		event_del(&conn->ev);
	conn->watched = 0;
	if (conn->tls)
		tls_goodbye(conn->tls);
	tls_conn_free(conn->tls);
	conn->tls = NULL;
	close(conn->fd);
	conn->fd = -1;
}

void
conn_lose(struct conn *conn)
{
	struct http_server *server = conn->server;
	struct http_request *req, *next;
	if (conn->dead)
		return;
	conn->dead = conn->closing = conn->peer_left = true;
	close_socket(conn);
	server->conn_count--;
	wheel_clear(&server->wheel, &conn->deadline);
	conn_leave_waiting(conn);
	buf_fini(&conn->out);
	conn->out_at = 0;
	TAILQ_FOREACH_SAFE (req, &conn->requests, entry, next) {
		req->gone = true;
		if (req->state == REQ_READING || req->state == REQ_ANSWERED)
			request_free(req);
	}
	conn_later(conn);
}

void
conn_on_deadline(struct wheel_entry *entry, struct mono now)
{
	struct conn *conn = CONTAINER_OF(entry, struct conn, deadline);
	if (write_due(conn) <= now.ms) {
		conn_lose(conn);
	} else if (phase_due(conn) <= now.ms) {
		if (conn->reading)
			refuse(conn, 408, "request_timeout",
			       conn->phase == PHASE_BODY ? "the body did not come in time"
							 : "the header did not come in time");
		else
			conn_lose(conn);
	}
	if (!conn->dead)
		conn_settle(conn);
}

bool
conn_evict(struct http_server *server)
{
	struct conn *conn = TAILQ_FIRST(&server->waiting);
	if (!conn || clock_mono(clock_system()).ms - conn->since_ms < EVICT_AFTER_MS)
		return false;
	conn_lose(conn);
	return true;
}

void
conn_new(struct http_server *server, int take_fd, struct tls_context *tls,
	 const struct http_peer *peer)
{
	struct conn *conn = mem_alloc(sizeof *conn);
	conn->server = server;
	conn->fd = take_fd;
	conn->peer = *peer;
	TAILQ_INIT(&conn->requests);
	TAILQ_INSERT_TAIL(&server->conns, conn, entry);
	server->conn_count++;
	server->accepted++;
	conn->phase_no = UINT64_MAX; /* so that the first phase begins */
	if (tls && !(conn->tls = tls_conn_new(tls, take_fd)))
		conn_lose(conn);
	else
		conn_settle(conn);
}

void
conn_destroy(struct conn *conn)
{
	struct http_server *server = conn->server;
	struct http_request *req;
	conn->busy = true;
	conn_lose(conn);
	while ((req = TAILQ_FIRST(&conn->requests)))
		request_free(req);
	if (conn->is_later) {
		TAILQ_REMOVE(&server->later, conn, later);
		server->later_count--;
	}
	TAILQ_REMOVE(&server->conns, conn, entry);
	buf_fini(&conn->held);
	buf_fini(&conn->out);
	free(conn);
}
