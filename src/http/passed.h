/* Sockets that somebody else opened, above all a service manager (sd_listen_fds(3)): they are known
 * by where they listen. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_HTTP_PASSED_H
#define ROUSE_HTTP_PASSED_H

#include "base/buf.h"
#include "base/err.h"

#define PASSED_MAX 64

struct addrinfo;

struct passed {
	struct {
		int fd;
		char *name; /* what its giver calls it; "" */
		bool taken; /* somebody listens on it, and owns it */
	} all[PASSED_MAX];
	size_t count;
};

/* One more than PASSED_MAX is closed, and said. name may be NULL. */
void passed_add(struct passed *passed, int take_fd, const char *name);
/* Closes what nobody took. */
void passed_fini(struct passed *passed);
/* One that listens at this address; -1: there is none. *ret_covered: it is listened at already, by
 * one that was taken and stands for this address too ([::] for 0.0.0.0). passed may be NULL. */
int passed_take_inet(struct passed *passed, const struct addrinfo *info, bool *ret_covered);
/* The one that listens at this path; -1: there is none. passed may be NULL. */
int passed_take_unix(struct passed *passed, const char *path);
/* Logs each that nobody took, with the words of what to do, and closes them. A second one that is
 * the same socket as one that server's listeners have is closed without a word. */
struct http_server;
void passed_close_rest(struct passed *passed, const struct http_server *server);

#endif
