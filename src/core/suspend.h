/* Suspended runs: they wait for a person, and no process of theirs is kept. SPEC 6. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_SUSPEND_H
#define ROUSE_CORE_SUSPEND_H

#include "core/attempt.h"

/* A run is suspended when it is `waiting` and its last attempt has ended as `suspended`: that is
 * all there is on disk. It keeps its place among those of its entity, and is queued again in the
 * turn in which its last open gate is decided. */

/* A `suspend` line: the attempt ends, by itself or because it is told to; nothing that it says
 * from now on counts. Where no gate of the run was open while this attempt ran there is nothing
 * that would ever wake the run: then it fails as `invalid`, with a sentence. */
void suspend_begin(struct attempt *attempt);
/* How many attempts of the run ended so, or had an envelope that nobody read; those are not held
 * against retry.attempts. */
int suspend_count(struct core *core, int64_t run);
/* Does the run wait without a process? False also when the store cannot say; then err is set. */
bool suspend_is(struct core *core, const struct run_row *run, bool *ret, struct err *err);
/* In the turn: a suspended run is queued again; nothing to do for any other. */
bool suspend_wake(struct core *core, int64_t run, struct err *err);

#endif
