/* Batches: rows, found, listed, moved, counted. The grid is core/batch.h's. */
/* SPDX-License-Identifier: MIT */
#include "store/batches.h"

#include "store/internal.h"

#define BATCH                                                                                      \
	"SELECT b.seq, b.id, b.name, b.agent, b.mode, b.state, b.reason, b.error, b.options, "     \
	"b.started_by, b.event, e.id AS event_id, b.started, b.ended, b.resumed, b.worked_ms, "    \
	"b.source_state, b.source_cursor, b.source_again, b.repeated, b.items, b.running, "        \
	"b.done, b.skipped, b.failed, b.excused, b.cost_uusd FROM batches b LEFT JOIN events e "   \
	"ON e.seq = b.event "
#define FILTERED                                                                                   \
	"(:name IS NULL OR b.name = :name) AND (:state IS NULL OR b.state = :state) AND b.seq < "  \
	":before ORDER BY b.seq DESC"

enum {
	INSERT,
	BY_ID,
	BY_SEQ,
	LIST,
	LIST_NAME,
	LIST_STATE,
	NAMED,
	IN_STATE,
	MOVE,
	WHERE,
	SOURCE,
	SET_ERROR,
	SET_OPTIONS,
	COUNT,
	EXCUSE,
	ADD_NOTE,
	NOTES,
	CHANGES,
	STATEMENTS
};

static const struct field fields[] = {
	FIELD(batch_row, seq, "seq", FIELD_INT),
	FIELD(batch_row, id, "id", FIELD_TEXT),
	FIELD(batch_row, name, "name", FIELD_TEXT),
	FIELD(batch_row, agent, "agent", FIELD_TEXT),
	FIELD(batch_row, mode, "mode", FIELD_TEXT),
	FIELD(batch_row, state, "state", FIELD_TEXT),
	FIELD(batch_row, reason, "reason", FIELD_TEXT),
	FIELD(batch_row, error, "error", FIELD_TEXT),
	FIELD(batch_row, options, "options", FIELD_TEXT),
	FIELD(batch_row, started_by, "started_by", FIELD_TEXT),
	FIELD(batch_row, event, "event", FIELD_REF),
	FIELD(batch_row, event_id, "event_id", FIELD_TEXT),
	FIELD(batch_row, started, "started", FIELD_WALL),
	FIELD(batch_row, ended, "ended", FIELD_WALL),
	FIELD(batch_row, resumed, "resumed", FIELD_WALL),
	FIELD(batch_row, worked_ms, "worked_ms", FIELD_INT),
	FIELD(batch_row, source_state, "source_state", FIELD_TEXT),
	FIELD(batch_row, source_cursor, "source_cursor", FIELD_TEXT),
	FIELD(batch_row, source_again, "source_again", FIELD_BOOL),
	FIELD(batch_row, repeated, "repeated", FIELD_INT),
	FIELD(batch_row, items, "items", FIELD_INT),
	FIELD(batch_row, running, "running", FIELD_INT),
	FIELD(batch_row, done, "done", FIELD_INT),
	FIELD(batch_row, skipped, "skipped", FIELD_INT),
	FIELD(batch_row, failed, "failed", FIELD_INT),
	FIELD(batch_row, excused, "excused", FIELD_INT),
	FIELD(batch_row, cost_uusd, "cost_uusd", FIELD_INT),
};
static const struct shape batch_shape = {fields, ARRAY_LEN(fields), sizeof(struct batch_row)};

