/* Carrying over: what a batch proposes again, as it was approved, stays approved. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_CARRY_H
#define ROUSE_CORE_CARRY_H

#include "core/change.h"

/* change was just inserted, as proposed, under seq, in this turn. Where an earlier batch of the
 * same name had something approved for its target and entity that is not applied yet, that becomes
 * superseded: the same, and this one is approved as that was (*ret_carried); another, and this one
 * stays open and remembers what it differs from. */
bool change_carry(struct core *core, int64_t seq, const struct change_row *change,
		  bool *ret_carried, struct err *err);

#endif
