/* Facts: what a source knows of its world, item by item (a file, a ref, a message that waits). */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_FACTS_H
#define ROUSE_STORE_FACTS_H

#include "store/store.h"

/* A change to one fact of a trigger. Items and values are bytes, any, NUL too; an item has 1 to
 * 8192 of them. value.p NULL: the fact is forgotten (that it is unknown is fine). */
struct fact {
	struct str item, value;
};

/* Within the turn, all of them or (false) none that counts: the turn is to be undone. */
bool facts_write(struct store *store, const char *trigger, const struct fact *facts, size_t count,
		 struct err *err);
/* Appends the value of one to ret; E_NOT_FOUND. */
bool facts_get(struct store *store, const char *trigger, struct str item, struct buf *ret,
	       struct err *err);
/* Facts whose item is greater than `after` (p NULL: all), in the order of their bytes, lent to fn
 * until it returns false; at most limit, 0: no limit. fn must not write. */
bool facts_each(struct store *store, const char *trigger, struct str after, unsigned limit,
		bool (*fn)(void *arg, const struct fact *fact), void *arg, struct err *err);
bool facts_count(struct store *store, const char *trigger, int64_t *ret, struct err *err);
/* All of a trigger. */
bool facts_forget(struct store *store, const char *trigger, struct err *err);

#endif
