/* Shed: what gives way where the queue is full. SPEC 3 (limits.max_queued, queue_full). */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_SHED_H
#define ROUSE_CORE_SHED_H

#include "core/core.h"

bool queue_is_full(const struct core *core);
/* At the door: E_RATE where the queue is full, and nothing in it would give way. */
bool shed_at_door(struct core *core, struct err *err);
/* In the turn that queues a run of this priority, of a full queue: its oldest run of lowest
 * priority is skipped, and that one's event ends as `shed`. *ret_refused: all that waits is more
 * urgent; nothing changed. */
bool shed_oldest(struct core *core, int priority, bool *ret_refused, struct err *err);

#endif
