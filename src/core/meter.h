/* Meters: what an agent uses while it runs, held against what its run may use. SPEC 6, 9. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_METER_H
#define ROUSE_CORE_METER_H

#include "core/attempt.h"

/* What is counted. At 80 % of a limit the agent is told once ({"type":"budget",…}); past it, or
 * past what its tenant's or user's day has left for it, the run is stopped. */
enum meter { METER_STEPS, METER_TOOLS, METER_TOKENS, METER_CONTEXT, METER_COST, METERS };

void meter_step(struct attempt *attempt);
void meter_tool(struct attempt *attempt);
/* A `usage` line. Tokens without a cost are priced by their [model NAME]. */
void meter_usage(struct attempt *attempt, const json_t *line);
/* One that is over its budget is stopped: another daemon may have died before it could. */
void meter_adopted(struct attempt *attempt);
/* The reason that a run whose meters stand so ends with, and the sentence in ret_text; NULL: it has
 * some left. */
const char *meter_exceeded(const struct attempt *attempt, struct buf *ret_text);
/* An attempt that is taken up: nothing is told a second time. */
void meter_recall(struct attempt *attempt);

/* The price list's section of a model: its own name, or the longest that the name begins with
 * (claude-x of claude-x-20260101); NULL: none. */
const struct conf_section *meter_model(const struct conf *conf, const char *model);

#endif
