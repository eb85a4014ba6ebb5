/* Rollouts: what was approved of a batch goes to its targets, a few first, no faster than it may,
 * and no further when too much fails; or is taken back, the youngest first. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_ROLLOUT_H
#define ROUSE_CORE_ROLLOUT_H

#include "core/batch.h"

struct rollouts *rollouts_new(struct core *core);
void rollouts_free(struct rollouts *rollouts);
/* Goes on with those that an earlier daemon had begun. After apply and the batches. */
bool rollouts_load(struct core *core, struct err *err);

/* What somebody asks for beside what the batch's section says; -1, NAN: as that says. */
struct rollout_wish {
	bool revert;
	int64_t canary;
	double stop;
	int64_t rate_count, rate_per_ms;
	const char *by, *reason; /* reason NULL: none */
};
#define ROLLOUT_WISH_INIT                                                                          \
	{                                                                                          \
		false, -1, NAN, -1, 0, "", NULL                                                    \
	}
/* In the turn. Applying takes what is approved and, once more, what had failed; reverting what is
 * applied. E_STATE: its entities have not ended yet, or it is on its way already; E_NOT_FOUND:
 * there is nothing to do. */
bool rollout_start(struct core *core, const char *word, const struct rollout_wish *wish,
		   struct err *err);
/* Changes of this batch (NULL: of none) have landed. */
void rollouts_landed(struct core *core, const char *batch);
/* Puts `rollout` into the object of a batch, null where there was none; and `apply`, by what its
 * section would have it applied: canary, rate (a second; null: none), stop (a share). */
void rollout_put(struct core *core, const struct batch_row *batch, json_t *object);

#endif
