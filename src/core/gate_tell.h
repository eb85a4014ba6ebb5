/* Gates: decisions on their way to the agent that asked. SPEC 6. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_GATE_TELL_H
#define ROUSE_CORE_GATE_TELL_H

#include "core/attempt.h"

/* Once the turn is on disk, whatever attempt of the run is live then hears of it, and its run log
 * keeps the line. payload: JSON, NULL: the gate's own. goes_on: it was the run's last open gate. */
void gate_tell_agent(struct core *core, const struct gate_row *gate, const char *decision,
		     const char *payload, const char *by, const char *reason, bool goes_on);
/* What an attempt's envelope tells of the question that the one before it was suspended for:
 * denied, gate_timeout, or NULL: something else. */
const char *gate_last_refusal(const struct attempt *attempt);
/* An attempt that was taken up hears what was decided while it ran and did not reach it, because
 * the daemon died in between. (One that died between the telling and its note tells it again: each
 * decision arrives at least once, with the same gate.) */
void gates_tell_again(struct attempt *attempt);

#endif
