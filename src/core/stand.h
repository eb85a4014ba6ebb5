/* The clock of a run's deadline: it stands while a person decides. SPEC 6, 9. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_STAND_H
#define ROUSE_CORE_STAND_H

#include "core/attempt.h"

/* What an attempt has worked so far is written into its row when it begins to wait, and counted
 * anew when that is over and whenever its lease is renewed, by the clock that never jumps: so a
 * daemon that takes it up counts no wait, forgets no work, and does not follow a clock that was
 * set. The executor is told in both cases, and again by the daemon after. */

/* In the turn of the question: the run waits from here on. */
void stand_begin(struct attempt *attempt);
/* The last decision is on disk: it works again. */
void stand_end(struct attempt *attempt);
/* An attempt that is taken up: knows where its clock is; before its kind takes it up. */
void stand_recall(struct attempt *attempt, const struct attempt_row *row, bool waits);
/* Its executor is gone, nobody knows since when: what was counted last is what it has worked. */
void stand_lost(struct attempt *attempt, const struct attempt_row *row);
/* After that: the executor may not have heard what was decided last. */
void stand_adopted(struct attempt *attempt);
/* Worked since the last time that this was written into used.active_ms. */
int64_t stand_worked_ms(const struct attempt *attempt);

#endif
