/* Runs and attempts: rows only; what may follow what is core/run.h's grid. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_RUNS_H
#define ROUSE_STORE_RUNS_H

#include "store/rows.h"

int64_t runs_next_seq(struct store *store);
/* Inserts a queued run. It is ready at once unless due is set, or an unfinished earlier run has its
 * entity (then it waits for runs_free_entity). row->seq 0: the next. */
bool runs_insert(struct store *store, const struct run_row *row, int64_t *ret_seq, bool *ret_ready,
		 struct err *err);
/* By id or unique beginning of at least 8 characters. Joined fields filled. */
bool runs_get(struct store *store, const char *id, struct run_row *ret, struct err *err);
bool runs_get_seq(struct store *store, int64_t seq, struct run_row *ret, struct err *err);
/* columns: status agent trigger batch entity session tenant key reason, dead (value "1": failed,
 * not dropped). */
bool runs_list(struct store *store, const struct list_query *query,
	       bool (*fn)(void *arg, const struct run_row *row), void *arg, struct err *err);

#define RUN_PRIORITIES 3 /* 0 goes first */
/* Where a look past paused runs ended: what lies before is paused still, so that a million queued
 * runs of a paused trigger are walked once, not at every look. Zeroes: from the start; and so must
 * its owner set it when the pauses change, or an old run becomes ready. */
struct run_place {
	int64_t after[RUN_PRIORITIES];
	uint64_t epoch;
};
/* The next ready queued run of an agent for a tenant (NULL: of none), by priority, then age.
 * *ret_seq 0: there is none. skip_trigger lists paused names (NULL-terminated, may be NULL). */
bool runs_peek(struct store *store, const char *agent, const char *tenant,
	       const char *const *skip_trigger, struct run_place *place, int *ret_priority,
	       int64_t *ret_seq, struct err *err);
/* The next tenant by name, after `tenant`, for which a run of this agent is ready. */
bool runs_next_tenant(struct store *store, const char *agent, struct buf *tenant, bool *ret_found,
		      struct err *err);
/* How long an attempt has worked beyond what its row has as active_ms; when that was counted, by
 * the clock that never jumps; in which boot of the machine (0: nobody knows). */
struct run_worked {
	int64_t ms;
	struct mono at;
	int64_t boot;
};

/* queued → running, attempts + 1, a row in attempts with this lease; compare-and-set: E_STATE when
 * it is no longer queued. started is set at the first attempt. carrier: the agent that takes it
 * over from its own; NULL: its own. */
bool runs_claim(struct store *store, int64_t seq, struct wall now, struct wall lease,
		const struct run_worked *worked, const char *carrier, int *ret_attempt,
		struct err *err);

/* Where the clock was set back: waits that began later than now begin now. Looks at `most` of those
 * that wait, from the one that is due first after `after`; *ret_last: the last that was looked at,
 * WALL_NONE when none is left. */
bool runs_due_again(struct store *store, struct wall now, struct wall after, unsigned most,
		    struct wall *ret_last, struct err *err);

/* Everything that a change of status writes; status must be `from` (E_STATE otherwise). */
struct run_move {
	const char *from, *to;
	const char *reason, *error; /* NULL: cleared */
	const char *result;	    /* NULL: as it is */
	const char *expect;	    /* NULL: as it is */
	struct wall ended;	    /* WALL_NONE: not ended */
	struct wall due; /* to "queued": not before; the run becomes ready at due (WALL_NONE: at
			    once) */
};
bool runs_move(struct store *store, int64_t seq, const struct run_move *move, struct err *err);
/* Whom a run that became ready is of; tenant NULL: of none. */
typedef void runs_on_ready(void *arg, const char *agent, const char *tenant);
/* After a run with an entity has ended: makes the next queued one of it ready. fn is called where
 * there was one; it must not use the store. */
bool runs_free_entity(struct store *store, const char *entity, runs_on_ready *fn, void *arg,
		      struct err *err);
/* The same for each line that the ended run stood in: its entity, its session. */
bool runs_free_lines(struct store *store, const struct run_row *run, runs_on_ready *fn, void *arg,
		     struct err *err);
