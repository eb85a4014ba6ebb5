/* Passed sockets: which one is meant, and what becomes of those that nobody means. */
/* SPDX-License-Identifier: MIT */
#include "http/passed.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "http/conn.h"

union place {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
	struct sockaddr_storage room;
};

void
passed_add(struct passed *passed, int take_fd, const char *name)
{
	if (passed->count == PASSED_MAX) {
		log_warning("more sockets were passed than can be; one is closed", "socket", name);
		close(take_fd);
		return;
	}
	passed->all[passed->count].fd = take_fd;
	passed->all[passed->count].name = mem_strdup(name ? name : "");
	passed->all[passed->count++].taken = false;
}

void
passed_fini(struct passed *passed)
{
	for (size_t i = 0; i < passed->count; i++) {
		if (!passed->all[i].taken)
			close(passed->all[i].fd);
		free(passed->all[i].name);
	}
	passed->count = 0;
}

static int
option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof value;

	return getsockopt(fd, level, name, &value, &len) < 0 ? -1 : value;
}

/* false: it is no socket at which connections arrive. */
static bool
place_of(int fd, union place *ret)
{
	socklen_t len = sizeof *ret;

	memset(ret, 0, sizeof *ret);
	return option(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1 &&
	       option(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM &&
	       getsockname(fd, &ret->any, &len) == 0;
}

/* An IPv4 address has one form, however it was written: ::ffff:A.B.C.D is A.B.C.D. ipv6(7) */
static void
place_simplify(union place *place)
{
	in_port_t port = place->v6.sin6_port;
	struct in_addr inner;

	if (place->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&place->v6.sin6_addr))
		return;
	memcpy(&inner, place->v6.sin6_addr.s6_addr + 12, sizeof inner);
	memset(place, 0, sizeof *place);
	place->v4 = (struct sockaddr_in){AF_INET, port, inner, {0}};
}

static bool
is_same(const union place *a, const union place *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_port == b->v4.sin_port &&
		       a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->any.sa_family == AF_INET6 && a->v6.sin6_port == b->v6.sin6_port &&
	       a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
	       !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr);
}

/* [::] takes what comes to 0.0.0.0 as well, where it is not told otherwise. ipv6(7), IPV6_V6ONLY */
static bool
stands_for(int fd, const union place *passed, const union place *wanted)
{
	return passed->any.sa_family == AF_INET6 && wanted->any.sa_family == AF_INET &&
	       passed->v6.sin6_port == wanted->v4.sin_port &&
	       wanted->v4.sin_addr.s_addr == htonl(INADDR_ANY) &&
	       IN6_IS_ADDR_UNSPECIFIED(&passed->v6.sin6_addr) &&
	       !option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
}

int
passed_take_inet(struct passed *passed, const struct addrinfo *info, bool *ret_covered)
{
	union place wanted = {.room = {0}}, there;

	*ret_covered = false;
	if (!passed || info->ai_addrlen > sizeof wanted)
		return -1;
	memcpy(&wanted, info->ai_addr, info->ai_addrlen);
	place_simplify(&wanted);
	for (size_t i = 0; i < passed->count; i++) {
		int fd = passed->all[i].fd;
		bool same;

		if (!place_of(fd, &there))
			continue;
		place_simplify(&there);
		same = is_same(&there, &wanted);
		if (!same && !stands_for(fd, &there, &wanted))
			continue;
		if (passed->all[i].taken) {
			*ret_covered = true;
			continue;
		}
		passed->all[i].taken = true;
		return fd;
	}
	return -1;
}

/* Also by another name of the same file, such as /var/run for /run. */
static bool
is_path(const union place *place, const char *path)
{
	struct stat a, b;
	const char *sun = place->local.sun_path;

	if (place->any.sa_family != AF_UNIX || *sun != '/')
		return false;
	return !strncmp(sun, path, sizeof place->local.sun_path) ||
	       (!stat(sun, &a) && !stat(path, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

int
passed_take_unix(struct passed *passed, const char *path)
{
	union place there;

	for (size_t i = 0; passed && i < passed->count; i++) {
		if (passed->all[i].taken || !place_of(passed->all[i].fd, &there) ||
		    !is_path(&there, path))
			continue;
		passed->all[i].taken = true;
		return passed->all[i].fd;
	}
	return -1;
}

static void
place_print(int fd, struct buf *ret)
{
	char text[INET6_ADDRSTRLEN] = "?";
	union place place;
	socklen_t len = sizeof place;

	memset(&place, 0, sizeof place);
	if (getsockname(fd, &place.any, &len) < 0)
		buf_printf(ret, "descriptor %d, which is no socket", fd);
	else if (place.any.sa_family == AF_INET &&
		 inet_ntop(AF_INET, &place.v4.sin_addr, text, sizeof text))
		buf_printf(ret, "%s:%u", text, ntohs(place.v4.sin_port));
	else if (place.any.sa_family == AF_INET6 &&
		 inet_ntop(AF_INET6, &place.v6.sin6_addr, text, sizeof text))
		buf_printf(ret, "[%s]:%u", text, ntohs(place.v6.sin6_port));
	else if (place.any.sa_family == AF_UNIX && *place.local.sun_path)
		buf_printf(ret, "%.*s", (int)sizeof place.local.sun_path, place.local.sun_path);
	else
		buf_printf(ret, "descriptor %d, a socket of family %d", fd, place.any.sa_family);
	if (option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1)
		buf_puts(ret, ", not listening");
}

static bool
is_one_of(int fd, const struct http_server *server)
{
	const struct listener *listener;
	struct stat a, b;

	TAILQ_FOREACH (listener, &server->listeners, entry)
		if (!fstat(fd, &a) && !fstat(listener->fd, &b) && a.st_dev == b.st_dev &&
		    a.st_ino == b.st_ino)
			return true;
	return false;
}

void
passed_close_rest(struct passed *passed, const struct http_server *server)
{
	for (size_t i = 0; i < passed->count; i++) {
		AUTO(buf_fini) struct buf where = BUF_INIT;

		if (passed->all[i].taken)
			continue;
		passed->all[i].taken = true;
		place_print(passed->all[i].fd, &where);
		if (!is_one_of(passed->all[i].fd, server))
			log_warning("a socket that was passed is closed: neither http.listen nor "
				    "daemon.socket is there; let the two and ListenStream= of "
				    "roused.socket say the same",
				    "socket", buf_cstr(&where), "name", passed->all[i].name);
		close(passed->all[i].fd);
	}
}
