/* Small durable facts: gates, cursors, pauses, tokens, trigger health. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_STATE_H
#define ROUSE_STORE_STATE_H

#include "store/rows.h"

/* A cursor of a source: whatever text it wants, in the same transaction as its events. */
bool cursors_get(struct store *store, const char *trigger, struct buf *ret,
		 struct err *err); /* E_NOT_FOUND */
bool cursors_set(struct store *store, const char *trigger, struct str value, struct err *err);

/* Switches: scope all|agent|trigger|tenant, kind paused|halted|disabled. */
bool switches_set(struct store *store, const char *scope, const char *name, const char *kind,
		  const char *by, struct wall at, struct err *err);
bool switches_clear(struct store *store, const char *scope, const char *name, const char *kind,
		    struct err *err);
bool switches_list(struct store *store,
		   bool (*fn)(void *arg, const char *scope, const char *name, const char *kind,
			      const char *by, struct wall at),
		   void *arg, struct err *err);

bool tokens_insert(struct store *store, const struct token_row *row,
		   struct err *err); /* E_EXISTS */
bool tokens_find(struct store *store, const char *hash, struct token_row *ret,
		 struct err *err); /* E_NOT_FOUND */
bool tokens_list(struct store *store, bool (*fn)(void *arg, const struct token_row *row), void *arg,
		 struct err *err);
bool tokens_revoke(struct store *store, const char *name, struct err *err); /* E_NOT_FOUND */
bool tokens_touch(struct store *store, const char *hash, struct wall at, struct err *err);

bool gates_insert(struct store *store, const struct gate_row *row, int64_t *ret_seq,
		  struct err *err);
bool gates_get(struct store *store, const char *id, struct gate_row *ret, struct err *err);
/* columns: run status kind. */
bool gates_list(struct store *store, const struct list_query *query,
		bool (*fn)(void *arg, const struct gate_row *row), void *arg, struct err *err);
/* Those that wait still and whose time was over by now, at most `most`, the longest first; fn must
 * not write. */
bool gates_due(struct store *store, struct wall now, unsigned most,
	       bool (*fn)(void *arg, const struct gate_row *row), void *arg, struct err *err);
/* When the next one's time is over; WALL_NONE: none has any. */
bool gates_next(struct store *store, struct wall *ret, struct err *err);
/* Compare-and-set from waiting: E_STATE when it was decided before. */
bool gates_decide(struct store *store, int64_t seq, const char *status, const char *decision,
		  const char *by, const char *reason, const char *answer, struct wall at,
		  struct err *err);

#endif
