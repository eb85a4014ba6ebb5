/* Numbers of runs, for the queue and the metrics: from indexes alone. */
/* SPDX-License-Identifier: MIT */
#include "store/internal.h"
#include "store/runs.h"

enum { QUEUED, GROUPS, CREATED, DEAD, OF_TRIGGER, OPEN, OPEN_ENTITY, STATEMENTS };

#define OPEN_STATES "status IN ('queued', 'running', 'waiting')"

static const struct statement list[] = {
	[QUEUED] = {"SELECT agent, COUNT(*) FROM runs WHERE status = 'queued' GROUP BY agent",
		    NULL},
	/* The first of the queue behind (agent, ready, priority): a hop over the rest of that
	   group. */
	[GROUPS] = {"SELECT agent, ready, priority, seq FROM runs WHERE status = 'queued' AND "
		    "(agent, ready, priority) > (:agent, :ready, :priority) ORDER BY agent, ready, "
		    "priority, seq LIMIT 1",
		    NULL},
	[CREATED] = {"SELECT created FROM runs WHERE seq = :seq", NULL},
	[DEAD] = {"SELECT COUNT(*) FROM runs WHERE status = 'failed' AND dropped = 0", NULL},
	[OF_TRIGGER] = {"SELECT COUNT(*) FROM runs WHERE trigger = :trigger AND " OPEN_STATES
			" AND status = 'queued'",
			NULL},
	[OPEN] = {"SELECT seq FROM runs WHERE trigger = :trigger AND " OPEN_STATES
		  " ORDER BY seq LIMIT :max",
		  NULL},
	[OPEN_ENTITY] = {"SELECT seq FROM runs WHERE entity = :entity AND entity IS NOT NULL AND "
			 "trigger = :trigger AND " OPEN_STATES " ORDER BY seq LIMIT :max",
			 NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements counts_statements = {"counts", list, STATEMENTS};

bool runs_count_queued(struct store *store,
		       bool (*fn)(void *arg, const char *agent, int64_t queued), void *arg,
		       struct err *err)
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

struct group {
	struct buf agent;
	int64_t ready, priority, seq;
};

static enum driver_step group_next(struct store *store, struct group *g, struct err *err)
{
	AUTO(buf_fini) struct buf after = g->agent;
	g->agent = (struct buf)BUF_INIT;
	AUTO(query_end) struct query *q = query_read(store, ROOM_COUNTS, GROUPS, err);
	if (!q)
		return STEP_FAILED;
	query_str(q, "agent", buf_str(&after));
	query_int(q, "ready", g->ready);
	query_int(q, "priority", g->priority);
	enum driver_step step = query_step(q, err);
	if (step == STEP_ROW) {
		buf_add_str(&g->agent, query_get_text(q, 0));
		g->ready = query_get_int(q, 1);
		g->priority = query_get_int(q, 2);
		g->seq = query_get_int(q, 3);
	}
	return step;
}

/* seq is the order of arrival: the smallest of the first of each group. */
bool runs_oldest_queued(struct store *store, struct wall *ret_created, struct err *err)
{
	struct group g = {.agent = BUF_INIT, .ready = -1};
	int64_t oldest = INT64_MAX;
	enum driver_step step;
	*ret_created = WALL_NONE;
	while ((step = group_next(store, &g, err)) == STEP_ROW) {
		if (g.seq < oldest)
			oldest = g.seq;
	}
	buf_fini(&g.agent);
	if (step == STEP_FAILED)
		return false;
	if (oldest == INT64_MAX)
		return true;
	AUTO(query_end) struct query *q = query_read(store, ROOM_COUNTS, CREATED, err);
	if (!q)
		return false;
	query_int(q, "seq", oldest);
	return query_number(q, WALL_NONE.ms, &ret_created->ms, err);
}

bool runs_count_dead(struct store *store, int64_t *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_COUNTS, DEAD, err);
	return q && query_number(q, 0, ret, err);
}

bool runs_count_trigger(struct store *store, const char *trigger, int64_t *ret_queued,
			struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_COUNTS, OF_TRIGGER, err);
	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	return query_number(q, 0, ret_queued, err);
}

bool runs_unfinished(struct store *store, const char *trigger, const char *entity,
		     int64_t *ret_seqs, size_t max, size_t *ret_count, struct err *err)
{
	enum driver_step step;
	AUTO(query_end)
	struct query *q = query_read(store, ROOM_COUNTS, entity ? OPEN_ENTITY : OPEN, err);
	*ret_count = 0;
	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	query_int(q, "max", (int64_t)max);
	if (entity)
		query_text(q, "entity", entity);
	while ((step = query_step(q, err)) == STEP_ROW)
		ret_seqs[(*ret_count)++] = query_get_int(q, 0);
	return step == STEP_DONE;
}
