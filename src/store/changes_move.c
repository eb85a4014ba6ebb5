/* Changes on the move: compare-and-swap, the outbox, what a later proposal replaces. */
/* SPDX-License-Identifier: MIT */
#include "store/changes.h"
#include "store/internal.h"

#define OUT "('approved', 'applying', 'reverting')"

#define RUN_ID "(SELECT id FROM runs WHERE runs.seq = changes.run) AS run_id"
/* Due of a revert that is on its way. */
#define TAKEN INT64_MAX

enum {
	MOVE,
	WHERE,
	WAITS,
	WAITS_BACK,
	TAKE,
	TAKE_BACK,
	LAND,
	LAND_SAY,
	NEXT_DUE,
	DOUBT,
	DOUBT_TAKEN,
	DOUBT_BACK,
	PARTIAL,
	OF_KEEP,
	OPEN,
	BESIDE,
	BESIDE_REPLAYED,
	SUPERSEDE,
	STATEMENTS
};

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
		  "attempts = CASE :add WHEN 1 THEN attempts + 1 WHEN -1 THEN 0 ELSE attempts END "
		  "WHERE seq = :seq AND status = :from RETURNING target",
		  NULL},
	[WHERE] = {"SELECT status, id FROM changes WHERE seq = :seq", NULL},
	[WAITS] = {"SELECT 1 FROM changes WHERE target = :target AND status IN " OUT
		   " AND held = 0 AND status = 'approved' LIMIT 1",
		   NULL},
	[WAITS_BACK] = {"SELECT 1 FROM changes WHERE target = :target AND status = 'reverting' AND "
			"status <> 'applied' AND held = 0 LIMIT 1",
			NULL},
	[TAKE] =
		{"UPDATE changes SET status = 'applying' WHERE seq IN (SELECT c.seq FROM changes c "
		 "WHERE c.target = :target AND c.status IN " OUT
		 " AND c.held = 0 AND c.status = 'approved' AND (c.due IS NULL OR c.due <= :now "
		 "OR c.waits > :now + 1000) "
		 "AND NOT EXISTS (SELECT 1 FROM changes f WHERE f.target = c.target AND f.entity = "
		 "c.entity AND f.entity IS NOT NULL AND f.status IN " OUT
		 " AND f.held = 0 AND (f.seq < c.seq OR f.status = 'reverting')) "
		 "ORDER BY c.seq LIMIT :most) RETURNING *, " RUN_ID,
		 &change_shape},
	[TAKE_BACK] =
		{"UPDATE changes SET due = :taken WHERE seq IN (SELECT c.seq FROM changes c "
		 "WHERE c.target = :target AND c.held = 0 AND c.status = 'reverting' AND (c.due IS "
		 "NULL OR c.due <= "
		 ":now) AND NOT EXISTS (SELECT 1 FROM changes f WHERE f.target = c.target AND "
		 "f.entity = c.entity AND f.entity IS NOT NULL AND f.status IN " OUT
		 " AND f.held = 0 AND (f.status = 'applying' OR (f.status = 'reverting' AND "
		 "f.seq > c.seq))) ORDER BY c.seq DESC LIMIT :most) RETURNING *, " RUN_ID,
		 &change_shape},
	/* rows: {"SEQ":"RECEIPT"}, of which null leaves what is there. */
	[LAND] = {"UPDATE changes SET status = :to, error = '', attempts = attempts + 1, "
		  "applied_at = COALESCE(:applied_at, applied_at), "
		  "reverted_at = COALESCE(:reverted_at, reverted_at), "
		  "receipt = COALESCE(j.value, receipt) FROM json_each(:rows) AS j "
		  "WHERE changes.seq = CAST(j.key AS INTEGER) AND changes.status = :from",
		  NULL},
	[LAND_SAY] = {"INSERT INTO decisions (object, object_id, decision, decided_by, at) "
		      "SELECT 'change', c.id, :to, 'rouse', :at FROM json_each(:rows) AS j "
		      "JOIN changes AS c ON c.seq = CAST(j.key AS INTEGER)",
		      NULL},
	[NEXT_DUE] = {"SELECT due FROM changes WHERE target = :target AND due > :now AND due < "
		      ":taken AND due IS NOT NULL AND status IN " OUT
		      " AND held = 0 AND status <> 'applying' ORDER BY due LIMIT 1",
		      NULL},
	[DOUBT] = {"SELECT c.*, r.id AS run_id FROM changes c LEFT JOIN runs r ON r.seq = c.run "
		   "WHERE c.status = 'applying' AND c.status <> 'applied' AND "
		   "c.seq > :after ORDER BY c.seq LIMIT 1",
		   &change_shape},
	[DOUBT_TAKEN] = {"SELECT 1 FROM changes WHERE status = 'reverting' AND status <> 'applied' "
			 "AND due = :taken LIMIT 1",
			 NULL},
	[DOUBT_BACK] = {"UPDATE changes SET attempts = attempts + 1, due = NULL WHERE status = "
			"'reverting' AND status <> 'applied' AND due = :taken",
			NULL},
	[PARTIAL] = {"UPDATE changes SET partial = 1 WHERE run = :run AND partial = 0", NULL},
	[OF_KEEP] = {"SELECT c.target, c.entity, c.run, r.trigger, r.agent FROM changes c JOIN "
		     "runs r ON r.seq = c.run "
		     "WHERE c.seq = :keep",
		     NULL},
	[OPEN] = {"SELECT c.seq FROM changes c JOIN runs r ON r.seq = c.run WHERE c.target = "
		  ":target AND "
		  "c.entity = :entity AND c.status = 'proposed' AND c.seq <> :keep AND "
		  "c.run < :run AND r.trigger = :trigger AND r.agent = :agent",
		  NULL},
	[BESIDE] = {"SELECT c.*, r.id AS run_id FROM changes k JOIN changes c ON c.target = "
		    "k.target AND c.entity = k.entity AND c.status = 'proposed' LEFT JOIN runs r "
		    "ON r.seq = c.run WHERE k.seq = :keep AND c.run = k.run AND c.seq <> k.seq "
		    "ORDER BY c.seq",
		    &change_shape},
	[BESIDE_REPLAYED] = {"SELECT c.*, r.id AS run_id FROM changes k JOIN changes c ON c.target "
			     "= k.target AND c.entity = k.entity AND c.status = 'rejected' AND "
			     "c.batch >= 'replay:' AND c.batch < 'replay;' LEFT JOIN runs r ON "
			     "r.seq = c.run WHERE k.seq = :keep AND c.run = k.run AND c.seq <> "
			     "k.seq ORDER BY c.seq",
			     &change_shape},
	[SUPERSEDE] = {"UPDATE changes SET status = 'superseded' WHERE seq = :seq AND status = "
		       "'proposed'",
		       NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements outbox_statements = {"outbox", list, STATEMENTS};

/* --- moving --- */

static bool
was_not(struct store *store, int64_t seq, const char *from, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_OUTBOX, WHERE, err);
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

static bool
move_row(struct store *store, int64_t seq, const struct change_move *move, struct buf *ret_target,
	 struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_OUTBOX, MOVE, err);
	if (!q)
		return false;
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
	switch (query_step(q, err)) {
	case STEP_ROW:
		buf_add_str(ret_target, query_get_text(q, 0));
		return query_run(q, NULL, err);
	case STEP_DONE:
		return was_not(store, seq, move->from, err);
	default:
		return false;
	}
}

