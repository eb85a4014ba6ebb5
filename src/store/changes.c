/* Changes: proposed, found, listed, counted; and who decided what. Rows only. */
/* SPDX-License-Identifier: MIT */
#include "store/changes.h"

#include "store/internal.h"

#define FILTERED                                                                                   \
	"(:run IS NULL OR r.id = :run) AND (:batch IS NULL OR c.batch = :batch) AND "              \
	"(:target IS NULL OR c.target = :target) AND (:entity IS NULL OR c.entity = :entity) AND " \
	"(:status IS NULL OR c.status = :status) AND (:op IS NULL OR c.op = :op) AND "             \
	"c.seq < :before ORDER BY c.seq DESC"

enum {
	INSERT,
	BY_KEY,
	COUNT,
	COUNT_BATCH,
	BY_ID,
	BY_SEQ,
	LIST,
	LIST_RUN,
	LIST_BATCH,
	LIST_STATUS,
	OF_RUN,
	COUNTS,
	COUNTS_RUN,
	DECIDE,
	DECISIONS,
	STATEMENTS
};

static const struct statement list[] = {
	[INSERT] =
		{"INSERT INTO changes (id, run, target, entity, op, status, key, batch, "
		 "confidence, reason, partial, digest, "
		 "decided_by, decision_reason, error, attempts, created, decided_at, "
		 "applied_at, reverted_at, due, before, "
		 "after, patch, receipt, current, way) VALUES (:id, :run, :target, :entity, :op, "
		 ":status, :key, :batch, "
		 ":confidence, :reason, :partial, :digest, :decided_by, :decision_reason, "
		 ":error, :attempts, :created, "
		 ":decided_at, :applied_at, :reverted_at, :due, :before, :after, :patch, "
		 ":receipt, :current, CASE :status WHEN 'approved' THEN 1 WHEN 'applying' THEN 1 "
		 "WHEN 'reverting' THEN 2 END) "
		 "ON CONFLICT (run, key) DO NOTHING RETURNING seq",
		 &change_shape},
	[BY_KEY] = {"SELECT seq FROM changes WHERE run = :run AND key = :key", NULL},
	[COUNT] = {"INSERT INTO change_counts (status, target, n) VALUES (:status, :target, :by) "
		   "ON CONFLICT (status, target) DO UPDATE SET n = n + excluded.n",
		   NULL},
	[COUNT_BATCH] = {"INSERT INTO batch_changes (status, batch, n) VALUES (:status, :batch, "
			 ":by) ON CONFLICT (batch, status) DO UPDATE SET n = n + excluded.n",
			 NULL},
	[BY_ID] = {CHANGE_WHOLE "WHERE c.id >= :lo AND c.id < :hi ORDER BY c.id LIMIT 2",
		   &change_shape},
	[BY_SEQ] = {CHANGE_WHOLE "WHERE c.seq = :seq", &change_shape},
	[LIST] = {CHANGE_WHOLE "WHERE " FILTERED, &change_shape},
	[LIST_RUN] = {CHANGE_WHOLE
		      "WHERE c.run = (SELECT seq FROM runs WHERE id = :run) AND " FILTERED,
		      &change_shape},
	[LIST_BATCH] = {CHANGE_WHOLE "WHERE c.batch = :batch AND " FILTERED, &change_shape},
	[LIST_STATUS] = {CHANGE_WHOLE
			 "WHERE c.status = :status AND c.status <> 'applied' AND " FILTERED,
			 &change_shape},
	[OF_RUN] = {CHANGE_WHOLE "WHERE c.run = :run ORDER BY c.seq", &change_shape},
	[COUNTS] =
		{"SELECT status, target, n FROM change_counts WHERE n > 0 ORDER BY status, target",
		 NULL},
	[COUNTS_RUN] = {"SELECT status, target, COUNT(*) FROM changes WHERE run = :run GROUP BY "
			"status, target",
			NULL},
	[DECIDE] = {"INSERT INTO decisions (object, object_id, decision, decided_by, reason, "
		    "digest, at) "
		    "VALUES (:object, :object_id, :decision, :decided_by, :reason, :digest, :at)",
		    NULL},
	[DECISIONS] =
		{"SELECT decision, decided_by, reason, at, digest FROM decisions WHERE object = "
		 ":object AND object_id = :object_id "
		 "ORDER BY seq",
		 NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements changes_statements = {"changes", list, STATEMENTS};

/* --- insert --- */

/* of: what is counted by, a parameter of the statement. */
static bool
count_move(struct store *store, int statement, const char *of, const char *name, const char *status,
	   int64_t by, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_CHANGES, statement, err);
	if (!q)
		return false;
	query_text(q, "status", status);
	query_text(q, of, name);
	query_int(q, "by", by);
	return query_run(q, NULL, err);
}

bool
changes_note(struct store *store, const char *target, const char *batch, const char *from,
	     const char *to, int64_t n, struct err *err)
{
	if (from && to && !strcmp(from, to))
		return true;
	return (!from || count_move(store, COUNT, "target", target, from, -n, err)) &&
	       (!to || count_move(store, COUNT, "target", target, to, n, err)) &&
	       (!from || !batch || count_move(store, COUNT_BATCH, "batch", batch, from, -n, err)) &&
	       (!to || !batch || count_move(store, COUNT_BATCH, "batch", batch, to, n, err));
}

static bool
known(struct store *store, const struct change_row *row, int64_t *ret_seq, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_CHANGES, BY_KEY, err);
	if (!q)
		return false;
	query_int(q, "run", row->run);
	query_text(q, "key", row->key);
	return query_number(q, 0, ret_seq, err) &&
	       err_set(err, E_EXISTS, "the run proposed a change under key %s before", row->key);
}

