/* Runs on the move: claimed, ended, put back, made ready; and what a live one has used. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "store/internal.h"
#include "store/runs.h"

/* First of its session among those that are not done. */
#define FIRST_TURN                                                                                 \
	"(session IS NULL OR NOT EXISTS (SELECT 1 FROM runs t WHERE t.session = runs.session AND " \
	"t.session IS NOT NULL AND t." RUN_IS_OPEN " AND t.seq < runs.seq))"
/* First of its entity, and of its session. */
#define FIRST                                                                                      \
	"(entity IS NULL OR NOT EXISTS (SELECT 1 FROM runs f WHERE f.entity = runs.entity AND "    \
	"f." RUN_IS_OPEN " AND f.seq < runs.seq)) AND " FIRST_TURN

enum {
	CLAIM,
	CLAIM_ATTEMPT,
	MOVE,
	STATUS,
	RESULT,
	FREE_ENTITY,
	FREE_SESSION,
	DUE,
	NEXT_DUE,
	WAKE,
	PROGRESS,
	PROGRESS_ATTEMPT,
	OUTPUTS,
	DROP,
	LIVE_SEQS,
	LAST_ATTEMPT,
	DUE_SLICE,
	DUE_AGAIN,
	STATEMENTS
};

static const struct statement list[] = {
	[CLAIM] = {"UPDATE runs SET status = 'running', ready = 0, due = NULL, attempts = attempts "
		   "+ 1, "
		   "started = COALESCE(started, :now) WHERE seq = :seq AND status = 'queued' "
		   "RETURNING attempts",
		   NULL},
	[CLAIM_ATTEMPT] =
		{"INSERT INTO attempts (run, n, started, lease, agent, worked, counted, boot) "
		 "VALUES (:run, :n, :now, :lease, :agent, :worked, :counted, :boot)",
		 NULL},
	[MOVE] = {"UPDATE runs SET status = :to, reason = :reason, error = :error, ended = :ended, "
		  "due = :due, held = NULL, "
		  "ready = (:to = 'queued' AND :due IS NULL AND " FIRST
		  ") WHERE seq = :seq AND status = :from",
		  NULL},
	[STATUS] = {"SELECT status FROM runs WHERE seq = :seq", NULL},
	[RESULT] = {"INSERT INTO run_outputs (run, result, expect) VALUES (:run, :result, "
		    ":expect) ON CONFLICT (run) DO UPDATE SET "
		    "result = COALESCE(excluded.result, result), "
		    "expect = COALESCE(excluded.expect, expect)",
		    NULL},
	/* Only if the first that is not done is queued, and not for later. */
	[FREE_ENTITY] = {"UPDATE runs SET ready = 1 WHERE seq = (SELECT MIN(f.seq) FROM runs f "
			 "WHERE f.entity = :entity AND "
			 "f." RUN_IS_OPEN
			 ") AND status = 'queued' AND ready = 0 AND due IS NULL AND " FIRST_TURN
			 " RETURNING agent, tenant",
			 NULL},
	[FREE_SESSION] = {"UPDATE runs SET ready = 1 WHERE seq = (SELECT MIN(f.seq) FROM runs f "
			  "WHERE f.session = :session AND f.session IS NOT NULL AND "
			  "f." RUN_IS_OPEN
			  ") AND status = 'queued' AND ready = 0 AND due IS NULL AND " FIRST
			  " RETURNING agent, tenant",
			  NULL},
	[DUE] = {"SELECT seq FROM runs WHERE due <= :now AND due IS NOT NULL AND status = 'queued' "
		 "AND ready = 0 "
		 "ORDER BY due LIMIT :most",
		 NULL},
	[NEXT_DUE] = {"SELECT MIN(due) FROM runs WHERE due IS NOT NULL AND status = 'queued' AND "
		      "ready = 0",
		      NULL},
	/* One that is due but not the first of its entity waits for FREE_ENTITY from now on. */
	[WAKE] = {"UPDATE runs SET due = NULL, held = NULL, ready = " FIRST " WHERE seq = :seq "
		  "RETURNING agent, tenant, ready",
		  NULL},
	[PROGRESS] = {"UPDATE runs SET active_ms = :active_ms, steps = :steps, tools = :tools, "
		      "input_tokens = :input_tokens, "
		      "output_tokens = :output_tokens, cache_tokens = :cache_tokens, context = "
		      ":context, cost_uusd = :cost_uusd, "
		      "output_bytes = :output_bytes WHERE seq = :seq",
		      &run_shape},
	[PROGRESS_ATTEMPT] =
		{"UPDATE attempts SET active_ms = :active_ms, steps = :steps, tools = :tools, "
		 "input_tokens = :input_tokens, output_tokens = :output_tokens, cache_tokens = "
		 ":cache_tokens, "
		 "context = :context, cost_uusd = :cost_uusd, output_bytes = :output_bytes, "
		 "\"offset\" = :offset "
		 "WHERE run = :run AND n = :n",
		 &attempt_shape},
	[OUTPUTS] = {"INSERT INTO run_outputs (run, checkpoint, completed_steps, decisions) "
		     "VALUES (:run, :checkpoint, :completed_steps, :decisions) ON CONFLICT (run) "
		     "DO UPDATE SET "
		     "checkpoint = COALESCE(excluded.checkpoint, checkpoint), "
		     "completed_steps = COALESCE(excluded.completed_steps, completed_steps), "
		     "decisions = COALESCE(excluded.decisions, decisions)",
		     NULL},
	[DROP] = {"UPDATE runs SET dropped = 1 WHERE seq = :seq AND status = 'failed' AND dropped "
		  "= 0",
		  NULL},
	[LIVE_SEQS] = {"SELECT seq FROM runs WHERE status IN ('running', 'waiting') AND status NOT "
		       "IN ('queued', 'succeeded') "
		       "AND (status = 'running' OR EXISTS (SELECT 1 FROM attempts a WHERE a.run = "
		       "runs.seq AND a.status = 'running')) "
		       "AND seq > :after ORDER BY seq LIMIT 100",
		       NULL},
	[LAST_ATTEMPT] = {"SELECT * FROM attempts WHERE run = :run ORDER BY n DESC LIMIT 1",
			  &attempt_shape},
	[DUE_SLICE] = {"SELECT MAX(due) FROM (SELECT due FROM runs WHERE due > :after AND due IS "
		       "NOT NULL AND status = 'queued' AND ready = 0 ORDER BY due LIMIT :most)",
		       NULL},
	/* A wait began when the attempt before it ended. One that was begun anew ends before that:
	 * it is left alone. */
	[DUE_AGAIN] =
		{"UPDATE runs SET due = :now + due - (SELECT ended FROM attempts WHERE run = "
		 "runs.seq AND n = runs.attempts) WHERE seq IN (SELECT r.seq FROM runs r JOIN "
		 "attempts a ON a.run = r.seq AND a.n = r.attempts WHERE r.due > :after AND "
		 "r.due <= :upto AND r.due IS NOT NULL AND r.status = 'queued' AND r.ready = "
		 "0 AND r.held IS NULL AND a.ended > :now AND r.due > a.ended AND "
		 ":now + r.due - a.ended < a.ended)",
		 NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements moves_statements = {"moves", list, STATEMENTS};

/* What a compare-and-swap that changed nothing means. */
static bool
was_not(struct store *store, int64_t seq, const char *from, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_MOVES, STATUS, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	switch (query_step(q, err)) {
	case STEP_ROW:
		return err_set(err, E_STATE, "run number %lld is %.*s, not %s", (long long)seq,
			       STR_ARG(query_get_text(q, 0)), from);
	case STEP_DONE:
		return err_set(err, E_NOT_FOUND, "run number %lld is unknown", (long long)seq);
	default:
		return false;
	}
}

/* --- queued → running --- */

static bool
claim_run(struct store *store, int64_t seq, struct wall now, int *ret_attempt, struct err *err)
{
	int64_t n;
	AUTO(query_end) struct query *q = query_write(store, ROOM_MOVES, CLAIM, err);
	if (!q)
		return false;
	query_wall(q, "now", now);
	query_int(q, "seq", seq);
	if (!query_number(q, 0, &n, err))
		return false;
	*ret_attempt = (int)n;
	return n > 0 ? query_run(q, NULL, err) : was_not(store, seq, "queued", err);
}

bool
runs_claim(struct store *store, int64_t seq, struct wall now, struct wall lease,
	   const struct run_worked *worked, const char *carrier, int *ret_attempt, struct err *err)
{
	int n;
	if (!claim_run(store, seq, now, &n, err))
		return false;
	AUTO(query_end) struct query *q = query_write(store, ROOM_MOVES, CLAIM_ATTEMPT, err);
	if (!q)
		return false;
	query_int(q, "run", seq);
	query_int(q, "n", n);
	query_wall(q, "now", now);
	query_wall(q, "lease", lease);
	query_text(q, "agent", carrier);
	query_int(q, "worked", worked->ms);
	query_int(q, "counted", worked->at.ms);
	query_int(q, "boot", worked->boot);
	if (!query_run(q, NULL, err))
		return false;
	*ret_attempt = n;
	return true;
}

/* --- any → any --- */

static bool
result_write(struct store *store, int64_t seq, const struct run_move *move, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_MOVES, RESULT, err);
	if (!q)
		return false;
	query_int(q, "run", seq);
	query_text(q, "result", move->result);
	query_text(q, "expect", move->expect);
	return query_run(q, NULL, err);
}

bool
runs_move(struct store *store, int64_t seq, const struct run_move *move, struct err *err)
{
	int64_t changed;
	AUTO(query_end) struct query *q = query_write(store, ROOM_MOVES, MOVE, err);
	if (!q)
		return false;
	query_text(q, "to", move->to);
	query_text(q, "reason", move->reason);
	query_text(q, "error", move->error);
	query_wall(q, "ended", move->ended);
	query_wall(q, "due", move->due);
	query_int(q, "seq", seq);
	query_text(q, "from", move->from);
	if (!query_run(q, &changed, err))
		return false;
	if (!changed)
		return was_not(store, seq, move->from, err);
	return (!move->result && !move->expect) || result_write(store, seq, move, err);
}

/* --- becoming ready --- */

static bool
line_free(struct store *store, int statement, const char *column, const char *value,
	  runs_on_ready *fn, void *arg, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_MOVES, statement, err);
	if (!q)
		return false;
	query_text(q, column, value);
	enum driver_step step = query_step(q, err);
	if (step == STEP_ROW) {
		fn(arg, query_get_text(q, 0).p, query_get_text(q, 1).p);
		step = query_step(q, err);
	}
	return step == STEP_DONE;
}

