/* Where the daemon listens: the socket, HTTP, and what systemd passed. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_LISTENING_H
#define ROUSE_LISTENING_H

#include "core/core.h"

struct http_server;
struct heirloom;
struct passed;

/* By core's configuration; where the roused before this one listened so (NULL: none was), on its
 * sockets, and on those that were passed, by their addresses; others of these are said and closed.
 * path: of the Unix socket. ret_where gets "host:port" of each TCP
 * listener; core->public_url is set. */
bool listening_start(struct core *core, struct http_server *server, const char *path,
		     struct heirloom *heirloom, struct passed *passed, json_t *ret_where,
		     struct err *err);

#endif
