/* Rollouts: a batch's changes on their way. Rows only; when they go is core/rollout.h's. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_ROLLOUTS_H
#define ROUSE_STORE_ROLLOUTS_H

#include "store/rows.h"

struct rollout_row {
	int64_t batch; /* batches.seq */
	bool revert;
	char *state; /* canary going stopped done */
	char *why;   /* stopped: in words; NULL */
	int64_t canary;
	double stop;
	int64_t rate_count, rate_per_ms; /* 0: no rate */
	int64_t cursor, total, released, base;
	char *started_by, *reason;
	struct wall at;
};
void rollout_row_fini(struct rollout_row *row);

/* In place of an earlier one of the batch. */
bool rollouts_put(struct store *store, const struct rollout_row *row, struct err *err);
/* E_NOT_FOUND: there was none. */
bool rollouts_get(struct store *store, int64_t batch, struct rollout_row *ret, struct err *err);
/* The batches whose rollout is on its way, behind `after`; at most max. */
bool rollouts_open(struct store *store, int64_t after, int64_t *ret_batches, size_t max,
		   size_t *ret_count, struct err *err);

/* One change that a rollout comes by; lent. */
struct rollout_step {
	int64_t seq;
	const char *id, *status, *target;
	bool held;
};
/* The next changes of a batch (its id) behind cursor, the oldest first; revert: before it, the
 * youngest first. fn must not write. */
bool rollouts_page(struct store *store, const char *batch, bool revert, int64_t cursor, size_t most,
		   bool (*fn)(void *arg, const struct rollout_step *step), void *arg,
		   struct err *err);
/* Lets go what is approved and held, from behind `after` to upto; *ret_count of them. */
bool rollouts_release(struct store *store, const char *batch, int64_t after, int64_t upto,
		      int64_t *ret_count, struct err *err);
/* How many changes of a batch are on their way. */
bool rollouts_going(struct store *store, const char *batch, int64_t *ret, struct err *err);

#endif
