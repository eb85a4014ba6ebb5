/* Changes on the move: compare-and-swap, what a later proposal replaces. */
/* SPDX-License-Identifier: MIT */
#include "store/changes.h"
#include "store/internal.h"

enum { MOVE, WHERE, PARTIAL, OF_KEEP, OPEN, BESIDE, BESIDE_REPLAYED, SUPERSEDE, STATEMENTS };

static const struct statement list[] = {
	/* What is proposed again was decided by nobody. */
	[MOVE] = {"UPDATE changes SET status = :to, "
		  "decided_by = CASE :to WHEN 'proposed' THEN NULL ELSE COALESCE(:decided_by, "
		  "decided_by) END, "
		  "decision_reason = CASE :to WHEN 'proposed' THEN NULL ELSE "
		  "COALESCE(:decision_reason, decision_reason) END, "
		  "error = COALESCE(:error, error), "
		  "receipt = COALESCE(:receipt, receipt), current = COALESCE(:current, current), "
		  "before = COALESCE(:before, before), after = COALESCE(:after, after), digest = "
		  "COALESCE(:digest, digest), "
		  "decided_at = CASE :to WHEN 'proposed' THEN NULL ELSE COALESCE(:decided_at, "
		  "decided_at) END, applied_at = "
		  "COALESCE(:applied_at, applied_at), "
		  "reverted_at = COALESCE(:reverted_at, reverted_at), due = COALESCE(:due, due), "
		  "waits = COALESCE(:waits, waits), "
		  "held = CASE :hold WHEN 1 THEN 1 WHEN -1 THEN 0 ELSE held END, "
		  "way = CASE WHEN :to IN ('approved', 'applying', 'reverting') THEN CASE WHEN "
		  ":hold = 1 OR (held AND :hold <> -1) THEN 0 WHEN :to = 'reverting' THEN 2 ELSE 1 "
		  "END END, "
		  "attempts = CASE :add WHEN 1 THEN attempts + 1 WHEN -1 THEN 0 ELSE attempts END "
		  "WHERE seq = :seq AND status = :from RETURNING target, batch",
		  NULL},
	[WHERE] = {"SELECT status, id FROM changes WHERE seq = :seq", NULL},
	[PARTIAL] = {"UPDATE changes SET partial = 1 WHERE run = :run AND partial = 0", NULL},
	[OF_KEEP] = {"SELECT c.target, c.entity, c.run, r.trigger, r.agent FROM changes c JOIN "
		     "runs r ON r.seq = c.run "
		     "WHERE c.seq = :keep",
		     NULL},
	[OPEN] = {"SELECT c.seq, c.batch FROM changes c JOIN runs r ON r.seq = c.run WHERE "
		  "c.target = "
		  ":target AND "
		  "c.entity = :entity AND c.status = 'proposed' AND c.seq <> :keep AND "
		  "c.run < :run AND r.trigger = :trigger AND r.agent = :agent",
		  NULL},
	/* Not by the run's index: a run that proposes by the thousand would walk all of them. */
	[BESIDE] = {"SELECT c.*, r.id AS run_id FROM changes k JOIN changes c ON c.target = "
		    "k.target AND c.entity = k.entity AND c.status = 'proposed' LEFT JOIN runs r "
		    "ON r.seq = c.run WHERE k.seq = :keep AND +c.run = k.run AND c.seq < k.seq "
		    "ORDER BY c.seq",
		    &change_shape},
	[BESIDE_REPLAYED] = {"SELECT c.*, r.id AS run_id FROM changes k JOIN changes c ON c.target "
			     "= k.target AND c.entity = k.entity AND c.status = 'rejected' AND "
			     "c.batch >= 'replay:' AND c.batch < 'replay;' LEFT JOIN runs r ON "
			     "r.seq = c.run WHERE k.seq = :keep AND +c.run = k.run AND c.seq <> "
			     "k.seq ORDER BY c.seq",
			     &change_shape},
	[SUPERSEDE] = {"UPDATE changes SET status = 'superseded', way = NULL WHERE seq = :seq AND "
		       "status = "
		       "'proposed'",
		       NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements changes_move_statements = {"changes_move", list, STATEMENTS};

/* --- moving --- */

static bool
was_not(struct store *store, int64_t seq, const char *from, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_CHANGES_MOVE, WHERE, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	switch (query_step(q, err)) {
	case STEP_ROW:
		return err_set(err, E_STATE, "change %.*s is %.*s, not %s",
			       STR_ARG(query_get_text(q, 1)), STR_ARG(query_get_text(q, 0)), from);
	case STEP_DONE:
		return err_set(err, E_NOT_FOUND, "change number %lld is unknown", (long long)seq);
	default:
		return false;
	}
}

static void
move_bind(struct query *q, int64_t seq, const struct change_move *move)
{
	query_text(q, "to", move->to);
	query_text(q, "decided_by", move->decided_by);
	query_text(q, "decision_reason", move->decision_reason);
	query_text(q, "error", move->error);
	query_text(q, "receipt", move->receipt);
	query_text(q, "current", move->current);
	query_text(q, "before", move->before);
	query_text(q, "after", move->after);
	query_text(q, "digest", move->digest);
	query_wall(q, "decided_at", move->decided_at);
	query_wall(q, "applied_at", move->applied_at);
	query_wall(q, "reverted_at", move->reverted_at);
	query_wall(q, "due", move->due);
	query_wall(q, "waits", wall_is_set(move->due) ? move->since : WALL_NONE);
	query_int(q, "hold", move->hold);
	query_int(q, "add", move->add_attempt);
	query_int(q, "seq", seq);
	query_text(q, "from", move->from);
}

bool
changes_move(struct store *store, int64_t seq, const struct change_move *move, struct err *err)
{
	AUTO(auto_free) char *target = NULL;
	AUTO(auto_free) char *batch = NULL;
	AUTO(query_end) struct query *q = query_write(store, ROOM_CHANGES_MOVE, MOVE, err);
	if (!q)
		return false;
	move_bind(q, seq, move);
	switch (query_step(q, err)) {
	case STEP_ROW:
		target = mem_strdup(query_get_text(q, 0).p);
		batch = mem_strdup(query_get_text(q, 1).p);
		return query_run(q, NULL, err) &&
		       changes_note(store, target, batch, move->from, move->to, 1, err);
	case STEP_DONE:
		return was_not(store, seq, move->from, err);
	default:
		return false;
	}
}

/* --- proposals --- */

bool
changes_mark_partial(struct store *store, int64_t run, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_CHANGES_MOVE, PARTIAL, err);
	if (!q)
		return false;
	query_int(q, "run", run);
	return query_run(q, NULL, err);
}

static bool
supersede_one(struct store *store, int64_t seq, const char *target, const char *batch,
	      struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_CHANGES_MOVE, SUPERSEDE, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	return query_run(q, NULL, err) &&
	       changes_note(store, target, batch, "proposed", "superseded", 1, err);
}

/* keep: the statement at the row that is kept. */
static bool
supersede_all(struct store *store, struct query *keep, int64_t seq, unsigned *ret_count,
	      struct err *err)
{
	const char *target = query_get_text(keep, 0).p;
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_CHANGES_MOVE, OPEN, err);
	if (!q)
		return false;
	query_text(q, "target", target);
	query_str(q, "entity", query_get_text(keep, 1));
	query_int(q, "keep", seq);
	query_int(q, "run", query_get_int(keep, 2));
	query_str(q, "trigger", query_get_text(keep, 3));
	query_str(q, "agent", query_get_text(keep, 4));
	while ((step = query_step(q, err)) == STEP_ROW) {
		if (!supersede_one(store, query_get_int(q, 0), target, query_get_text(q, 1).p, err))
			return false;
		++*ret_count;
	}
	return step == STEP_DONE;
}

bool
changes_supersede(struct store *store, int64_t keep, unsigned *ret_count, struct err *err)
{
	*ret_count = 0;
	AUTO(query_end) struct query *q = query_read(store, ROOM_CHANGES_MOVE, OF_KEEP, err);
	if (!q)
		return false;
	query_int(q, "keep", keep);
	switch (query_step(q, err)) {
	case STEP_ROW:
		return supersede_all(store, q, keep, ret_count, err);
	case STEP_DONE:
		return err_set(err, E_NOT_FOUND, "change number %lld is unknown", (long long)keep);
	default:
		return false;
	}
}

bool
changes_beside(struct store *store, int64_t keep, bool replayed,
	       bool (*fn)(void *arg, const struct change_row *row), void *arg, struct err *err)
{
	AUTO(query_end)
	struct query *q =
		query_read(store, ROOM_CHANGES_MOVE, replayed ? BESIDE_REPLAYED : BESIDE, err);
	if (!q)
		return false;
	query_int(q, "keep", keep);
	return change_rows_each(q, fn, arg, err);
}
