/* Listeners: sockets that are opened by address, by path, or handed over. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/os.h"
#include "http/conn.h"
#include "http/passed.h"

enum {
	BACKLOG = 1024,
	KEEPALIVE_IDLE_S = 60, /* a peer that vanished is noticed even where nothing is sent */
};

/* Accepted sockets inherit these from the listening one: no call for each connection. */
static void
set_tcp_options(int fd)
{
	int on = 1, idle_s = KEEPALIVE_IDLE_S;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
}

/* "host:port", "[v6]:port", ":port". ret_host is empty for all addresses. */
static bool
cut_address(const char *host_port, struct buf *ret_host, struct buf *ret_port, struct err *err)
{
	const char *colon = strrchr(host_port, ':');
	uint64_t port;
	if (!colon || !str_to_u64(str_of(colon + 1), &port) || port > 65535)
		return err_set(err, E_CONFIG,
			       "%s: a port from 0 to 65535 behind a colon is missing, as in "
			       "127.0.0.1:8477 or [::1]:8477",
			       host_port);
	struct str host = str_make(host_port, (size_t)(colon - host_port));
	bool bracketed = host.len >= 2 && host.p[0] == '[' && host.p[host.len - 1] == ']';
	if (bracketed)
		host = str_make(host.p + 1, host.len - 2);
	else if (host.len && memchr(host.p, ':', host.len))
		return err_set(err, E_CONFIG,
			       "%s: an IPv6 address stands in brackets, as in [::1]:8477",
			       host_port);
	buf_add_str(ret_host, host);
	buf_puts(ret_port, colon + 1);
	return true;
}

static bool
bind_one(const struct addrinfo *info, int *ret_fd)
{
	int on = 1;
	AUTO(auto_close)
	int fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (info->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	set_tcp_options(fd);
	if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return false;
	*ret_fd = fd;
	fd = -1;
	return true;
}

unsigned
listener_port(int fd)
{
	struct sockaddr_storage addr = {0};
	socklen_t len = sizeof addr;
	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return 0;
	return ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
						: ((struct sockaddr_in *)&addr)->sin_port);
}

/* Port 0: the addresses of one name share the port that the first was given. */
static void
use_port(struct addrinfo *info, unsigned port)
{
	if (info->ai_family == AF_INET6)
		((struct sockaddr_in6 *)(void *)info->ai_addr)->sin6_port = htons((uint16_t)port);
	else
		((struct sockaddr_in *)(void *)info->ai_addr)->sin_port = htons((uint16_t)port);
}

static void
free_addresses(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
}

static void
free_context(struct tls_context **ctx)
{
	tls_context_free(*ctx);
}

static void
add_listener(struct http_server *server, int take_fd, struct tls_context *take_tls,
	     const char *name, const char *cert, const char *key)
{
	struct listener *listener = listener_new(server, take_fd, false);
	listener->name = mem_strdup(name);
	listener->tls = take_tls;
	listener->tls_cert = mem_strdup(cert);
	listener->tls_key = mem_strdup(key);
}

/* What was passed for this address, or what we open there. -1: its error is in errno, 0 there when
 * nothing is left to do. */
static int
fd_for(const struct addrinfo *info, struct passed *passed, bool *ret_passed)
{
	bool covered;
	int fd = passed_take_inet(passed, info, &covered);
	*ret_passed = fd >= 0;
	errno = 0;
	if (fd < 0 && !covered && !bind_one(info, &fd))
		return -1;
	if (*ret_passed) {
		os_nonblock(fd, true);
		os_cloexec(fd, true);
		set_tcp_options(fd);
	}
	return fd;
}

/* A name may stand for several addresses: all are listened on, and one that this machine has is
 * enough. Only an address that is taken is fatal. What was passed keeps no name: whoever goes on
 * with it knows it by its address, too. */
