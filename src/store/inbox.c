/* What waits for a person, the most urgent first. Looks only. */
/* SPDX-License-Identifier: MIT */
#include "store/inbox.h"

#include "store/internal.h"

#define GATE "SELECT g.*, r.id AS run_id FROM gates g LEFT JOIN runs r ON r.seq = g.run "

enum { GATES_LIMITED, GATES_UNLIMITED, GATES_COUNT, RUNS, STATEMENTS };

static const struct statement list[] = {
	[GATES_LIMITED] = {GATE "WHERE g.status = 'waiting' AND g.expires IS NOT NULL ORDER BY "
				"g.expires LIMIT :most",
			   &gate_shape},
	[GATES_UNLIMITED] = {GATE "WHERE g.status = 'waiting' AND g.expires IS NULL ORDER BY g.seq "
				  "LIMIT :most",
			     &gate_shape},
	[GATES_COUNT] = {"SELECT COUNT(*) FROM gates WHERE status = 'waiting'", NULL},
	[RUNS] = {"SELECT r.id, r.agent, (SELECT target FROM changes c WHERE c.run = w.run AND "
		  "c.status = 'proposed' AND c.batch IS NULL LIMIT 1), w.n, (SELECT created FROM "
		  "changes c WHERE c.run = w.run AND c.status = 'proposed' AND c.batch IS NULL "
		  "LIMIT "
		  "1) FROM (SELECT run, COUNT(*) AS n FROM changes INDEXED BY changes_inbox WHERE "
		  "status = 'proposed' AND batch IS NULL GROUP BY run ORDER BY run LIMIT :most) w "
		  "CROSS JOIN runs r ON r.seq = w.run",
		  NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements inbox_statements = {"inbox", list, STATEMENTS};

struct gate_look {
	bool (*fn)(void *arg, const struct gate_row *row);
	void *arg;
};

static bool
gate_give(void *arg, const void *row)
{
	struct gate_look *look = arg;

	return look->fn(look->arg, row);
}

static bool
gates_look(struct store *store, int statement, unsigned most, struct gate_look *look,
	   struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_INBOX, statement, err);

	if (!q)
		return false;
	query_int(q, "most", most);
	return query_each(q, gate_give, look, err);
}

bool
inbox_gates(struct store *store, unsigned most, bool (*fn)(void *arg, const struct gate_row *row),
	    void *arg, struct err *err)
{
	struct gate_look look = {fn, arg};

	return gates_look(store, GATES_LIMITED, most, &look, err) &&
	       gates_look(store, GATES_UNLIMITED, most, &look, err);
}

bool
inbox_gates_count(struct store *store, int64_t *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_INBOX, GATES_COUNT, err);

	return q && query_number(q, 0, ret, err);
}

bool
inbox_runs(struct store *store, unsigned most, bool (*fn)(void *arg, const struct inbox_run *run),
	   void *arg, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_INBOX, RUNS, err);

	if (!q)
		return false;
	query_int(q, "most", most);
	while ((step = query_step(q, err)) == STEP_ROW) {
		const struct inbox_run run = {.run_id = query_get_text(q, 0),
					      .agent = query_get_text(q, 1),
					      .target = query_get_text(q, 2),
					      .changes = query_get_int(q, 3),
					      .created = query_get_wall(q, 4)};

		if (!fn(arg, &run))
			return true;
	}
	return step == STEP_DONE;
}
