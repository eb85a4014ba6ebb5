/* Rollouts: a batch's changes on their way. Rows only. */
/* SPDX-License-Identifier: MIT */
#include "store/rollouts.h"

#include <stdlib.h>

#include "store/internal.h"

enum { PUT, GET, OPEN, PAGE, PAGE_BACK, RELEASE, GOING, STATEMENTS };

static const struct field fields[] = {
	FIELD(rollout_row, batch, "batch", FIELD_INT),
	FIELD(rollout_row, revert, "revert", FIELD_BOOL),
	FIELD(rollout_row, state, "state", FIELD_TEXT),
	FIELD(rollout_row, why, "why", FIELD_TEXT),
	FIELD(rollout_row, canary, "canary", FIELD_INT),
	FIELD(rollout_row, stop, "stop", FIELD_SHARE),
	FIELD(rollout_row, rate_count, "rate_count", FIELD_INT),
	FIELD(rollout_row, rate_per_ms, "rate_per_ms", FIELD_INT),
	FIELD(rollout_row, cursor, "cursor", FIELD_INT),
	FIELD(rollout_row, total, "total", FIELD_INT),
	FIELD(rollout_row, released, "released", FIELD_INT),
	FIELD(rollout_row, base, "base", FIELD_INT),
	FIELD(rollout_row, started_by, "started_by", FIELD_TEXT),
	FIELD(rollout_row, reason, "reason", FIELD_TEXT),
	FIELD(rollout_row, at, "at", FIELD_WALL),
};
static const struct shape shape = {fields, ARRAY_LEN(fields), sizeof(struct rollout_row)};

#define STEP "SELECT seq, id, status, target, held FROM changes WHERE batch = :batch AND "

static const struct statement list[] = {
	[PUT] = {"INSERT OR REPLACE INTO rollouts (batch, revert, state, why, canary, stop, "
		 "rate_count, rate_per_ms, cursor, total, released, base, started_by, reason, at) "
		 "VALUES (:batch, :revert, :state, :why, :canary, :stop, :rate_count, "
		 ":rate_per_ms, "
		 ":cursor, :total, :released, :base, :started_by, :reason, :at)",
		 &shape},
	[GET] = {"SELECT * FROM rollouts WHERE batch = :batch", &shape},
	[OPEN] = {"SELECT batch FROM rollouts WHERE state IN ('canary', 'going') AND batch > "
		  ":after ORDER BY batch",
		  NULL},
	[PAGE] = {STEP "seq > :cursor ORDER BY seq LIMIT :most", NULL},
	[PAGE_BACK] = {STEP "seq < :cursor ORDER BY seq DESC LIMIT :most", NULL},
	[RELEASE] = {"UPDATE changes SET held = 0, way = 1, due = NULL WHERE batch = :batch AND "
		     "seq > :after AND seq <= :upto AND status = 'approved' AND held = 1",
		     NULL},
	[GOING] = {"SELECT COUNT(*) FROM changes WHERE batch = :batch AND batch IS NOT NULL AND "
		   "way > 0",
		   NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements rollouts_statements = {"rollouts", list, STATEMENTS};

void
rollout_row_fini(struct rollout_row *row)
{
	row_fini(&shape, row);
}

bool
rollouts_put(struct store *store, const struct rollout_row *row, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_ROLLOUTS, PUT, err);
	if (!q)
		return false;
	query_row(q, row);
	return query_run(q, NULL, err);
}

bool
rollouts_get(struct store *store, int64_t batch, struct rollout_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_ROLLOUTS, GET, err);
	if (!q)
		return false;
	query_int(q, "batch", batch);
	return query_one(q, ret, "this rollout", err);
}

bool
rollouts_open(struct store *store, int64_t after, int64_t *ret_batches, size_t max,
	      size_t *ret_count, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_ROLLOUTS, OPEN, err);
	enum driver_step step = STEP_DONE;
	*ret_count = 0;
	if (!q)
		return false;
	query_int(q, "after", after);
	while (*ret_count < max && (step = query_step(q, err)) == STEP_ROW)
		ret_batches[(*ret_count)++] = query_get_int(q, 0);
	return step != STEP_FAILED;
}

bool
rollouts_page(struct store *store, const char *batch, bool revert, int64_t cursor, size_t most,
	      bool (*fn)(void *arg, const struct rollout_step *step), void *arg, struct err *err)
{
	AUTO(query_end)
	struct query *q = query_read(store, ROOM_ROLLOUTS, revert ? PAGE_BACK : PAGE, err);
	enum driver_step step;
	if (!q)
		return false;
	query_text(q, "batch", batch);
	query_int(q, "cursor", cursor);
	query_int(q, "most", (int64_t)most);
	while ((step = query_step(q, err)) == STEP_ROW) {
		const struct rollout_step found = {query_get_int(q, 0), query_get_text(q, 1).p,
						   query_get_text(q, 2).p, query_get_text(q, 3).p,
						   query_get_int(q, 4) != 0};
		if (!fn(arg, &found))
			return true;
	}
	return step == STEP_DONE;
}

bool
rollouts_release(struct store *store, const char *batch, int64_t after, int64_t upto,
		 int64_t *ret_count, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_ROLLOUTS, RELEASE, err);
	if (!q)
		return false;
	query_text(q, "batch", batch);
	query_int(q, "after", after);
	query_int(q, "upto", upto);
	return query_run(q, ret_count, err);
}

bool
rollouts_going(struct store *store, const char *batch, int64_t *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_ROLLOUTS, GOING, err);
	if (!q)
		return false;
	query_text(q, "batch", batch);
	return query_number(q, 0, ret, err);
}
