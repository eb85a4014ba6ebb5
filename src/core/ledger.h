/* The ledger: what tenants, users and all together may spend a day, reserved before a run starts,
 * settled when it ends. SPEC 9. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_LEDGER_H
#define ROUSE_CORE_LEDGER_H

#include "core/registry.h"

/* What is spent stands in rows (store/budgets.h), written in the turn that ends an attempt. What is
 * reserved follows from the attempts that are `running`, whose rows the turn of their claim wrote:
 * it is counted here, and counted anew when attempts are taken up, so that a crash neither leaks
 * nor doubles it. Days are the tenant's, of tenant and user; UTC for all others. */

struct ledger *ledger_new(struct core *core);
void ledger_free(struct ledger *ledger);
/* Knows again for which scopes runs are held. After the first registry, before the queue. */
bool ledger_load(struct core *core, struct err *err);
/* Another generation is in force: limits may be others, and all that is held is tried again. */
void ledger_reload(struct core *core);

/* Why a run cannot start. */
struct hold {
	struct buf scope; /* "tenant/abc" */
	struct wall until;
};
void hold_fini(struct hold *hold);

/* Reserves what the run may still use. E_BUDGET: a scope has no room for it; hold says which, until
 * when. A claim that fails afterwards gives it back by ledger_release(). */
bool ledger_reserve(struct core *core, const struct run_row *run, struct hold *hold,
		    struct err *err);
/* Its last attempt is not kept as ended yet: that turn is still going on. */
bool ledger_has(struct core *core, int64_t run);
/* An attempt that runs already: what it has used of the run's, and when it began. */
void ledger_adopt(struct core *core, const struct run_row *run, const struct run_meters *used,
		  struct wall began);
/* In the turn: the run waits until its scope has room. */
bool ledger_hold(struct core *core, const struct run_row *run, const struct hold *hold,
		 const char *why, struct err *err);
/* What the run may use before it is stopped for its day's sake; INT64_MAX: no bound. Counted from
 * what it had used when it was reserved. */
void ledger_allowed(struct core *core, int64_t run, int64_t *ret_uusd, int64_t *ret_tokens);
/* In the turn that ends the attempt: what it used is spent. */
bool ledger_settle(struct core *core, const struct run_row *run, const struct run_meters *used,
		   struct err *err);
/* That turn is on disk (used: what was settled), or nothing was used (NULL). */
void ledger_release(struct core *core, int64_t run, const struct run_meters *used);

/* At the door: is there a day that this run cannot start in any more, whatever else ends?
 * E_BUDGET, and *ret_until when the next one begins. */
bool ledger_door(struct core *core, const struct run_limits *limits, const char *tenant,
		 const char *user, struct wall *ret_until, struct err *err);

/* How many more runs of these limits may begin in a batch (an id), beside `running` of it; what it
 * would take goes to need. *ret_idle: nothing is reserved. No limit: INT64_MAX. */
bool ledger_batch_room(struct core *core, const char *batch, const struct run_limits *limits,
		       int64_t running, int64_t *ret_more, bool *ret_idle, struct err *err);

/* A line of GET /v1/budget. */
struct ledger_line {
	const char *scope, *name, *tenant; /* tenant: of a user, NULL */
	const char *day;
	int64_t spent_uusd, reserved_uusd, limit_uusd; /* limit -1: none */
	int64_t tokens, reserved_tokens, limit_tokens;
	int64_t held; /* runs that wait for it */
};
/* day NULL: today, of each scope's own zone. */
bool ledger_each(struct core *core, const char *day,
		 void (*fn)(void *arg, const struct ledger_line *line), void *arg, struct err *err);

#endif
