/* Taking over: a second roused goes on where a first one stops, and nobody outside notices. SPEC 8.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TAKEOVER_H
#define ROUSE_TAKEOVER_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct core;
struct http_server;

/* What is handed over: listeners and connections that wait. */
struct heirloom;
void heirloom_free(struct heirloom *heirloom); /* closes what was not taken; NULL is fine */
struct heirloom *heirloom_of(struct http_server *server);
/* A listener of this name (the first; -1: there is none), the caller's from here on. */
int heirloom_take(struct heirloom *heirloom, const char *name);
/* Every connection goes on in this server. */
void heirloom_adopt(struct heirloom *heirloom, struct http_server *server);

/* STATE_DIR/takeover is the socket at which the one that runs is asked:
 *   the new one:  "take VERSION"
 *   the old one:  "no SENTENCE", or, when it owes nobody anything and has closed the database,
 *                 "listen NAME" and "connections" with their descriptors, then "done"
 *   the new one:  "up" once nothing can go wrong any more; then the old one ends. Whatever else
 *                 comes, or nothing, the old one goes on.
 * Nothing is written to the database before "up", but a newer schema. */

/* --- the old one --- */

struct takeover;
/* Listens; on_asked is called with the version of who asks, once at a time. NULL: it cannot be
 * asked, err says why. */
struct takeover *takeover_new(struct core *core, const char *state_dir,
			      void (*on_asked)(void *arg, const char *version), void *arg,
			      struct err *err);
void takeover_free(struct takeover *takeover);
/* Not now: why. Whoever asked is told. */
void takeover_refuse(struct takeover *takeover, const char *why);
/* The one who asked; the caller's from here on, to be given to takeover_give(). */
int takeover_asker(struct takeover *takeover);
/* Its process; 0: it cannot be told. */
pid_t takeover_asker_pid(const struct takeover *takeover);
/* Sends, and waits for its word; asker is closed. False: it did not come up, and is no more. */
bool takeover_give(int take_asker, const struct heirloom *heirloom, struct err *err);

/* --- the new one --- */

/* Asks the one that runs, and waits until it has let go. *ret_old -1 and *ret_heirloom NULL: none
 * runs. */
bool takeover_ask(const char *state_dir, const char *version, int *ret_old,
		  struct heirloom **ret_heirloom, struct err *err);
/* From here on it is ours; take_old may be -1. */
void takeover_say_up(int take_old);

#endif
