/* Listeners: where connections come from, and what happens when there is no room for more. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "http/conn.h"

enum {
	ACCEPT_BATCH = 64,
	PAUSE_MIN_MS = 50,
	PAUSE_MAX_MS = 1000,
};

#define FULL_BODY                                                                                  \
	"{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"              \
	"\"detail\":\"too many connections are open; try again later\",\"code\":\"full\"}\n"
static const char full_reply[] =
	"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
	"Retry-After: 1\r\nConnection: close\r\nContent-Length: 138\r\n\r\n" FULL_BODY;
_Static_assert(sizeof FULL_BODY - 1 == 138, "what Content-Length says");

/* One write into an empty socket buffer: it does not block, and its failing changes nothing. */
static void
turn_away(const struct listener *listener, int take_fd)
{
	listener->server->refused++;
	if (!listener->tls)
		(void)!send(take_fd, full_reply, sizeof full_reply - 1,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
	shutdown(take_fd, SHUT_WR);
	(void)!recv(take_fd, listener->server->in, READ_SIZE, MSG_DONTWAIT);
	close(take_fd);
}

static void
peer_set_inet(struct http_peer *peer, const struct sockaddr_storage *from)
{
	const struct sockaddr_in *v4 = (const void *)from;
	const struct sockaddr_in6 *v6 = (const void *)from;
	const void *addr = &v4->sin_addr;
	int family = from->ss_family;
	peer->port = ntohs(v4->sin_port);
	if (family == AF_INET6) {
		peer->port = ntohs(v6->sin6_port);
		addr = &v6->sin6_addr;
		if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
			addr = v6->sin6_addr.s6_addr + 12;
			family = AF_INET;
		}
	}
	if (!inet_ntop(family, addr, peer->address, sizeof peer->address))
		peer->address[0] = '\0';
}

/* false: the kernel does not say who it is; nobody is let in unnamed. */
static bool
peer_set_local(struct http_peer *peer, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof cred;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	peer->local = true;
	peer->uid = cred.uid;
	peer->gid = cred.gid;
	peer->pid = cred.pid;
	memcpy(peer->address, "unix", sizeof "unix");
	return true;
}

static bool
has_room(const struct listener *listener)
{
	const struct http_server *server = listener->server;
	unsigned max = server->limits.max_connections;
	/* The operator's own socket is to work also while strangers hold every place. */
	return !max || server->conn_count < max + (listener->local ? LOCAL_RESERVE : 0);
}

static void
welcome(struct listener *listener, int take_fd, const struct sockaddr_storage *from)
{
	struct http_peer peer = {.tls = listener->tls != NULL};
	bool known = true;
	if (listener->local)
		known = peer_set_local(&peer, take_fd);
	else
		peer_set_inet(&peer, from);
	if (known && (has_room(listener) || conn_evict(listener->server)))
		conn_new(listener->server, take_fd, listener->tls, &peer);
	else
		turn_away(listener, take_fd);
}

void
listener_welcome(struct http_server *server, int take_fd, const struct sockaddr_storage *from)
{
	struct listener any = {.server = server, .local = from->ss_family == AF_UNIX};
	welcome(&any, take_fd, from);
}

static void
listener_on_resume(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	struct listener *listener = arg;
	event_add(listener->ev, NULL);
}

/* Waits before it accepts again, each time longer, so that want of descriptors does not spin. */
static void
listener_pause(struct listener *listener)
{
	struct timeval tv = {listener->pause_ms / 1000, listener->pause_ms % 1000 * 1000};
	event_del(listener->ev);
	evtimer_add(listener->resume, &tv);
	listener->pause_ms =
		listener->pause_ms * 2 < PAUSE_MAX_MS ? listener->pause_ms * 2 : PAUSE_MAX_MS;
}

/* Descriptors are out. The spare one lets a client be told so, instead of hanging unanswered. */
static void
shed_one(struct listener *listener)
{
	struct http_server *server = listener->server;
	if (server->spare_fd >= 0)
		close(server->spare_fd);
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		turn_away(listener, fd);
	server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
on_accept_failure(struct listener *listener, int errnum)
{
	if (errnum == EMFILE || errnum == ENFILE) {
		if (conn_evict(listener->server))
			return;
		shed_one(listener);
	} else if (errnum != ENOBUFS && errnum != ENOMEM) {
		return; /* the client left before it was accepted, or the network failed it */
	}
	if (listener->pause_ms == PAUSE_MIN_MS)
		log_warning("connections cannot be accepted", "error", strerror(errnum));
	listener_pause(listener);
}

static void
listener_on_readable(evutil_socket_t fd, UNUSED short what, void *arg)
{
	struct listener *listener = arg;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage from = {0};
		socklen_t len = sizeof from;
		int got = accept4(fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (got < 0) {
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				on_accept_failure(listener, errno);
			return;
		}
		listener->pause_ms = PAUSE_MIN_MS;
		welcome(listener, got, &from);
	}
}

void
listener_resume_all(struct http_server *server)
{
	struct listener *listener;
	if (server->holding)
		return;
	TAILQ_FOREACH (listener, &server->listeners, entry) {
		evtimer_del(listener->resume);
		event_add(listener->ev, NULL);
	}
}

/* The file goes with its listener, unless somebody else has put another in its place. */
static void
remove_path(struct listener *listener)
{
	struct stat st;
	if (listener->path && lstat(listener->path, &st) == 0 && st.st_dev == listener->dev &&
	    st.st_ino == listener->ino)
		unlink(listener->path);
	free(listener->path);
}

void
listener_free(struct listener *listener)
{
	TAILQ_REMOVE(&listener->server->listeners, listener, entry);
	event_free(listener->ev);
	event_free(listener->resume);
	remove_path(listener);
	close(listener->fd);
	tls_context_free(listener->tls);
	free(listener->name);
	free(listener->tls_cert);
	free(listener->tls_key);
	free(listener);
}

struct listener *
listener_new(struct http_server *server, int take_fd, bool local)
{
	struct listener *listener = mem_alloc(sizeof *listener);
	listener->server = server;
	listener->fd = take_fd;
	listener->local = local;
	listener->pause_ms = PAUSE_MIN_MS;
	listener->ev = event_new(server->base, take_fd, EV_READ | EV_PERSIST, listener_on_readable,
				 listener);
	listener->resume = evtimer_new(server->base, listener_on_resume, listener);
	assert(listener->ev && listener->resume);
	TAILQ_INSERT_TAIL(&server->listeners, listener, entry);
	event_add(listener->ev, NULL);
	return listener;
}
