/* Handing over: a server stops at a moment when nobody is owed anything, and another goes on with
 * its listeners and with the connections that wait. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "http/conn.h"

void
http_server_hold(struct http_server *server, bool hold)
{
	struct listener *listener;
	struct conn *conn;

	server->holding = hold;
	TAILQ_FOREACH (listener, &server->listeners, entry) {
		evtimer_del(listener->resume);
		if (hold)
			event_del(listener->ev);
		else
			event_add(listener->ev, NULL);
	}
	TAILQ_FOREACH (conn, &server->conns, entry)
		conn_later(conn);
}

static bool
conn_is_idle(const struct conn *conn)
{
	return !conn->reading && !conn->in_flight && !conn->held.len && !conn_out_len(conn);
}

bool
http_server_is_quiet(const struct http_server *server)
{
	const struct conn *conn;

	if (server->later_count || server->in_flight > server->streams)
		return false;
	TAILQ_FOREACH (conn, &server->conns, entry)
		if (!conn->dead && !conn_is_idle(conn) &&
		    (conn->reading || conn->held.len || !conn->in_flight))
			return false;
	return true;
}

void
http_server_give(struct http_server *server, http_on_given *fn, void *arg)
{
	struct listener *listener;
	struct conn *conn;

	TAILQ_FOREACH (listener, &server->listeners, entry) {
		int fd = fcntl(listener->fd, F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			continue;
		fn(arg, fd, listener->name ? listener->name : "", true);
	}
	http_server_leave_files(server);
	TAILQ_FOREACH (conn, &server->conns, entry) {
		int fd;

		if (conn->dead || conn->tls || conn->lingering || conn->eof || !conn_is_idle(conn))
			continue;
		fd = fcntl(conn->fd, F_DUPFD_CLOEXEC, 3);
		if (fd >= 0)
			fn(arg, fd, conn->peer.local ? "unix" : "tcp", false);
	}
}

void
http_server_leave_files(struct http_server *server)
{
	struct listener *listener;

	TAILQ_FOREACH (listener, &server->listeners, entry) {
		free(listener->path);
		listener->path = NULL;
	}
}

bool
http_listen_given(struct http_server *server, int take_fd, const char *name, const char *tls_cert,
		  const char *tls_key, unsigned *ret_port, struct err *err)
{
	struct listener *listener;
	struct tls_context *tls = NULL;
	struct stat st;

	if (tls_cert && !(tls = tls_context_new(tls_cert, tls_key, err))) {
		close(take_fd);
		return false;
	}
	if (!http_listen_fd(server, take_fd, err)) {
		tls_context_free(tls);
		return false;
	}
	listener = TAILQ_LAST(&server->listeners, listener_list);
	listener->name = mem_strdup(name);
	listener->tls = tls;
	listener->tls_cert = mem_strdup(tls_cert);
	listener->tls_key = mem_strdup(tls_key);
	if (ret_port)
		*ret_port = listener_port(listener->fd);
	if (listener->local && !lstat(name, &st)) {
		listener->path = mem_strdup(name);
		listener->dev = st.st_dev;
		listener->ino = st.st_ino;
	}
	return true;
}

void
http_server_adopt(struct http_server *server, int take_fd)
{
	struct sockaddr_storage from = {0};
	socklen_t len = sizeof from;

	if (getpeername(take_fd, (struct sockaddr *)&from, &len) < 0 ||
	    !os_nonblock(take_fd, true) || !os_cloexec(take_fd, true))
		close(take_fd);
	else
		listener_welcome(server, take_fd, &from);
}
