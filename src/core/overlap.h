/* Overlaps: what an event does to earlier runs of its trigger and entity that are not done. SPEC 8.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_OVERLAP_H
#define ROUSE_CORE_OVERLAP_H

#include "core/registry.h"

/* Does the policy order the runs of a trigger also where they have no entity? */
bool overlap_orders(enum overlap overlap);
/* The run `seq` was inserted in this turn: queue_one skips those that wait, cancel_other cancels
 * all others. */
bool overlap_settle(struct core *core, enum overlap overlap, const char *trigger,
		    const char *entity, int64_t seq, struct err *err);

#endif
