/* Replays: runs that have ended are run again in another agent, with nothing applied, and what both
 * proposed is compared. A replay is a batch whose entities are old runs. SPEC 12. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_REPLAY_H
#define ROUSE_CORE_REPLAY_H

#include "core/batch.h"

struct attempt;

/* The name of the batch is this and the agent's; no [batch X] can be called so. */
#define REPLAY_PREFIX "replay:"

/* Is this batch (its id or name; NULL: none) a replay? What runs in it tells nobody, wakes nothing,
 * asks nobody, and what it proposes is `rejected` as it arrives. */
static inline bool
replay_is(const char *batch)
{
	return batch && !strncmp(batch, REPLAY_PREFIX, sizeof(REPLAY_PREFIX) - 1);
}

/* Which runs are meant. Strings are borrowed; NULL: no matter. */
struct replay_wish {
	const char *agent; /* the new one */
	const char *old_agent, *trigger, *entity, *tenant, *status;
	const char *batch;   /* id */
	struct wall since;   /* WALL_NONE: from the beginning */
	int64_t limit;	     /* the newest so many; 0: all */
	int64_t concurrency; /* 0: the agent's */
	int64_t cost_uusd;   /* of the whole; -1: no limit */
	const char *by;
};
/* A new batch, in the turn. E_NOT_FOUND: no such agent; E_STATE: it is replaying already. ret_id:
 * owned. */
bool replay_start(struct core *core, const struct replay_wish *wish, char **ret_id,
		  struct err *err);
/* Goes on with one that was paused, or that failed; cost_uusd >= 0: the limit of the whole from
 * here on. In the turn. E_STATE: it is no replay, or has ended. */
bool replay_resume(struct core *core, const char *word, int64_t cost_uusd, const char *by,
		   struct err *err);
/* It, its runs and what they proposed go, in the background. In the turn. E_STATE: it is running,
 * or is no replay. */
bool replay_forget(struct core *core, const char *word, const char *by, struct err *err);

/* Refuses to do what ("approved", "applied") with a change of a replay. False, always. */
bool replay_refuse(const char *change, const char *batch, const char *what, struct err *err);

/* What a replay's row says in place of a section. E_NOT_FOUND: its agent is gone. */
bool replay_settings(const struct registry *registry, const struct batch_row *row,
		     struct batch_settings *ret, struct err *err);
/* Most that the whole may cost; INT64_MAX: no limit. */
int64_t replay_limit_uusd(struct core *core, const char *id);

/* An item's data as its run. *ret_gone: the payload was not kept, and there is nothing to run. What
 * ret borrows from lives as long as made, which is the caller's to decref, and data. */
bool replay_fill(const char *data, struct run_row *ret, json_t **ret_made, struct buf *payload,
		 struct buf *guise, bool *ret_gone, struct err *err);

/* A question of a run that is part of a replay: decided at once, as it was then. Where it was not
 * asked then, as if nobody had answered in time. gate->id and the rest are filled in. */
bool replay_gate(struct attempt *attempt, const struct gate_row *gate, const char *lapsed,
		 struct err *err);

/* A page of the comparison: the entities of the replay behind n `after`, at most limit. Reads in a
 * work thread. page: {"items": [...], "next": n or null}, taken by the receiver; NULL: err. Once,
 * never from within. */
typedef void replay_on_page(void *arg, json_t *take_page, struct err *err);
void replay_compare(struct core *core, const struct batch_row *row, int64_t after, unsigned limit,
		    replay_on_page *on_page, void *arg);
#define REPLAY_PAGE_MAX 500

#endif