static const struct statement list[] = {
	[INSERT] = {"INSERT INTO batches (id, name, agent, mode, state, options, started_by, "
		    "event, started, resumed) VALUES (:id, :name, :agent, :mode, 'running', "
		    ":options, :started_by, :event, :started, :resumed) ON CONFLICT (id) DO "
		    "NOTHING RETURNING seq",
		    &batch_shape},
	[BY_ID] = {BATCH "WHERE b.id = :id", &batch_shape},
	[BY_SEQ] = {BATCH "WHERE b.seq = :seq", &batch_shape},
	[LIST] = {BATCH "WHERE " FILTERED, &batch_shape},
	[LIST_NAME] = {BATCH "WHERE b.name = :name AND " FILTERED, &batch_shape},
	[LIST_STATE] = {BATCH "WHERE b.state = :state AND " FILTERED, &batch_shape},
	[NAMED] = {BATCH "WHERE b.name = :name ORDER BY b.seq DESC", &batch_shape},
	[IN_STATE] = {"SELECT seq FROM batches WHERE state = :state AND seq > :after ORDER BY seq "
		      "LIMIT :most",
		      NULL},
	[MOVE] = {"UPDATE batches SET state = :to, reason = :reason, error = :error, ended = CASE "
		  "WHEN :ends THEN :at END, worked_ms = worked_ms + COALESCE(MAX(:at - resumed, "
		  "0), 0), resumed = CASE WHEN :goes THEN :at END WHERE seq = :seq AND state = "
		  ":from",
		  NULL},
	[WHERE] = {"SELECT id, state FROM batches WHERE seq = :seq", NULL},
	[SOURCE] = {"UPDATE batches SET source_state = :state, source_cursor = "
		    "COALESCE(:cursor, source_cursor), source_again = :again, total = CASE :state "
		    "WHEN 'ended' THEN items END WHERE seq = :seq",
		    NULL},
	[SET_ERROR] = {"UPDATE batches SET error = :error WHERE seq = :seq", NULL},
	[SET_OPTIONS] = {"UPDATE batches SET options = :options WHERE seq = :seq", NULL},
	[COUNT] = {"UPDATE batches SET items = items + :items, running = running + :running, done "
		   "= done + :done, skipped = skipped + :skipped, failed = failed + :failed, "
		   "repeated = repeated + :repeated, cost_uusd = cost_uusd + COALESCE((SELECT "
		   "cost_uusd FROM runs WHERE seq = :run), 0) WHERE seq = :seq",
		   NULL},
	[EXCUSE] = {"UPDATE batches SET excused = skipped + failed WHERE seq = :seq", NULL},
	[ADD_NOTE] = {"INSERT INTO batch_notes (batch, n, at, text) SELECT :seq, k, :at, :text "
		      "FROM (SELECT COALESCE(MAX(n), 0) + 1 AS k FROM batch_notes WHERE batch = "
		      ":seq) WHERE k <= :most",
		      NULL},
	[NOTES] = {"SELECT at, text FROM batch_notes WHERE batch = :seq ORDER BY n", NULL},
	[CHANGES] = {"SELECT status, n FROM batch_changes WHERE batch = :id AND n > 0", NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements batches_statements = {"batches", list, STATEMENTS};

void
batch_row_fini(struct batch_row *row)
{
	row_fini(&batch_shape, row);
}

bool
batches_insert(struct store *store, const struct batch_row *row, int64_t *ret_seq, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_BATCHES, INSERT, err);
	if (!q)
		return false;
	query_row(q, row);
	return query_number(q, 0, ret_seq, err) && query_run(q, NULL, err) &&
	       (*ret_seq || err_set(err, E_EXISTS, "there is a batch %s already", row->id));
}

bool
batches_get(struct store *store, const char *id, struct batch_row *ret, struct err *err)
{
	AUTO(buf_fini) struct buf what = BUF_INIT;
	AUTO(query_end) struct query *q = query_read(store, ROOM_BATCHES, BY_ID, err);
	if (!q)
		return false;
	query_text(q, "id", id);
	buf_cat(&what, "batch ", id);
	return query_one(q, ret, buf_cstr(&what), err);
}

bool
batches_get_seq(struct store *store, int64_t seq, struct batch_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_BATCHES, BY_SEQ, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	return query_one(q, ret, "this batch", err);
}

/* --- lists --- */

static const char *const columns[] = {"name", "state", NULL};
static const struct list_variant variants[] = {
	{"name", NULL, LIST_NAME}, {"state", NULL, LIST_STATE}, {NULL, NULL, LIST}};
static const struct list_def batches_def = {
	.room = ROOM_BATCHES,
	.noun = "batch",
	.columns = columns,
	.variants = variants,
	.time_offset = offsetof(struct batch_row, started),
};

struct batch_listing {
	bool (*fn)(void *arg, const struct batch_row *row);
	void *arg;
};

static bool
batch_give(void *arg, const void *row)
{
	struct batch_listing *l = arg;
	return l->fn(l->arg, row);
}

bool
batches_list(struct store *store, const struct list_query *query,
	     bool (*fn)(void *arg, const struct batch_row *row), void *arg, struct err *err)
{
	struct batch_listing l = {fn, arg};
	return list_run(store, &batches_def, query, batch_give, &l, err);
}

bool
batches_named(struct store *store, const char *name,
	      bool (*fn)(void *arg, const struct batch_row *row), void *arg, struct err *err)
{
	struct batch_listing l = {fn, arg};
	AUTO(query_end) struct query *q = query_read(store, ROOM_BATCHES, NAMED, err);
	if (!q)
		return false;
	query_text(q, "name", name);
	return query_each(q, batch_give, &l, err);
}

bool
batches_in_state(struct store *store, const char *state, int64_t after, int64_t *ret_seqs,
		 size_t max, size_t *ret_count, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_BATCHES, IN_STATE, err);
	*ret_count = 0;
	if (!q)
		return false;
	query_text(q, "state", state);
	query_int(q, "after", after);
	query_int(q, "most", (int64_t)max);
	while (*ret_count < max && (step = query_step(q, err)) == STEP_ROW)
		ret_seqs[(*ret_count)++] = query_get_int(q, 0);
	return *ret_count == max || step == STEP_DONE;
}

