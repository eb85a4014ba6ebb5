/* Gates: questions to a person that a run waits for. SPEC 2, 6, 12. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_GATE_H
#define ROUSE_CORE_GATE_H

#include "core/attempt.h"

/* An `approval` or `ask` line of a run: the question is kept; the agent goes on reading its
 * standard input. Asked again by a later attempt, the same question is the same gate: it waits on,
 * or the agent hears at once what was decided. */
bool gate_open(struct attempt *attempt, const json_t *line, struct err *err);
/* decision: approved denied edited responded ignored timeout. payload: JSON text or NULL. E_STATE
 * when decided before. */
bool gate_decide(struct core *core, const char *id, const char *decision, const char *payload,
		 const char *by, const char *reason, struct err *err);
/* What was decided in this run, JSON by step, for the envelope of its next attempt; NULL: nothing.
 * Owned. */
char *gates_decisions(struct core *core, const char *run_id);
/* The run has ended (in this turn): what it still asked is cancelled. */
bool gates_cancel(struct core *core, const char *run_id, struct err *err);
/* Does the run ask something still? */
bool gates_are_open(struct core *core, const char *run_id, bool *ret, struct err *err);
/* Was a question of its run open while this attempt ran? */
bool gates_asked(const struct attempt *attempt, bool *ret, struct err *err);
/* Looks for questions whose time is over, now and whenever one's comes. At the start of the daemon.
 */
void gates_watch(struct core *core);
json_t *gate_object(struct core *core, const struct gate_row *gate);
/* May the question be decided with this word? */
bool gate_allows(const struct gate_row *gate, const char *decision);
/* Does this decision end its run, because nobody answered and on_timeout is fail? */
static inline bool
gate_ends_run(const struct gate_row *gate, const char *decision)
{
	return gate->on_timeout && !strcmp(gate->on_timeout, "fail") &&
	       !strcmp(decision, "timeout");
}

#endif
