/* Gates: questions to a person that a run waits for. SPEC 2, 6, 12. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_GATE_H
#define ROUSE_CORE_GATE_H

#include "core/attempt.h"

/* An `approval` or `ask` line of a run: the question is kept; the agent goes on reading its standard input. */
bool gate_open(struct attempt *attempt, const json_t *line, struct err *err);
/* decision: approved denied edited responded ignored timeout. payload: JSON text or NULL. E_STATE when decided before. */
bool gate_decide(struct core *core, const char *id, const char *decision, const char *payload, const char *by, const char *reason,
		 struct err *err);
json_t *gate_object(const struct gate_row *gate);

#endif