bool
runs_free_entity(struct store *store, const char *entity, runs_on_ready *fn, void *arg,
		 struct err *err)
{
	return line_free(store, FREE_ENTITY, "entity", entity, fn, arg, err);
}

bool
runs_free_lines(struct store *store, const struct run_row *run, runs_on_ready *fn, void *arg,
		struct err *err)
{
	return (!run->entity || runs_free_entity(store, run->entity, fn, arg, err)) &&
	       (!run->session ||
		line_free(store, FREE_SESSION, "session", run->session, fn, arg, err));
}

static bool
wake_one(struct store *store, int64_t seq, runs_on_ready *fn, void *arg, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_MOVES, WAKE, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	enum driver_step step = query_step(q, err);
	if (step == STEP_ROW) {
		if (query_get_int(q, 2))
			fn(arg, query_get_text(q, 0).p, query_get_text(q, 1).p);
		step = query_step(q, err);
	}
	return step == STEP_DONE;
}

static bool
wake_due(struct store *store, struct wall now, unsigned most, runs_on_ready *fn, void *arg,
	 unsigned *ret_woken, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_MOVES, DUE, err);
	if (!q)
		return false;
	query_int(q, "now", now.ms);
	query_int(q, "most", most);
	/* ORDER BY the index that WAKE takes the row from: SQLite may then walk it while it
	 * changes, which only ever removes what was walked already. */
	while ((step = query_step(q, err)) == STEP_ROW) {
		if (!wake_one(store, query_get_int(q, 0), fn, arg, err))
			return false;
		++*ret_woken;
	}
	return step == STEP_DONE;
}

