/* Retention: what is old enough goes, in slices that do not hold up the loop. */
/* SPDX-License-Identifier: MIT */
#include "store/retention.h"

#include "store/batches.h"
#include "store/internal.h"

#define ENDED "('succeeded', 'failed', 'cancelled', 'skipped')"
#define THROUGH "('applied', 'reverted', 'rejected', 'superseded', 'conflict', 'failed')"

/* An event whose run is still to be made is kept until then. */
#define UNGATHERED "NOT EXISTS (SELECT 1 FROM gathered g WHERE g.event = e.seq)"

enum {
	LOOK_RUNS,
	LOOK_EVENTS,
	LOOK_DOCUMENTS,
	LOOK_LOGS,
	LOOK_CHANGES,
	DROP_EVENT_OF,
	DROP_RUN,
	DROP_EVENT,
	DROP_DOCUMENT,
	DROP_LOG,
	DROP_CHANGE,
	OLD_REPLAY,
	REPLAY_CHANGES,
	REPLAY_RUNS,
	STATEMENTS
};

/* Looks give seq, when it was made, and whether it may go. */
static const struct statement list[] = {
	[LOOK_RUNS] = {"SELECT seq, created, seq < (SELECT MAX(seq) FROM runs) AND status IN " ENDED
		       " AND ended < :before AND "
		       "NOT EXISTS (SELECT 1 FROM changes c WHERE c.run = runs.seq) FROM runs "
		       "WHERE seq > :after ORDER BY seq LIMIT :most",
		       NULL},
	[LOOK_EVENTS] = {"SELECT e.seq, e.time, e.seq < (SELECT MAX(seq) FROM events) AND r.seq IS "
			 "NULL AND " UNGATHERED " FROM events e "
			 "LEFT JOIN runs r ON r.seq = e.run WHERE e.seq > :after AND :before IS "
			 "NOT NULL ORDER BY e.seq LIMIT :most",
			 NULL},
	[LOOK_DOCUMENTS] = {"SELECT e.seq, e.time, e.document IS NOT NULL AND " UNGATHERED
			    " AND (r.seq IS NULL OR "
			    "(r.status IN " ENDED " AND r.ended < :before)) "
			    "FROM events e LEFT JOIN runs r ON r.seq = e.run WHERE e.seq > :after "
			    "ORDER BY e.seq LIMIT :most",
			    NULL},
	[LOOK_LOGS] = {"SELECT seq, created, status IN " ENDED
		       " AND ended < :before AND EXISTS (SELECT 1 FROM runlog l WHERE "
		       "l.run = runs.seq) FROM runs WHERE seq > :after ORDER BY seq LIMIT :most",
		       NULL},
	[LOOK_CHANGES] =
		{"SELECT seq, created, seq < (SELECT MAX(seq) FROM changes) AND status IN " THROUGH
		 " FROM changes "
		 "WHERE seq > :after AND :before IS NOT NULL ORDER BY seq LIMIT :most",
		 NULL},
	[DROP_EVENT_OF] =
		{"DELETE FROM events WHERE seq = (SELECT event FROM runs WHERE seq = :seq) AND "
		 "seq < (SELECT MAX(seq) FROM events)",
		 NULL},
	[DROP_RUN] = {"DELETE FROM runs WHERE seq = :seq", NULL},
	[DROP_EVENT] = {"DELETE FROM events WHERE seq = :seq", NULL},
	[DROP_DOCUMENT] = {"UPDATE events SET document = NULL WHERE seq = :seq", NULL},
	[DROP_LOG] = {"DELETE FROM runlog WHERE run = :seq", NULL},
	[DROP_CHANGE] = {"DELETE FROM changes WHERE seq = :seq RETURNING status, target, batch",
			 NULL},
	[OLD_REPLAY] = {"SELECT seq, id FROM batches WHERE name >= 'replay:' AND name < 'replay;' "
			"AND state <> 'running' AND running = 0 AND (started < :before OR "
			"json_extract(options, '$.forgotten')) ORDER BY seq LIMIT 1",
			NULL},
	[REPLAY_CHANGES] = {"SELECT seq FROM changes WHERE batch = :id AND seq < (SELECT MAX(seq) "
			    "FROM changes) ORDER BY seq LIMIT :most",
			    NULL},
	[REPLAY_RUNS] = {"SELECT seq FROM runs WHERE batch = :id AND seq < (SELECT MAX(seq) FROM "
			 "runs) AND status IN " ENDED " AND NOT EXISTS (SELECT 1 FROM changes c "
			 "WHERE c.run = runs.seq) ORDER BY seq LIMIT :most",
			 NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements retention_statements = {"retention", list, STATEMENTS};

static bool
drop(struct store *store, int statement, int64_t seq, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_RETENTION, statement, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	return query_run(q, NULL, err);
}

static bool
run_drop(struct store *store, int64_t seq, struct err *err)
{
	return drop(store, DROP_EVENT_OF, seq, err) && drop(store, DROP_RUN, seq, err);
}

static bool
event_drop(struct store *store, int64_t seq, struct err *err)
{
	return drop(store, DROP_EVENT, seq, err);
}

static bool
document_drop(struct store *store, int64_t seq, struct err *err)
{
	return drop(store, DROP_DOCUMENT, seq, err);
}

static bool
log_drop(struct store *store, int64_t seq, struct err *err)
{
	return drop(store, DROP_LOG, seq, err);
}

static bool
change_drop(struct store *store, int64_t seq, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_RETENTION, DROP_CHANGE, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	if (query_step(q, err) != STEP_ROW)
		return false;
	AUTO(auto_free) char *status = str_dup(query_get_text(q, 0));
	AUTO(auto_free) char *target = str_dup(query_get_text(q, 1));
	AUTO(auto_free) char *batch = mem_strdup(query_get_text(q, 2).p);
	return query_run(q, NULL, err) && changes_note(store, target, batch, status, NULL, 1, err);
}

static const struct {
	int look;
	bool (*drop)(struct store *store, int64_t seq, struct err *err);
} kinds[] = {
	[RETAIN_RUNS] = {LOOK_RUNS, run_drop},
	[RETAIN_EVENTS] = {LOOK_EVENTS, event_drop},
	[RETAIN_DOCUMENTS] = {LOOK_DOCUMENTS, document_drop},
	[RETAIN_LOGS] = {LOOK_LOGS, log_drop},
	[RETAIN_CHANGES] = {LOOK_CHANGES, change_drop},
};
_Static_assert(ARRAY_LEN(kinds) == RETENTIONS, "every kind has its statements");

/* seq is the order of time: the first that is too young ends the look. A look that a failed turn
 * took back is made again with the next round. */
bool
retention_apply(struct store *store, enum retention what, struct wall before, unsigned most,
		unsigned *ret_gone, bool *ret_through, struct err *err)
{
	enum driver_step step;
	unsigned seen = 0;
	*ret_gone = 0;
	*ret_through = false;
	if (!turn_begin(store, err))
		return false;
	AUTO(query_end) struct query *q = query_read(store, ROOM_RETENTION, kinds[what].look, err);
	if (!q)
		return false;
	query_int(q, "before", before.ms);
	query_int(q, "after", store->retained[what]);
	query_int(q, "most", most);
	while ((step = query_step(q, err)) == STEP_ROW && query_get_int(q, 1) < before.ms) {
		int64_t seq = query_get_int(q, 0);
		if (query_get_int(q, 2)) {
			if (!kinds[what].drop(store, seq, err))
				return false;
			++*ret_gone;
		}
		store->retained[what] = seq;
		seen++;
	}
	if (step == STEP_FAILED)
		return false;
	*ret_through = seen < most;
	if (*ret_through)
		store->retained[what] = 0;
	return true;
}

/* --- replays --- */

#define SLICE 256

/* What a list of seqs names goes, by fn. */
static bool
listed_drop(struct store *store, int list_of, const char *id, unsigned most,
	    bool (*fn)(struct store *store, int64_t seq, struct err *err), unsigned *ret_gone,
	    struct err *err)
{
	enum driver_step step;
	int64_t seqs[SLICE];
	unsigned count = 0;
	AUTO(query_end) struct query *q = query_read(store, ROOM_RETENTION, list_of, err);
	if (!q)
		return false;
	query_text(q, "id", id);
	query_int(q, "most", most < SLICE ? most : SLICE);
	while (count < SLICE && (step = query_step(q, err)) == STEP_ROW)
		seqs[count++] = query_get_int(q, 0);
	if (count < SLICE && step == STEP_FAILED)
		return false;
	for (unsigned i = 0; i < count; i++)
		if (!fn(store, seqs[i], err))
			return false;
	*ret_gone = count;
	return true;
}

static bool
run_alone_drop(struct store *store, int64_t seq, struct err *err)
{
	return drop(store, DROP_RUN, seq, err);
}

static bool
old_replay(struct store *store, struct wall before, int64_t *ret_seq, struct buf *ret_id,
	   struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_RETENTION, OLD_REPLAY, err);
	*ret_seq = 0;
	if (!q)
		return false;
	query_int(q, "before", before.ms);
	step = query_step(q, err);
	if (step == STEP_ROW) {
		*ret_seq = query_get_int(q, 0);
		buf_add_str(ret_id, query_get_text(q, 1));
	}
	return step != STEP_FAILED;
}

bool
replays_expire(struct store *store, struct wall before, unsigned most, unsigned *ret_gone,
	       struct err *err)
{
	AUTO(buf_fini) struct buf id = BUF_INIT;
	int64_t seq;

	*ret_gone = 0;
	if (!turn_begin(store, err) || !old_replay(store, before, &seq, &id, err))
		return false;
	if (!seq)
		return true;
	if (!listed_drop(store, REPLAY_CHANGES, buf_cstr(&id), most, change_drop, ret_gone, err))
		return false;
	if (*ret_gone)
		return true;
	/* Its event is the replay's, or another run's too. */
	if (!listed_drop(store, REPLAY_RUNS, buf_cstr(&id), most, run_alone_drop, ret_gone, err))
		return false;
	return *ret_gone || batch_drop(store, seq, buf_cstr(&id), most, ret_gone, err);
}