bool
changes_move(struct store *store, int64_t seq, const struct change_move *move, struct err *err)
{
	AUTO(buf_fini) struct buf target = BUF_INIT;
	if (!move_row(store, seq, move, &target, err))
		return false;
	return !strcmp(move->from, move->to) ||
	       (changes_note(store, move->from, buf_cstr(&target), -1, err) &&
		changes_note(store, move->to, buf_cstr(&target), 1, err));
}

/* --- the outbox --- */

static bool
land_say(struct store *store, const char *rows, const char *to, struct wall at, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_OUTBOX, LAND_SAY, err);
	if (!q)
		return false;
	query_text(q, "rows", rows);
	query_text(q, "to", to);
	query_wall(q, "at", at);
	return query_run(q, NULL, err);
}

bool
changes_land(struct store *store, const char *target, const char *rows, size_t count, bool revert,
	     struct wall at, struct err *err)
{
	const char *from = revert ? "reverting" : "applying", *to = revert ? "reverted" : "applied";
	int64_t changed = 0;
	AUTO(query_end) struct query *q = query_write(store, ROOM_OUTBOX, LAND, err);
	if (!q)
		return false;
	query_text(q, "rows", rows);
	query_text(q, "from", from);
	query_text(q, "to", to);
	query_wall(q, "applied_at", revert ? WALL_NONE : at);
	query_wall(q, "reverted_at", revert ? at : WALL_NONE);
	if (!query_run(q, &changed, err))
		return false;
	if (changed != (int64_t)count)
		return err_set(err, E_STATE, "%lld of %zu changes are %s", (long long)changed,
			       count, from);
	return land_say(store, rows, to, at, err) &&
	       changes_note(store, from, target, -(int)count, err) &&
	       changes_note(store, to, target, (int)count, err);
}

