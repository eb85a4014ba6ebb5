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
/* A `usage` line. Tokens without a cost are priced by their [model NAME]. Nothing where all that
 * the agent asks of models is counted on its way. */
void meter_usage(struct attempt *attempt, const json_t *line);
/* Tokens of one answer, and what they cost. */
struct meter_use {
	int64_t input, output, cache_read,
		cache_written; /* input: neither read nor written there */
	int64_t uusd;
};
/* Whether a model's price list can say what its tokens cost; what they cost by it. What it does not
 * say of caches costs as much as input. section NULL: nothing is known, 0. */
bool meter_is_priced(const struct conf_section *model);
int64_t meter_price(const struct conf_section *model, const struct meter_use *use);

/* A request to a model on behalf of an attempt (meter = proxy): what it may use at most is set
 * aside, so that two at once cannot both spend what is left for one. */
struct meter_hold {
	LIST_ENTRY(meter_hold) entry;
	struct attempt *attempt; /* NULL: not held (any more) */
	int64_t uusd, tokens;
	/* The attempt ends: settle or drop what is held, at once. */
	void (*on_over)(struct meter_hold *hold);
};
/* E_BUDGET, in a sentence: the run, or its day, has not so much left. The run then ends by its
 * budget, unless it succeeds all the same. */
bool meter_hold(struct attempt *attempt, struct meter_hold *hold, struct err *err);
/* It was not used after all. Nothing when it is not held. */
void meter_hold_drop(struct meter_hold *hold);
/* What it came to is used; written in this turn. */
void meter_hold_settle(struct meter_hold *hold, const struct meter_use *use);
/* The attempt ends, or (settle false) this daemon knows it no longer. */
void meter_holds_over(struct attempt *attempt, bool settle);
/* After a turn that failed: what was settled and is not on disk has no line that says it again. */
void meter_again(struct attempt *attempt, const struct run_meters *settled);

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
