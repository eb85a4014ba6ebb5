/* Breakers: who fails too often is left alone for a while; of agents, targets, models. SPEC 8, 10.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_BREAKERS_H
#define ROUSE_CORE_BREAKERS_H

#include "core/registry.h"
#include "pure/breaker.h"

/* What is counted is in memory alone; that one is open, and until when, is a row
 * (store/breakers.h), written in the turn of the failure that opened it. Memory may be ahead of the
 * disk by that turn: then something waits that need not have, and nothing else. */

enum breaker_scope { BREAKER_AGENT, BREAKER_TARGET, BREAKER_MODEL, BREAKER_SCOPES };

struct breakers *breakers_new(struct core *core);
void breakers_free(struct breakers *breakers);
/* Those that were open when the last daemon ended. After the first registry, before the queue. */
bool breakers_load(struct core *core, struct err *err);
/* Another generation is in force: those of agents and targets that are gone are forgotten. */
void breakers_reload(struct core *core);

/* May one more begin? */
bool breakers_admit(struct core *core, enum breaker_scope scope, const char *name);
/* One that was admitted begins (who: its seq). */
void breakers_begin(struct core *core, enum breaker_scope scope, const char *name, int64_t who);
/* Taken up again: where it began after its breaker's rest, it is the probe. */
void breakers_adopt(struct core *core, enum breaker_scope scope, const char *name, int64_t who,
		    struct wall began);
/* It ended so, once (why: of a failure, in words; NULL). */
void breakers_end(struct core *core, enum breaker_scope scope, const char *name, int64_t who,
		  enum breaker_outcome outcome, const char *why);
/* In the turn of that end: the row, where the state is another than on disk. */
bool breakers_store(struct core *core, enum breaker_scope scope, const char *name, struct err *err);
/* That turn is on disk. */
void breakers_kept(struct core *core, enum breaker_scope scope, const char *name);

/* The agent that would carry a run of this one now: itself, or the first of its `fallback`s that
 * is not resting. NULL: none. */
const struct agent *breakers_carrier(struct core *core, const struct agent *agent);

struct breaker_view {
	enum breaker_state state;
	struct wall opened, until; /* not closed */
	unsigned failed, total;	   /* that opened it; closed: in the window now */
	const char *error;	   /* NULL; valid until the next turn */
};
void breakers_look(struct core *core, enum breaker_scope scope, const char *name,
		   struct breaker_view *ret);

#endif