static bool
next_due(struct store *store, const char *target, struct wall now, struct wall *ret,
	 struct err *err)
{
	AUTO(query_end) struct query *due = query_read(store, ROOM_OUTBOX, NEXT_DUE, err);
	if (!due)
		return false;
	query_text(due, "target", target);
	query_int(due, "now", now.ms);
	query_int(due, "taken", TAKEN);
	return query_number(due, WALL_NONE.ms, &ret->ms, err);
}

static int
by_age(const void *a, const void *b)
{
	const struct change_row *one = a, *two = b;
	return (one->seq > two->seq) - (one->seq < two->seq);
}

static int
by_youth(const void *a, const void *b)
{
	return by_age(b, a);
}

static bool
take_rows(struct query *q, struct change_row *ret, size_t *ret_count, struct err *err)
{
	enum driver_step step;
	while ((step = query_step(q, err)) == STEP_ROW)
		query_get_row(q, &ret[(*ret_count)++], false);
	return step == STEP_DONE;
}

/* Looking is no write: a turn that finds nothing commits nothing. */
static bool
has_waiting(struct store *store, const char *target, bool revert, bool *ret_has, struct err *err)
{
	AUTO(query_end)
	struct query *q = query_read(store, ROOM_OUTBOX, revert ? WAITS_BACK : WAITS, err);
	if (!q)
		return false;
	query_text(q, "target", target);
	enum driver_step step = query_step(q, err);
	*ret_has = step == STEP_ROW;
	return step != STEP_FAILED;
}

bool
changes_take(struct store *store, const char *target, bool revert, struct wall now, size_t most,
	     struct change_row *ret, size_t *ret_count, struct wall *ret_next_due, struct err *err)
{
	bool ok, has;
	*ret_count = 0;
	*ret_next_due = WALL_NONE;
	if (!has_waiting(store, target, revert, &has, err))
		return false;
	if (!has)
		return next_due(store, target, now, ret_next_due, err);
	AUTO(query_end)
	struct query *q = query_write(store, ROOM_OUTBOX, revert ? TAKE_BACK : TAKE, err);
	if (!q)
		return false;
	query_text(q, "target", target);
	query_int(q, "now", now.ms);
	query_int(q, "most", (int64_t)most);
	if (revert)
		query_int(q, "taken", TAKEN);
	ok = take_rows(q, ret, ret_count, err);
	if (ok && !*ret_count)
		return next_due(store, target, now, ret_next_due, err);
	if (ok && !revert)
		ok = changes_note(store, "approved", target, -(int)*ret_count, err) &&
		     changes_note(store, "applying", target, (int)*ret_count, err);
	if (!ok) {
		for (size_t i = 0; i < *ret_count; i++)
			change_row_fini(&ret[i]);
		*ret_count = 0;
		return false;
	}
	qsort(ret, *ret_count, sizeof(*ret), revert ? by_youth : by_age);
	return true;
}