static bool
bind_all(struct http_server *server, const char *host_port, struct addrinfo *list,
	 struct passed *passed, const char *cert, const char *key, unsigned *ret_port,
	 struct err *err)
{
	unsigned port = 0, added = 0;
	int errnum = EADDRNOTAVAIL;
	for (struct addrinfo *info = list; info; info = info->ai_next) {
		AUTO(free_context) struct tls_context *tls = NULL;
		bool is_passed;
		int fd;
		if (cert && !(tls = tls_context_new(cert, key, err)))
			return false;
		if (port)
			use_port(info, port);
		fd = fd_for(info, passed, &is_passed);
		if (fd < 0 && !errno)
			continue;
		if (fd < 0) {
			errnum = errno;
			if (errnum == EADDRINUSE)
				break;
			continue;
		}
		port = listener_port(fd);
		add_listener(server, fd, TAKE(tls), is_passed ? NULL : host_port, cert, key);
		added++;
		errnum = 0;
	}
	if (!port || errnum == EADDRINUSE) {
		while (added--)
			listener_free(TAILQ_LAST(&server->listeners, listener_list));
		return err_errno(err, errnum, "%s cannot be listened on", host_port);
	}
	if (ret_port)
		*ret_port = port;
	return true;
}

bool
http_listen_tcp(struct http_server *server, const char *host_port, const char *tls_cert,
		const char *tls_key, unsigned *ret_port, struct err *err)
{
	return http_listen_tcp_at(server, host_port, NULL, tls_cert, tls_key, ret_port, err);
}

bool
http_listen_tcp_at(struct http_server *server, const char *host_port, struct passed *passed,
		   const char *tls_cert, const char *tls_key, unsigned *ret_port, struct err *err)
{
	AUTO(buf_fini) struct buf host = BUF_INIT;
	AUTO(buf_fini) struct buf port = BUF_INIT;
	AUTO(free_addresses) struct addrinfo *list = NULL;
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	if (!tls_cert != !tls_key)
		return err_set(err, E_CONFIG, "tls_cert and tls_key belong together: %s is missing",
			       tls_cert ? "tls_key" : "tls_cert");
	if (!cut_address(host_port, &host, &port, err))
		return false;
	int rc = getaddrinfo(host.len ? buf_cstr(&host) : NULL, buf_cstr(&port), &hints, &list);
	if (rc)
		return err_set(err, E_CONFIG, "%s: %s", host_port, gai_strerror(rc));
	return bind_all(server, host_port, list, passed, tls_cert, tls_key, ret_port, err);
}

static bool
try_tls(const struct http_server *server, struct err *err)
{
	const struct listener *listener;
	TAILQ_FOREACH (listener, &server->listeners, entry) {
		AUTO(free_context) struct tls_context *tried = NULL;
		if (listener->tls &&
		    !(tried = tls_context_new(listener->tls_cert, listener->tls_key, err)))
			return false;
	}
	return true;
}

bool
http_server_reload_tls(struct http_server *server, struct err *err)
{
	struct listener *listener;
	if (!try_tls(server, err))
		return false;
	TAILQ_FOREACH (listener, &server->listeners, entry) {
		struct tls_context *tls = NULL;
		if (listener->tls)
			tls = tls_context_new(listener->tls_cert, listener->tls_key, err);
		if (!tls)
			continue;
		tls_context_free(listener->tls);
		listener->tls = tls;
	}
	return true;
}

/* A socket file whose listener died refuses; one that answers, or is too busy to, lives. */
static bool
clear_path(const char *path, const struct sockaddr_un *addr, struct err *err)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return errno == ENOENT || err_errno(err, errno, "%s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, E_EXISTS, "%s is there and is no socket; remove it", path);
	AUTO(auto_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, errno, "%s: a socket cannot be made", path);
	if (connect(fd, (const struct sockaddr *)addr, sizeof *addr) == 0 || errno == EAGAIN)
		return err_set(err, E_EXISTS,
			       "another process listens on %s; stop it or use another path", path);
	if (errno != ECONNREFUSED)
		return err_errno(err, errno, "%s is there and cannot be asked", path);
	return unlink(path) == 0 || err_errno(err, errno, "the stale socket %s stays", path);
}

