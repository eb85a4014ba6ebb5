/* Items of batches: the entities in the order in which they are taken, and what became of each. */
/* SPDX-License-Identifier: MIT */
#include "store/batches.h"
#include "store/internal.h"

#define ENDED "('done', 'cancelled', 'failed')"

enum {
	INSERT,
	NEXT,
	FIND,
	MOVE,
	LIST,
	LIST_STATE,
	LIST_DATA,
	SAMPLE,
	OLDEST,
	DROP_ITEMS,
	DROP_BATCH,
	DROP_COUNTS,
	STATEMENTS
};

static const struct field fields[] = {
	FIELD(item_row, batch, "batch", FIELD_INT),
	FIELD(item_row, n, "n", FIELD_INT),
	FIELD(item_row, entity, "entity", FIELD_TEXT),
	FIELD(item_row, data, "data", FIELD_TEXT),
	FIELD(item_row, state, "state", FIELD_TEXT),
	FIELD(item_row, reason, "reason", FIELD_TEXT),
	FIELD(item_row, error, "error", FIELD_TEXT),
	FIELD(item_row, run, "run", FIELD_REF),
	FIELD(item_row, run_id, "run_id", FIELD_TEXT),
	FIELD(item_row, cost_uusd, "cost_uusd", FIELD_INT),
	FIELD(item_row, started, "started", FIELD_WALL),
	FIELD(item_row, ended, "ended", FIELD_WALL),
};
static const struct shape item_shape = {fields, ARRAY_LEN(fields), sizeof(struct item_row)};

#define SHOWN                                                                                      \
	"SELECT i.n, i.entity, i.state, i.reason, COALESCE(r.error, i.error) AS error, i.run, "    \
	"r.id AS run_id, COALESCE(r.cost_uusd, 0) AS cost_uusd, r.started, r.ended"
#define OF_RUN " FROM batch_items i LEFT JOIN runs r ON r.seq = i.run "
#define PAGE "i.n > :after ORDER BY i.n LIMIT :most"

static const struct statement list[] = {
	[INSERT] = {"INSERT INTO batch_items (batch, n, entity, data, state, reason, error) VALUES "
		    "(:batch, :n, :entity, :data, :state, :reason, :error) ON CONFLICT (batch, "
		    "entity) DO NOTHING",
		    &item_shape},
	[NEXT] = {"SELECT n, entity, data FROM batch_items WHERE batch = :batch AND state = 'left' "
		  "ORDER BY n LIMIT :most",
		  &item_shape},
	[FIND] = {"SELECT i.batch, i.n, i.entity, i.state, i.run, r.id AS run_id FROM batches b "
		  "JOIN batch_items i ON i.batch = b.seq AND i.entity = :entity LEFT JOIN runs r "
		  "ON r.seq = i.run WHERE b.id = :id",
		  &item_shape},
	[MOVE] = {"UPDATE batch_items SET state = :to, reason = :reason, error = :error, run = "
		  ":run, data = CASE WHEN :drops THEN NULL ELSE COALESCE(:data, data) END WHERE "
		  "batch = :batch AND n = :n AND state = :from",
		  NULL},
	[LIST] = {SHOWN OF_RUN "WHERE i.batch = :batch AND " PAGE, &item_shape},
	[LIST_STATE] = {SHOWN OF_RUN "WHERE i.batch = :batch AND i.state = :state AND " PAGE,
			&item_shape},
	[LIST_DATA] = {SHOWN ", COALESCE(i.data, p.payload) AS data" OF_RUN
			     "LEFT JOIN run_inputs p ON p.run = i.run WHERE i.batch = :batch AND "
			     "i.state = :state AND " PAGE,
		       &item_shape},
	[SAMPLE] = {"SELECT COUNT(*), TOTAL(c), TOTAL(c * c), TOTAL(t), TOTAL(t * t) FROM (SELECT "
		    "r.cost_uusd / 1e6 AS c, r.ended - r.started AS t FROM batch_items i JOIN runs "
		    "r ON r.seq = i.run WHERE i.batch = :batch AND i.state IN ('done', 'skipped', "
		    "'failed') AND r.started IS NOT NULL AND r.ended IS NOT NULL LIMIT :most)",
		    NULL},
	[OLDEST] = {"SELECT b.seq, b.id FROM batches b WHERE b.state IN " ENDED
		    " AND b.ended < :before AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.batch "
		    "= b.id) ORDER BY b.seq LIMIT 1",
		    NULL},
	[DROP_ITEMS] = {"DELETE FROM batch_items WHERE batch = :batch AND n IN (SELECT n FROM "
			"batch_items WHERE batch = :batch ORDER BY n LIMIT :most)",
			NULL},
	[DROP_BATCH] = {"DELETE FROM batches WHERE seq = :batch", NULL},
	[DROP_COUNTS] = {"DELETE FROM batch_changes WHERE batch = :id", NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements items_statements = {"items", list, STATEMENTS};

void
item_row_fini(struct item_row *row)
{
	row_fini(&item_shape, row);
}

bool
items_insert(struct store *store, const struct item_row *row, bool *ret_new, struct err *err)
{
	int64_t changed;
	AUTO(query_end) struct query *q = query_write(store, ROOM_ITEMS, INSERT, err);
	if (!q)
		return false;
	query_row(q, row);
	if (!query_run(q, &changed, err))
		return false;
	*ret_new = changed > 0;
	return true;
}

struct item_listing {
	bool (*fn)(void *arg, const struct item_row *row);
	void *arg;
};

static bool
item_give(void *arg, const void *row)
{
	struct item_listing *l = arg;
	return l->fn(l->arg, row);
}

bool
items_next(struct store *store, int64_t batch, unsigned most,
	   bool (*fn)(void *arg, const struct item_row *row), void *arg, struct err *err)
{
	struct item_listing l = {fn, arg};
	AUTO(query_end) struct query *q = query_read(store, ROOM_ITEMS, NEXT, err);
	if (!q)
		return false;
	query_int(q, "batch", batch);
	query_int(q, "most", most);
	return query_each(q, item_give, &l, err);
}

bool
items_find(struct store *store, const char *batch_id, const char *entity, struct item_row *ret,
	   struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_ITEMS, FIND, err);
	if (!q)
		return false;
	query_text(q, "id", batch_id);
	query_text(q, "entity", entity);
	switch (query_step(q, err)) {
	case STEP_ROW:
		query_get_row(q, ret, false);
		return true;
	case STEP_DONE:
		ret->batch = 0;
		return true;
	default:
		return false;
	}
}

bool
items_move(struct store *store, int64_t batch, int64_t n, const struct item_move *move,
	   struct err *err)
{
	int64_t changed;
	AUTO(query_end) struct query *q = query_write(store, ROOM_ITEMS, MOVE, err);
	if (!q)
		return false;
	query_text(q, "from", move->from);
	query_text(q, "to", move->to);
	query_text(q, "reason", move->reason);
	query_text(q, "error", move->error);
	query_ref(q, "run", move->run);
	query_int(q, "drops", move->drops_data);
	query_text(q, "data", move->data);
	query_int(q, "batch", batch);
	query_int(q, "n", n);
	if (!query_run(q, &changed, err))
		return false;
	return changed ||
	       err_set(err, E_STATE, "an entity of the batch is not %s any more", move->from);
}

bool
items_list(struct store *store, int64_t batch, const char *state, int64_t after, unsigned limit,
	   bool with_data, bool (*fn)(void *arg, const struct item_row *row), void *arg,
	   struct err *err)
{
	struct item_listing l = {fn, arg};
	AUTO(query_end)
	struct query *q = query_read(store, ROOM_ITEMS,
				     with_data ? LIST_DATA
				     : state   ? LIST_STATE
					       : LIST,
				     err);
	if (!q)
		return false;
	query_int(q, "batch", batch);
	if (state || with_data)
		query_text(q, "state", state);
	query_int(q, "after", after);
	query_int(q, "most", limit);
	return query_each(q, item_give, &l, err);
}

static double
real_at(struct query *q, int column)
{
	struct str text = query_get_text(q, column);

	return text.p ? strtod(text.p, NULL) : 0;
}

bool
items_sample(struct store *store, int64_t batch, unsigned most, struct items_sample *ret,
	     struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_ITEMS, SAMPLE, err);
	if (!q)
		return false;
	query_int(q, "batch", batch);
	query_int(q, "most", most);
	if (query_step(q, err) != STEP_ROW)
		return false;
	*ret = (struct items_sample){.n = query_get_int(q, 0),
				     .cost_sum = real_at(q, 1),
				     .cost_squares = real_at(q, 2),
				     .ms_sum = real_at(q, 3),
				     .ms_squares = real_at(q, 4)};
	return true;
}