/* Makes runs whose due has come ready, at most `most`, and calls fn for each that is. *ret_woken:
 * how many were due. *ret_next: the earliest due left, WALL_NONE. */
bool runs_wake(struct store *store, struct wall now, unsigned most, runs_on_ready *fn, void *arg,
	       unsigned *ret_woken, struct wall *ret_next, struct err *err);

/* Progress of a live run: meters, offset of its attempt, checkpoint and steps (NULL: as they are).
 */
struct run_progress {
	struct run_meters used; /* of the run as a whole */
	struct run_meters attempt_used;
	int64_t offset;
	const char *checkpoint, *completed_steps, *decisions;
};
bool runs_progress(struct store *store, int64_t seq, int attempt,
		   const struct run_progress *progress, struct err *err);
bool runs_drop(struct store *store, int64_t seq,
	       struct err *err); /* a dead letter that nobody wants */

bool attempts_end(struct store *store, int64_t run, int n, const char *status, const char *reason,
		  const char *error, int exit_code, int signal, struct wall ended, struct err *err);
bool attempts_set_executor(struct store *store, int64_t run, int n, const char *executor,
			   struct err *err);
bool attempts_renew(struct store *store, int64_t run, int n, struct wall lease,
		    const struct run_worked *worked, struct err *err);
bool attempts_count(struct store *store, int64_t run, int n, const struct run_worked *worked,
		    struct err *err);
bool attempts_get(struct store *store, int64_t run, int n, struct attempt_row *ret,
		  struct err *err);
bool attempts_list(struct store *store, int64_t run,
		   bool (*fn)(void *arg, const struct attempt_row *row), void *arg,
		   struct err *err);
/* Every run with status running or waiting and its last attempt: for the start of the daemon. */
bool runs_live(struct store *store,
	       bool (*fn)(void *arg, const struct run_row *run, const struct attempt_row *attempt),
	       void *arg, struct err *err);

/* Numbers for the queue and the metrics, fast also with a million queued runs. */
struct runs_count {
	char *agent;
	int64_t queued; /* ready or not */
};
/* Queued runs by agent, for the agents that have any. */
bool runs_count_queued(struct store *store,
		       bool (*fn)(void *arg, const char *agent, int64_t queued), void *arg,
		       struct err *err);
bool runs_oldest_queued(struct store *store, struct wall *ret_created,
			struct err *err); /* WALL_NONE */
/* The queued run that can be missed best: of lowest priority, the oldest. By the oldest of each
 * trigger, whose runs are of one priority unless its configuration changed. *ret_seq 0: none. */
bool runs_least(struct store *store, int64_t *ret_seq, int *ret_priority, struct err *err);
bool runs_count_dead(struct store *store, int64_t *ret, struct err *err);
/* Of the run of a trigger that waits longest; WALL_NONE. */
bool runs_oldest_of(struct store *store, const char *trigger, struct wall *ret_created,
		    struct err *err);
/* Names of triggers with runs that are queued, running or waiting, at most max; fn must not write.
 */
bool runs_waiting_triggers(struct store *store, unsigned max,
			   bool (*fn)(void *arg, const char *trigger), void *arg, struct err *err);
bool runs_count_trigger(struct store *store, const char *trigger, int64_t *ret_queued,
			struct err *err);
/* Those of a trigger and entity (NULL: any) that are queued, running or waiting, for overlap
 * policies; seqs, live ones first, then by age, at most max. */
bool runs_unfinished(struct store *store, const char *trigger, const char *entity,
		     int64_t *ret_seqs, size_t max, size_t *ret_count, struct err *err);

/* The run log: protocol lines kept. */
bool runlog_add(struct store *store, int64_t run, int attempt, struct wall at, const char *type,
		struct str data, int64_t *ret_seq, struct err *err);
/* In order, after seq `after`, at most limit. */
bool runlog_list(struct store *store, int64_t run, int64_t after, unsigned limit,
		 bool (*fn)(void *arg, const struct log_row *row), void *arg, struct err *err);

#endif
