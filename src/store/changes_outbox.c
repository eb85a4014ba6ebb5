/* The outbox: changes taken for their targets, and what became of them, many in a turn. */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>

#include "store/changes.h"
#include "store/internal.h"

#define RUN_ID "(SELECT id FROM runs WHERE runs.seq = c.run) AS run_id"
/* Others of its entity that are on their way. Not IS NOT NULL: SQLite would take that for a bound,
 * and walk all of the outbox. */
#define BESIDE                                                                                     \
	"SELECT 1 FROM changes f WHERE f.target = c.target AND f.entity = c.entity AND f.entity "  \
	"IS NOT NULL AND f.way <> 0"
/* Due of a revert that is on its way. */
#define TAKEN INT64_MAX

enum {
	READY,
	READY_BACK,
	TAKE,
	TAKE_BACK,
	LAND,
	LAND_SAY,
	NEXT_DUE,
	DOUBT,
	DOUBT_BACK,
	STATEMENTS
};

static const struct statement list[] = {
	[READY] = {"SELECT c.*, " RUN_ID " FROM changes c WHERE c.target = :target AND c.way = 1 "
		   "AND c.status = 'approved' AND (c.due IS NULL OR c.due <= :now OR c.waits > "
		   ":now + 1000) AND NOT EXISTS (" BESIDE
		   " AND (f.seq < c.seq OR f.way = 2)) ORDER BY c.seq LIMIT :most",
		   &change_shape},
	[READY_BACK] = {"SELECT c.*, " RUN_ID " FROM changes c WHERE c.target = :target AND c.way "
			"= 2 AND (c.due IS NULL OR c.due <= :now) AND NOT EXISTS (" BESIDE
			" AND (f.status = 'applying' OR (f.way = 2 AND f.seq > c.seq))) ORDER BY "
			"c.seq DESC LIMIT :most",
			&change_shape},
	/* One statement for many: SQLite opens all indexes for each. seqs: [SEQ, ...]. */
	[TAKE] = {"UPDATE changes SET status = 'applying' WHERE seq IN (SELECT value FROM "
		  "json_each(:seqs))",
		  NULL},
	[TAKE_BACK] = {"UPDATE changes SET due = :taken WHERE seq IN (SELECT value FROM "
		       "json_each(:seqs))",
		       NULL},
	/* rows: {"SEQ": "RECEIPT", ...}, of which null leaves what is there. */
	[LAND] = {"UPDATE changes SET status = :to, way = NULL, error = '', attempts = attempts + "
		  "1, "
		  "applied_at = COALESCE(:applied_at, applied_at), "
		  "reverted_at = COALESCE(:reverted_at, reverted_at), "
		  "receipt = COALESCE(j.value, receipt) FROM json_each(:rows) AS j "
		  "WHERE changes.seq = CAST(j.key AS INTEGER) AND changes.status = :from",
		  NULL},
	[LAND_SAY] = {"INSERT INTO decisions (object, object_id, decision, decided_by, at) "
		      "SELECT 'change', value, :to, 'rouse', :at FROM json_each(:ids)",
		      NULL},
	[NEXT_DUE] = {"SELECT due FROM changes WHERE target = :target AND due > :now AND due < "
		      ":taken AND due IS NOT NULL AND way > 0 AND status <> 'applying' ORDER BY "
		      "due LIMIT 1",
		      NULL},
	[DOUBT] = {"SELECT c.*, " RUN_ID " FROM changes c WHERE c.status = 'applying' AND "
		   "c.status <> 'applied' AND c.seq > :after ORDER BY c.seq LIMIT 1",
		   &change_shape},
	[DOUBT_BACK] = {"UPDATE changes SET attempts = attempts + 1, due = NULL WHERE status = "
			"'reverting' AND status <> 'applied' AND due = :taken",
			NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements outbox_statements = {"outbox", list, STATEMENTS};

/* --- taking --- */

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

static void
rows_forget(struct change_row *rows, size_t *count)
{
	for (; *count; --*count)
		change_row_fini(&rows[*count - 1]);
}

/* Looking is no write: where nothing waits, no turn begins. */
static bool
ready_rows(struct store *store, const char *target, bool revert, struct wall now, size_t most,
	   struct change_row *ret, size_t *ret_count, struct err *err)
{
	enum driver_step step;
	AUTO(query_end)
	struct query *q = query_read(store, ROOM_OUTBOX, revert ? READY_BACK : READY, err);
	if (!q)
		return false;
	query_text(q, "target", target);
	query_int(q, "now", now.ms);
	query_int(q, "most", (int64_t)most);
	while ((step = query_step(q, err)) == STEP_ROW)
		query_get_row(q, &ret[(*ret_count)++], false);
	return step == STEP_DONE;
}

/* Rows of one batch (or of none) that follow each other are counted together. */
static bool
rows_note(struct store *store, const struct change_row *const *rows, size_t count, const char *from,
	  const char *to, struct err *err)
{
	size_t n;
	for (size_t i = 0; i < count; i += n) {
		const char *batch = rows[i]->batch;
		for (n = 1; i + n < count && str_eq(str_of(rows[i + n]->batch), str_of(batch)); n++)
			;
		if (!changes_note(store, rows[i]->target, batch, from, to, (int64_t)n, err))
			return false;
	}
	return true;
}

static bool
rows_take(struct store *store, struct change_row *rows, size_t count, bool revert, struct err *err)
{
	AUTO(auto_free)
	const struct change_row **pointers = mem_alloc_array(count, sizeof(struct change_row *));
	AUTO(buf_fini) struct buf seqs = BUF_INIT;
	AUTO(query_end)
	struct query *q = query_write(store, ROOM_OUTBOX, revert ? TAKE_BACK : TAKE, err);
	if (!q)
		return false;
	for (size_t i = 0; i < count; i++) {
		pointers[i] = &rows[i];
		buf_printf(&seqs, "%c%" PRId64, i ? ',' : '[', rows[i].seq);
		if (revert)
			continue;
		free(rows[i].status);
		rows[i].status = mem_strdup("applying");
	}
	buf_putc(&seqs, ']');
	if (revert)
		query_int(q, "taken", TAKEN);
	query_str(q, "seqs", buf_str(&seqs));
	return query_run(q, NULL, err) &&
	       (revert || rows_note(store, pointers, count, "approved", "applying", err));
}

bool
changes_take(struct store *store, const char *target, bool revert, struct wall now, size_t most,
	     struct change_row *ret, size_t *ret_count, struct wall *ret_next_due, struct err *err)
{
	*ret_count = 0;
	*ret_next_due = WALL_NONE;
	if (!ready_rows(store, target, revert, now, most, ret, ret_count, err)) {
		rows_forget(ret, ret_count);
		return false;
	}
	if (!*ret_count)
		return next_due(store, target, now, ret_next_due, err);
	if (turn_savepoint(store, err)) {
		if (rows_take(store, ret, *ret_count, revert, err)) {
			turn_release(store);
			return true;
		}
		turn_undo(store);
	}
	rows_forget(ret, ret_count);
	return false;
}

/* --- landing --- */

static bool
rows_say(struct store *store, const struct change_row *const *rows, size_t count, const char *to,
	 struct wall at, struct err *err)
{
	AUTO(buf_fini) struct buf ids = BUF_INIT;
	AUTO(query_end) struct query *q = query_write(store, ROOM_OUTBOX, LAND_SAY, err);
	if (!q)
		return false;
	for (size_t i = 0; i < count; i++) {
		buf_putc(&ids, i ? ',' : '[');
		buf_json_cstr(&ids, rows[i]->id);
	}
	buf_putc(&ids, ']');
	query_text(q, "to", to);
	query_wall(q, "at", at);
	query_str(q, "ids", buf_str(&ids));
	return query_run(q, NULL, err);
}

bool
changes_land(struct store *store, const struct change_row *const *rows, const char *const *receipts,
	     size_t count, bool revert, struct wall at, struct err *err)
{
	const char *from = revert ? "reverting" : "applying", *to = revert ? "reverted" : "applied";
	int64_t changed = 0;
	AUTO(buf_fini) struct buf said = BUF_INIT;
	AUTO(query_end) struct query *q = query_write(store, ROOM_OUTBOX, LAND, err);
	if (!q)
		return false;
	for (size_t i = 0; i < count; i++) {
		buf_printf(&said, "%c\"%" PRId64 "\":", i ? ',' : '{', rows[i]->seq);
		buf_json_cstr(&said, receipts[i]);
	}
	buf_putc(&said, '}');
	query_text(q, "to", to);
	query_wall(q, "applied_at", revert ? WALL_NONE : at);
	query_wall(q, "reverted_at", revert ? at : WALL_NONE);
	query_str(q, "rows", buf_str(&said));
	query_text(q, "from", from);
	if (!query_run(q, &changed, err))
		return false;
	return (changed == (int64_t)count ||
		err_set(err, E_STATE, "%" PRId64 " of %zu changes are %s", changed, count, from)) &&
	       rows_say(store, rows, count, to, at, err) &&
	       rows_note(store, rows, count, from, to, err);
}

/* --- at start --- */

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
doubt_back(struct store *store, struct err *err)
{
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
