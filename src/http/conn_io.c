/* Connections: bytes in and out. */
/* SPDX-License-Identifier: MIT */
#include "http/conn.h"

#include <errno.h>
#include <sys/socket.h>

size_t
conn_out_len(const struct conn *conn)
{
	return conn->out.len - conn->out_at;
}

static ssize_t
conn_send(struct conn *conn, const void *p, size_t len)
{
	return conn->tls ? tls_write(conn->tls, p, len)
			 : send(conn->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool
is_again(int errnum)
{
	return errnum == EAGAIN || errnum == EWOULDBLOCK || errnum == EINTR;
}

/* The client is held to some progress, so that it cannot keep us for ever with a byte a minute. */
static void
note_progress(struct conn *conn, size_t sent)
{
	if (!conn_out_len(conn)) {
		conn->write_since_ms = 0;
		return;
	}
	conn->write_progress += sent;
	if (conn->write_since_ms && conn->write_progress < WRITE_PROGRESS)
		return;
	conn->write_since_ms = clock_mono(clock_system()).ms;
	conn->write_progress = 0;
}

static void
trim_out(struct conn *conn)
{
	if (!conn_out_len(conn)) {
		conn->out_at = 0;
		if (conn->out.cap > OUT_KEEP)
			buf_fini(&conn->out);
		else
			buf_clear(&conn->out);
	} else if (conn->out_at > conn->out.len / 2) {
		buf_consume(&conn->out, conn->out_at);
		conn->out_at = 0;
	}
}

void
conn_flush(struct conn *conn)
{
	size_t total = 0;
	while (!conn->dead && !conn->blocked && conn_out_len(conn)) {
		size_t len = conn_out_len(conn);
		ssize_t sent = conn_send(conn, conn->out.data + conn->out_at, len);
		if (sent < 0 && !is_again(errno)) {
			conn_lose(conn);
			return;
		}
		/* A plain socket that took less is full; of TLS that is only a record. */
		conn->blocked = sent < 0 || (!conn->tls && (size_t)sent < len);
		if (sent > 0) {
			conn->out_at += (size_t)sent;
			total += (size_t)sent;
		}
	}
	if (conn->dead)
		return;
	note_progress(conn, total);
	trim_out(conn);
}

bool
conn_fill(struct conn *conn, struct str *ret)
{
	char *in = conn->server->in;
	ssize_t got = conn->tls ? tls_read(conn->tls, in, READ_SIZE)
				: recv(conn->fd, in, READ_SIZE, MSG_DONTWAIT);
	if (got > 0) {
		*ret = str_make(in, (size_t)got);
		return true;
	}
	if (got == 0)
		conn->eof = conn->peer_left = true;
	else if (!is_again(errno))
		conn_lose(conn);
	return false;
}

/* Closing a socket that has unread bytes resets it, and the client may lose our last reply over
 * that (RFC 9112 9.6). So we end our half, and read into nothing for a while. */
void
conn_linger(struct conn *conn)
{
	if (conn->tls)
		tls_goodbye(conn->tls);
	if (conn->eof || shutdown(conn->fd, SHUT_WR) < 0) {
		conn_lose(conn);
		return;
	}
	conn->lingering = true;
	conn->linger_left = LINGER_BYTES;
}

void
conn_drain(struct conn *conn)
{
	ssize_t got = recv(conn->fd, conn->server->in, READ_SIZE, MSG_DONTWAIT);
	if (got < 0 && is_again(errno))
		return;
	if (got <= 0 || (size_t)got >= conn->linger_left)
		conn_lose(conn);
	else
		conn->linger_left -= (size_t)got;
}
