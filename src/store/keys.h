/* Idempotency keys: which run a key of a trigger (or agent) already has. Promise 2. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_KEYS_H
#define ROUSE_STORE_KEYS_H

#include "store/rows.h"

/* Claims key within scope ("trigger/NAME" or "agent/NAME") for run. Stored as a 128-bit hash.
 * fingerprint: 64 bits of what the request was (0: do not compare).
 * True and *ret_known 0: it is new, now run's. True and *ret_known a seq: the run that has it
 * already; *ret_same_print says whether the fingerprints agree. */
bool keys_claim(struct store *store, struct str scope, struct str key, uint64_t fingerprint,
		int64_t run, struct wall now, int64_t *ret_known, bool *ret_same_print,
		struct err *err);
/* 0 when unknown. */
bool keys_find(struct store *store, struct str scope, struct str key, int64_t *ret_run,
	       struct err *err);
/* Forgets keys older than before, at most `most` of them; *ret_gone says how many. */
bool keys_expire(struct store *store, struct wall before, unsigned most, unsigned *ret_gone,
		 struct err *err);

#endif