bool
changes_insert(struct store *store, const struct change_row *row, int64_t *ret_seq, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_CHANGES, INSERT, err);
	if (!q)
		return false;
	query_row(q, row);
	if (!query_number(q, 0, ret_seq, err) || !query_run(q, NULL, err))
		return false;
	if (!*ret_seq)
		return known(store, row, ret_seq, err);
	return changes_note(store, row->target, row->batch, NULL, row->status, 1, err);
}

/* --- find --- */

bool
changes_get(struct store *store, const char *id, struct change_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_CHANGES, BY_ID, err);
	return q && query_by_id(q, "change", id, ret, err);
}

bool
changes_get_seq(struct store *store, int64_t seq, struct change_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_CHANGES, BY_SEQ, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	return query_one(q, ret, "this change", err);
}

struct change_listing {
	bool (*fn)(void *arg, const struct change_row *row);
	void *arg;
};

static bool
change_give(void *arg, const void *row)
{
	struct change_listing *l = arg;
	return l->fn(l->arg, row);
}

bool
change_rows_each(struct query *q, bool (*fn)(void *arg, const struct change_row *row), void *arg,
		 struct err *err)
{
	struct change_listing l = {fn, arg};
	return query_each(q, change_give, &l, err);
}

static const char *const columns[] = {"run", "batch", "target", "entity", "status", "op", NULL};
static const struct list_variant variants[] = {
	{"run", NULL, LIST_RUN},       {"batch", NULL, LIST_BATCH}, {"status", "applied", LIST},
	{"status", NULL, LIST_STATUS}, {NULL, NULL, LIST},
};
static const struct list_def changes_def = {
	.room = ROOM_CHANGES,
	.noun = "change",
	.columns = columns,
	.variants = variants,
	.time_offset = offsetof(struct change_row, created),
};

bool
changes_list(struct store *store, const struct list_query *query,
	     bool (*fn)(void *arg, const struct change_row *row), void *arg, struct err *err)
{
	struct change_listing l = {fn, arg};
	return list_run(store, &changes_def, query, change_give, &l, err);
}

bool
changes_of_run(struct store *store, int64_t run,
	       bool (*fn)(void *arg, const struct change_row *row), void *arg, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_CHANGES, OF_RUN, err);
	if (!q)
		return false;
	query_int(q, "run", run);
	return change_rows_each(q, fn, arg, err);
}

bool
changes_count(struct store *store, int64_t run,
	      bool (*fn)(void *arg, const char *status, const char *target, int64_t n), void *arg,
	      struct err *err)
{
	enum driver_step step;
	AUTO(query_end)
	struct query *q = query_read(store, ROOM_CHANGES, run ? COUNTS_RUN : COUNTS, err);
	if (!q)
		return false;
	if (run)
		query_int(q, "run", run);
	while ((step = query_step(q, err)) == STEP_ROW) {
		if (!fn(arg, query_get_text(q, 0).p, query_get_text(q, 1).p, query_get_int(q, 2)))
			return true;
	}
	return step == STEP_DONE;
}

/* --- decisions --- */

bool
decisions_add(struct store *store, const char *object, const char *object_id, const char *decision,
	      const char *by, const char *reason, const char *digest, struct wall at,
	      struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_CHANGES, DECIDE, err);
	if (!q)
		return false;
	query_text(q, "object", object);
	query_text(q, "object_id", object_id);
	query_text(q, "decision", decision);
	query_text(q, "decided_by", by ? by : "");
	query_text(q, "reason", reason);
	query_text(q, "digest", digest);
	query_wall(q, "at", at);
	return query_run(q, NULL, err);
}

bool
decisions_each(struct store *store, const char *object, const char *object_id,
	       bool (*fn)(void *arg, const struct decision_row *row), void *arg, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_CHANGES, DECISIONS, err);
	if (!q)
		return false;
	query_text(q, "object", object);
	query_text(q, "object_id", object_id);
	while ((step = query_step(q, err)) == STEP_ROW) {
		const struct decision_row row = {query_get_text(q, 0).p, query_get_text(q, 1).p,
						 query_get_text(q, 2).p, query_get_text(q, 4).p,
						 query_get_wall(q, 3)};
		if (!fn(arg, &row))
			return true;
	}
	return step == STEP_DONE;
}