/* Nobody but us may connect until owner and mode are as they should be. */
static bool
bind_path(int fd, const struct sockaddr_un *addr, mode_t mode, gid_t group, struct err *err)
{
	const char *path = addr->sun_path;
	if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)addr, sizeof *addr) < 0)
		return err_errno(err, errno, "%s cannot be listened on", path);
	if ((group != (gid_t)-1 && lchown(path, (uid_t)-1, group) < 0) || chmod(path, mode) < 0)
		err_errno(err, errno, "%s cannot be given its group and mode", path);
	else if (listen(fd, BACKLOG) < 0)
		err_errno(err, errno, "%s cannot be listened on", path);
	else
		return true;
	unlink(path);
	return false;
}

bool
http_listen_unix(struct http_server *server, const char *path, mode_t mode, gid_t group,
		 struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	size_t len = strlen(path);
	if (!len || len >= sizeof addr.sun_path)
		return err_set(err, E_CONFIG, "%s: the path of a socket has 1 to %zu bytes", path,
			       sizeof addr.sun_path - 1);
	memcpy(addr.sun_path, path, len + 1);
	if (!clear_path(path, &addr, err))
		return false;
	AUTO(auto_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, errno, "%s: a socket cannot be made", path);
	if (!bind_path(fd, &addr, mode, group, err))
		return false;
	struct listener *listener = listener_new(server, fd, true);
	fd = -1;
	listener->name = mem_strdup(path);
	if (lstat(path, &st) == 0) {
		listener->path = mem_strdup(path);
		listener->dev = st.st_dev;
		listener->ino = st.st_ino;
	}
	return true;
}

/* As bind_path() leaves one: whoever made it may have been of another mind. */
static bool
rights_set(const char *path, mode_t mode, gid_t group, struct err *err)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return err_errno(err, errno, "%s, which was passed, is not there", path);
	if ((group != (gid_t)-1 && st.st_gid != group && lchown(path, (uid_t)-1, group) < 0) ||
	    ((st.st_mode & 07777) != mode && chmod(path, mode) < 0))
		return err_errno(err, errno,
				 "%s, which was passed, cannot be given its group and mode "
				 "(SocketUser= of its unit has to be the daemon's user)",
				 path);
	return true;
}

bool
http_listen_unix_at(struct http_server *server, const char *path, struct passed *passed,
		    mode_t mode, gid_t group, struct err *err)
{
	int fd = passed_take_unix(passed, path);
	if (fd < 0)
		return http_listen_unix(server, path, mode, group, err);
	if (http_listen_fd(server, fd, err) && rights_set(path, mode, group, err))
		return true;
	return false;
}

bool
http_listen_fd(struct http_server *server, int take_fd, struct err *err)
{
	AUTO(auto_close) int fd = take_fd;
	struct sockaddr_storage addr = {0};
	socklen_t len = sizeof addr, on_len = sizeof(int);
	int listens = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &on_len) < 0 || !listens ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return err_set(
			err, E_CONFIG,
			"descriptor %d, handed over to be listened on, is no listening socket", fd);
	bool local = addr.ss_family == AF_UNIX;
	if (!local && addr.ss_family != AF_INET && addr.ss_family != AF_INET6)
		return err_set(err, E_CONFIG, "descriptor %d is neither a TCP nor a Unix socket",
			       fd);
	if (!os_nonblock(fd, true) || !os_cloexec(fd, true))
		return err_errno(err, errno, "descriptor %d", fd);
	if (!local)
		set_tcp_options(fd);
	listener_new(server, fd, local);
	fd = -1;
	return true;
}