/* --- retention --- */

static bool
oldest(struct store *store, struct wall before, int64_t *ret_seq, struct buf *ret_id,
       struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_ITEMS, OLDEST, err);
	*ret_seq = 0;
	if (!q)
		return false;
	query_wall(q, "before", before);
	switch (query_step(q, err)) {
	case STEP_ROW:
		*ret_seq = query_get_int(q, 0);
		buf_add_str(ret_id, query_get_text(q, 1));
		return true;
	case STEP_DONE:
		return true;
	default:
		return false;
	}
}

static bool
drop(struct store *store, int statement, int64_t batch, unsigned most, int64_t *ret_gone,
     struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_ITEMS, statement, err);
	if (!q)
		return false;
	query_int(q, "batch", batch);
	if (statement == DROP_ITEMS)
		query_int(q, "most", most);
	return query_run(q, ret_gone, err);
}

static bool
counts_drop(struct store *store, const char *id, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_ITEMS, DROP_COUNTS, err);
	if (!q)
		return false;
	query_text(q, "id", id);
	return query_run(q, NULL, err);
}

bool
batch_drop(struct store *store, int64_t seq, const char *id, unsigned most, unsigned *ret_gone,
	   struct err *err)
{
	int64_t gone = 0;

	if (!drop(store, DROP_ITEMS, seq, most, &gone, err))
		return false;
	*ret_gone = (unsigned)gone;
	if (gone == most)
		return true;
	return drop(store, DROP_BATCH, seq, 0, NULL, err) && counts_drop(store, id, err) &&
	       (*ret_gone = most, true);
}

bool
batches_expire(struct store *store, struct wall before, unsigned most, unsigned *ret_gone,
	       struct err *err)
{
	AUTO(buf_fini) struct buf id = BUF_INIT;
	int64_t seq;

	*ret_gone = 0;
	if (!oldest(store, before, &seq, &id, err))
		return false;
	return !seq || batch_drop(store, seq, buf_cstr(&id), most, ret_gone, err);
}
