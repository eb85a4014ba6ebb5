/* Sessions: lines of runs that continue one another. Rows only; what they mean is core/session.h's.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_SESSIONS_H
#define ROUSE_STORE_SESSIONS_H

#include "store/rows.h"

struct session_row {
	int64_t seq;
	char *id; /* UUIDv7 */
	char *agent, *tenant, *name;
	int64_t turns;	  /* given out so far */
	char *run_id;	  /* joined: the latest run; NULL */
	char *run_status; /* joined */
	char *checkpoint; /* JSON; NULL */
	struct wall created, used, ended;
	int64_t open; /* turns that are not done */
};
void session_row_fini(struct session_row *row);

/* The open session of this agent, tenant (NULL: none) and name gets one more turn, the run of this
 * seq; where there is none, it begins as `fresh`. ret_id: its id, appended. */
bool sessions_turn(struct store *store, const char *agent, const char *tenant, const char *name,
		   const char *fresh, int64_t run, struct wall now, struct buf *ret_id,
		   int *ret_turn, struct err *err);
/* By id or unique beginning of at least 8 characters. */
bool sessions_get(struct store *store, const char *id, struct session_row *ret, struct err *err);
/* columns: agent tenant name open ("1": not ended). */
bool sessions_list(struct store *store, const struct list_query *query,
		   bool (*fn)(void *arg, const struct session_row *row), void *arg,
		   struct err *err);
/* A turn has ended. checkpoint NULL: it said none, and the one before stays. One that is not there
 * any more stays so. */
bool sessions_turned(struct store *store, const char *id, const char *checkpoint, struct wall now,
		     struct err *err);
/* E_STATE where it has ended, or a turn of it is not done. */
bool sessions_end(struct store *store, const struct session_row *session, struct wall now,
		  struct err *err);
/* Those that were not used since, and have nothing to do; at most so many. */
bool sessions_expire(struct store *store, struct wall before, unsigned most, unsigned *ret_gone,
		     struct err *err);

#endif