/* --- moving --- */

static bool
was_not(struct store *store, int64_t seq, const char *from, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_BATCHES, WHERE, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	switch (query_step(q, err)) {
	case STEP_ROW:
		return err_set(err, E_STATE, "batch %.*s is %.*s, not %s",
			       STR_ARG(query_get_text(q, 0)), STR_ARG(query_get_text(q, 1)), from);
	case STEP_DONE:
		return err_set(err, E_NOT_FOUND, "batch number %lld is unknown", (long long)seq);
	default:
		return false;
	}
}

bool
batches_move_row(struct store *store, int64_t seq, const struct batch_row_move *move,
		 struct err *err)
{
	int64_t changed;
	AUTO(query_end) struct query *q = query_write(store, ROOM_BATCHES, MOVE, err);
	if (!q)
		return false;
	query_text(q, "from", move->from);
	query_text(q, "to", move->to);
	query_text(q, "reason", move->reason);
	query_text(q, "error", move->error);
	query_wall(q, "at", move->at);
	query_int(q, "ends", move->ends);
	query_int(q, "goes", move->goes);
	query_int(q, "seq", seq);
	if (!query_run(q, &changed, err))
		return false;
	return changed || was_not(store, seq, move->from, err);
}

bool
batches_source(struct store *store, int64_t seq, const char *state, struct str cursor, bool again,
	       struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_BATCHES, SOURCE, err);
	if (!q)
		return false;
	query_text(q, "state", state);
	if (cursor.p)
		query_str(q, "cursor", cursor);
	else
		query_text(q, "cursor", NULL);
	query_int(q, "again", again);
	query_int(q, "seq", seq);
	return query_run(q, NULL, err);
}

bool
batches_set_error(struct store *store, int64_t seq, const char *error, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_BATCHES, SET_ERROR, err);
	if (!q)
		return false;
	query_text(q, "error", error);
	query_int(q, "seq", seq);
	return query_run(q, NULL, err);
}

bool
batches_set_options(struct store *store, int64_t seq, const char *options, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_BATCHES, SET_OPTIONS, err);
	if (!q)
		return false;
	query_text(q, "options", options);
	query_int(q, "seq", seq);
	return query_run(q, NULL, err);
}

bool
batches_count(struct store *store, int64_t seq, const struct batch_counts *by, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_BATCHES, COUNT, err);
	if (!q)
		return false;
	query_int(q, "items", by->items);
	query_int(q, "running", by->running);
	query_int(q, "done", by->done);
	query_int(q, "skipped", by->skipped);
	query_int(q, "failed", by->failed);
	query_int(q, "repeated", by->repeated);
	query_ref(q, "run", by->run);
	query_int(q, "seq", seq);
	return query_run(q, NULL, err);
}

bool
batches_excuse(struct store *store, int64_t seq, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_BATCHES, EXCUSE, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	return query_run(q, NULL, err);
}

/* --- beside it --- */

bool
batch_notes_add(struct store *store, int64_t seq, struct wall at, const char *text, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_BATCHES, ADD_NOTE, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	query_wall(q, "at", at);
	query_text(q, "text", text);
	query_int(q, "most", BATCH_NOTES_MAX);
	return query_run(q, NULL, err);
}

bool
batch_notes_list(struct store *store, int64_t seq,
		 bool (*fn)(void *arg, struct wall at, struct str text), void *arg, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_BATCHES, NOTES, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	while ((step = query_step(q, err)) == STEP_ROW)
		if (!fn(arg, query_get_wall(q, 0), query_get_text(q, 1)))
			return true;
	return step == STEP_DONE;
}

bool
batch_changes_count(struct store *store, const char *id,
		    bool (*fn)(void *arg, const char *status, int64_t n), void *arg,
		    struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_BATCHES, CHANGES, err);
	if (!q)
		return false;
	query_text(q, "id", id);
	while ((step = query_step(q, err)) == STEP_ROW)
		if (!fn(arg, query_get_text(q, 0).p, query_get_int(q, 1)))
			return true;
	return step == STEP_DONE;
}