bool
runs_wake(struct store *store, struct wall now, unsigned most, runs_on_ready *fn, void *arg,
	  unsigned *ret_woken, struct wall *ret_next, struct err *err)
{
	*ret_woken = 0;
	if (!wake_due(store, now, most, fn, arg, ret_woken, err))
		return false;
	AUTO(query_end) struct query *q = query_read(store, ROOM_MOVES, NEXT_DUE, err);
	return q && query_number(q, WALL_NONE.ms, &ret_next->ms, err);
}

bool
runs_due_again(struct store *store, struct wall now, struct wall after, unsigned most,
	       struct wall *ret_last, struct err *err)
{
	AUTO(query_end) struct query *slice = query_read(store, ROOM_MOVES, DUE_SLICE, err);
	struct wall last;
	if (!slice)
		return false;
	query_int(slice, "after", after.ms);
	query_int(slice, "most", most);
	if (!query_number(slice, WALL_NONE.ms, &last.ms, err))
		return false;
	if (wall_is_set(last)) {
		AUTO(query_end) struct query *q = query_write(store, ROOM_MOVES, DUE_AGAIN, err);
		if (!q)
			return false;
		query_int(q, "now", now.ms);
		query_int(q, "after", after.ms);
		query_int(q, "upto", last.ms);
		if (!query_run(q, NULL, err))
			return false;
	}
	*ret_last = last;
	return true;
}

