/* What waits for a person, the most urgent first. Looks only. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_INBOX_H
#define ROUSE_STORE_INBOX_H

#include "store/rows.h"

/* Gates that wait: those with a time limit, the soonest first, then the others, the oldest first;
 * at most `most` of each, lent to fn until it returns false. */
bool inbox_gates(struct store *store, unsigned most,
		 bool (*fn)(void *arg, const struct gate_row *row), void *arg, struct err *err);
bool inbox_gates_count(struct store *store, int64_t *ret, struct err *err);

struct inbox_run {
	struct str run_id, agent, target; /* target: of one of them */
	int64_t changes;
	struct wall created; /* of the oldest */
};
/* Runs outside batches whose proposals are to be decided, the oldest first, at most `most`. fn must
 * not write. */
bool inbox_runs(struct store *store, unsigned most,
		bool (*fn)(void *arg, const struct inbox_run *run), void *arg, struct err *err);

#endif
