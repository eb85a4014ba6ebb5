/* Events: what arrived, and the word it ended in. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_EVENTS_H
#define ROUSE_STORE_EVENTS_H

#include "store/rows.h"

/* The seq that the next event will get; kept in memory, one writer. */
int64_t events_next_seq(struct store *store);
/* row->seq 0: taken from events_next_seq(). Slices and strings are copied. */
bool events_insert(struct store *store, const struct event_row *row, int64_t *ret_seq,
		   struct err *err);
/* Moves an event that was `held` or the like to its outcome. */
bool events_settle(struct store *store, int64_t seq, const char *outcome, const char *rule,
		   int64_t run, struct err *err);
/* By id, or a unique beginning of one of at least 8 characters (E_NOT_FOUND, E_INVALID when several
 * match). */
bool events_get(struct store *store, const char *id, struct event_row *ret, struct err *err);
bool events_get_seq(struct store *store, int64_t seq, struct event_row *ret, struct err *err);
/* columns: trigger source outcome key run(run id). Rows without document. fn returns false to stop.
 */
bool events_list(struct store *store, const struct list_query *query,
		 bool (*fn)(void *arg, const struct event_row *row), void *arg, struct err *err);
/* The newest event of a trigger, E_NOT_FOUND when there is none. */
bool events_last(struct store *store, const char *trigger, struct event_row *ret, struct err *err);
/* When the newest one came and the word it ended in, appended; E_NOT_FOUND when there is none. */
bool events_newest(struct store *store, const char *trigger, struct wall *ret_time,
		   struct buf *ret_outcome, struct err *err);

#endif