/* --- progress --- */

static bool
outputs_write(struct store *store, int64_t seq, const struct run_progress *progress,
	      struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_MOVES, OUTPUTS, err);
	if (!q)
		return false;
	query_int(q, "run", seq);
	query_text(q, "checkpoint", progress->checkpoint);
	query_text(q, "completed_steps", progress->completed_steps);
	query_text(q, "decisions", progress->decisions);
	return query_run(q, NULL, err);
}

static bool
attempt_progress(struct store *store, int64_t seq, int attempt, const struct run_progress *progress,
		 struct err *err)
{
	const struct attempt_row row = {.run = seq,
					.n = attempt,
					.used = progress->attempt_used,
					.offset = progress->offset};
	AUTO(query_end) struct query *q = query_write(store, ROOM_MOVES, PROGRESS_ATTEMPT, err);
	if (!q)
		return false;
	query_row(q, &row);
	return query_run(q, NULL, err);
}

bool
runs_progress(struct store *store, int64_t seq, int attempt, const struct run_progress *progress,
	      struct err *err)
{
	const struct run_row row = {.seq = seq, .used = progress->used};
	int64_t changed;
	AUTO(query_end) struct query *q = query_write(store, ROOM_MOVES, PROGRESS, err);
	if (!q)
		return false;
	query_row(q, &row);
	if (!query_run(q, &changed, err))
		return false;
	if (!changed)
		return err_set(err, E_NOT_FOUND, "run number %lld is unknown", (long long)seq);
	if ((progress->checkpoint || progress->completed_steps || progress->decisions) &&
	    !outputs_write(store, seq, progress, err))
		return false;
	return attempt_progress(store, seq, attempt, progress, err);
}

bool
runs_drop(struct store *store, int64_t seq, struct err *err)
{
	int64_t changed;
	AUTO(query_end) struct query *q = query_write(store, ROOM_MOVES, DROP, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	if (!query_run(q, &changed, err))
		return false;
	return changed || was_not(store, seq, "a dead letter that can be dropped", err);
}

/* --- at the start of the daemon --- */

static bool
live_one(struct store *store, int64_t seq, struct run_row *run, struct attempt_row *attempt,
	 struct err *err)
{
	if (!runs_get_seq(store, seq, run, err))
		return false;
	AUTO(query_end) struct query *q = query_read(store, ROOM_MOVES, LAST_ATTEMPT, err);
	if (!q)
		return false;
	query_int(q, "run", seq);
	return query_one(q, attempt, "the attempt of a live run", err);
}

static bool
live_seqs(struct store *store, int64_t after, int64_t *ret, size_t *ret_count, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_MOVES, LIVE_SEQS, err);
	*ret_count = 0;
	if (!q)
		return false;
	query_int(q, "after", after);
	while ((step = query_step(q, err)) == STEP_ROW)
		ret[(*ret_count)++] = query_get_int(q, 0);
	return step == STEP_DONE;
}

/* In slices: fn may write, and move the very run that it is given. */
bool
runs_live(struct store *store,
	  bool (*fn)(void *arg, const struct run_row *run, const struct attempt_row *attempt),
	  void *arg, struct err *err)
{
	int64_t seqs[100], after = 0;
	size_t count;
	for (;;) {
		if (!live_seqs(store, after, seqs, &count, err))
			return false;
		for (size_t i = 0; i < count; i++) {
			AUTO(run_row_fini) struct run_row run = {0};
			AUTO(attempt_row_fini) struct attempt_row attempt = {0};
			after = seqs[i];
			if (!live_one(store, after, &run, &attempt, err))
				return false;
			if (!fn(arg, &run, &attempt))
				return true;
		}
		if (!count)
			return true;
	}
}
