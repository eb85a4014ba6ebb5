/* Numbers of runs, for the queue and the metrics: from indexes alone. */
/* SPDX-License-Identifier: MIT */
#include <limits.h>

#include "store/internal.h"
#include "store/runs.h"

enum { QUEUED, DEAD, OF_TRIGGER, OLDEST_OF, NEXT_TRIGGER, FIRST_OF, OPEN, OPEN_ENTITY, STATEMENTS };

static const struct statement list[] = {
	[QUEUED] = {"SELECT agent, COUNT(*) FROM runs WHERE status = 'queued' GROUP BY agent",
		    NULL},
	[DEAD] = {"SELECT COUNT(*) FROM runs WHERE status = 'failed' AND dropped = 0", NULL},
	[OF_TRIGGER] = {"SELECT COUNT(*) FROM runs WHERE trigger = :trigger AND status = 'queued' "
			"AND " RUN_IS_OPEN,
			NULL},
	[OLDEST_OF] = {"SELECT created FROM runs WHERE trigger = :trigger AND status = 'queued' "
		       "AND " RUN_IS_OPEN " ORDER BY seq LIMIT 1",
		       NULL},
	[NEXT_TRIGGER] = {"SELECT trigger FROM runs WHERE trigger > :after AND " RUN_IS_OPEN
			  " ORDER BY trigger LIMIT 1",
			  NULL},
	[FIRST_OF] = {"SELECT seq, priority FROM runs WHERE trigger = :trigger AND "
		      "status = 'queued' AND " RUN_IS_OPEN " ORDER BY seq LIMIT 1",
		      NULL},
	[OPEN] = {"SELECT seq FROM runs WHERE trigger = :trigger AND status = :status "
		  "AND " RUN_IS_OPEN " ORDER BY seq LIMIT :max",
		  NULL},
	[OPEN_ENTITY] = {"SELECT seq FROM runs WHERE entity = :entity AND entity IS NOT NULL AND "
			 "trigger = :trigger AND " RUN_IS_OPEN
			 " AND status = :status ORDER BY seq LIMIT :max",
			 NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements counts_statements = {"counts", list, STATEMENTS};

bool
runs_count_queued(struct store *store, bool (*fn)(void *arg, const char *agent, int64_t queued),
		  void *arg, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_COUNTS, QUEUED, err);
	if (!q)
		return false;
	while ((step = query_step(q, err)) == STEP_ROW) {
		if (!fn(arg, query_get_text(q, 0).p, query_get_int(q, 1)))
			return true;
	}
	return step == STEP_DONE;
}

bool
runs_count_dead(struct store *store, int64_t *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_COUNTS, DEAD, err);
	return q && query_number(q, 0, ret, err);
}

bool
runs_count_trigger(struct store *store, const char *trigger, int64_t *ret_queued, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_COUNTS, OF_TRIGGER, err);
	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	return query_number(q, 0, ret_queued, err);
}

bool
runs_oldest_of(struct store *store, const char *trigger, struct wall *ret_created, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_COUNTS, OLDEST_OF, err);

	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	step = query_step(q, err);
	*ret_created = step == STEP_ROW ? query_get_wall(q, 0) : WALL_NONE;
	return step != STEP_FAILED;
}

/* The next trigger by name that has any; false with E_OK: none. A step of the index each. */
static bool
trigger_next(struct store *store, struct buf *name, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_COUNTS, NEXT_TRIGGER, err);

	if (!q)
		return false;
	query_text(q, "after", buf_cstr(name));
	if (query_step(q, err) != STEP_ROW)
		return false;
	buf_clear(name);
	buf_add_str(name, query_get_text(q, 0));
	return true;
}

struct oldest {
	struct store *store;
	struct wall created;
	struct err err;
};

static bool
oldest_of(void *arg, const char *trigger)
{
	struct oldest *oldest = arg;
	struct wall created;

	if (!runs_oldest_of(oldest->store, trigger, &created, &oldest->err))
		return false;
	if (wall_is_set(created) &&
	    (!wall_is_set(oldest->created) || created.ms < oldest->created.ms))
		oldest->created = created;
	return true;
}

bool
runs_waiting_triggers(struct store *store, unsigned max, bool (*fn)(void *arg, const char *trigger),
		      void *arg, struct err *err)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	struct err why = ERR_INIT;

	while (max-- && trigger_next(store, &name, &why))
		if (!fn(arg, buf_cstr(&name)))
			return true;
	return why.code == E_OK || err_move(err, &why);
}

/* By trigger, the way to the oldest of each: triggers are few, tenants need not be. */
bool
runs_oldest_queued(struct store *store, struct wall *ret_created, struct err *err)
{
	struct oldest oldest = {store, WALL_NONE, ERR_INIT};
	/* What no trigger woke has none: it sorts before the first. */
	bool done = oldest_of(&oldest, "") &&
		    runs_waiting_triggers(store, UINT_MAX, oldest_of, &oldest, &oldest.err);

	*ret_created = oldest.created;
	return (done && oldest.err.code == E_OK) || err_move(err, &oldest.err);
}

struct least {
	struct store *store;
	int64_t seq;
	int priority;
	struct err err;
};

static bool
least_of(void *arg, const char *trigger)
{
	struct least *least = arg;
	AUTO(query_end)
	struct query *q = query_read(least->store, ROOM_COUNTS, FIRST_OF, &least->err);

	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	if (query_step(q, &least->err) == STEP_ROW) {
		int64_t seq = query_get_int(q, 0);
		int priority = (int)query_get_int(q, 1);

		if (!least->seq || priority > least->priority ||
		    (priority == least->priority && seq < least->seq)) {
			least->seq = seq;
			least->priority = priority;
		}
	}
	return least->err.code == E_OK;
}

bool
runs_least(struct store *store, int64_t *ret_seq, int *ret_priority, struct err *err)
{
	struct least least = {.store = store, .err = ERR_INIT};
	bool done = least_of(&least, "") &&
		    runs_waiting_triggers(store, UINT_MAX, least_of, &least, &least.err);

	*ret_seq = least.seq;
	*ret_priority = least.priority;
	return (done && least.err.code == E_OK) || err_move(err, &least.err);
}

static bool
open_add(struct store *store, const char *trigger, const char *entity, const char *status,
	 int64_t *ret_seqs, size_t max, size_t *count, struct err *err)
{
	enum driver_step step;
	AUTO(query_end)
	struct query *q = query_read(store, ROOM_COUNTS, entity ? OPEN_ENTITY : OPEN, err);
	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	query_text(q, "status", status);
	query_int(q, "max", (int64_t)(max - *count));
	if (entity)
		query_text(q, "entity", entity);
	while ((step = query_step(q, err)) == STEP_ROW)
		ret_seqs[(*count)++] = query_get_int(q, 0);
	return step == STEP_DONE;
}

bool
runs_unfinished(struct store *store, const char *trigger, const char *entity, int64_t *ret_seqs,
		size_t max, size_t *ret_count, struct err *err)
{
	static const char *const order[] = {"running", "waiting", "queued"};
	*ret_count = 0;
	for (size_t i = 0; i < ARRAY_LEN(order) && *ret_count < max; i++) {
		if (!open_add(store, trigger, entity, order[i], ret_seqs, max, ret_count, err))
			return false;
	}
	return true;
}