static bool
doubt_next(struct store *store, int64_t after, struct change_row *ret, bool *ret_is,
	   struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_OUTBOX, DOUBT, err);
	if (!q)
		return false;
	query_int(q, "after", after);
	enum driver_step step = query_step(q, err);
	*ret_is = step == STEP_ROW;
	if (*ret_is)
		query_get_row(q, ret, false);
	return step != STEP_FAILED;
}

static bool
doubt_is(struct store *store, bool *ret_is, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_OUTBOX, DOUBT_TAKEN, err);
	if (!q)
		return false;
	query_int(q, "taken", TAKEN);
	enum driver_step step = query_step(q, err);
	*ret_is = step == STEP_ROW;
	return step != STEP_FAILED;
}

/* A start that finds nothing to mend writes nothing. */
static bool
doubt_back(struct store *store, struct err *err)
{
	bool is;
	if (!doubt_is(store, &is, err))
		return false;
	if (!is)
		return true;
	AUTO(query_end) struct query *q = query_write(store, ROOM_OUTBOX, DOUBT_BACK, err);
	if (!q)
		return false;
	query_int(q, "taken", TAKEN);
	return query_run(q, NULL, err);
}

/* One at a time: fn may move what it is given. */
bool
changes_in_doubt(struct store *store, bool (*fn)(void *arg, const struct change_row *row),
		 void *arg, struct err *err)
{
	int64_t after = 0;
	if (!doubt_back(store, err))
		return false;
	for (;;) {
		AUTO(change_row_fini) struct change_row row = {0};
		bool is;
		if (!doubt_next(store, after, &row, &is, err))
			return false;
		if (!is || !fn(arg, &row))
			return true;
		after = row.seq;
	}
}

/* --- proposals --- */

bool
changes_mark_partial(struct store *store, int64_t run, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_OUTBOX, PARTIAL, err);
	if (!q)
		return false;
	query_int(q, "run", run);
	return query_run(q, NULL, err);
}

static bool
supersede_one(struct store *store, int64_t seq, const char *target, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_OUTBOX, SUPERSEDE, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	return query_run(q, NULL, err) && changes_note(store, "proposed", target, -1, err) &&
	       changes_note(store, "superseded", target, 1, err);
}

/* keep: the statement at the row that is kept. */
static bool
supersede_all(struct store *store, struct query *keep, int64_t seq, unsigned *ret_count,
	      struct err *err)
{
	const char *target = query_get_text(keep, 0).p;
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_OUTBOX, OPEN, err);
	if (!q)
		return false;
	query_text(q, "target", target);
	query_str(q, "entity", query_get_text(keep, 1));
	query_int(q, "keep", seq);
	query_int(q, "run", query_get_int(keep, 2));
	query_str(q, "trigger", query_get_text(keep, 3));
	query_str(q, "agent", query_get_text(keep, 4));
	while ((step = query_step(q, err)) == STEP_ROW) {
		if (!supersede_one(store, query_get_int(q, 0), target, err))
			return false;
		++*ret_count;
	}
	return step == STEP_DONE;
}

bool
changes_supersede(struct store *store, int64_t keep, unsigned *ret_count, struct err *err)
{
	*ret_count = 0;
	AUTO(query_end) struct query *q = query_read(store, ROOM_OUTBOX, OF_KEEP, err);
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

struct beside {
	bool (*fn)(void *arg, const struct change_row *row);
	void *arg;
};

static bool
beside_give(void *arg, const void *row)
{
	struct beside *beside = arg;
	return beside->fn(beside->arg, row);
}

bool
changes_beside(struct store *store, int64_t keep, bool replayed,
	       bool (*fn)(void *arg, const struct change_row *row), void *arg, struct err *err)
{
	struct beside beside = {fn, arg};
	AUTO(query_end)
	struct query *q = query_read(store, ROOM_OUTBOX, replayed ? BESIDE_REPLAYED : BESIDE, err);
	if (!q)
		return false;
	query_int(q, "keep", keep);
	return query_each(q, beside_give, &beside, err);
}
