/* Health of triggers: what a restart, and the retention of events, would forget of them. */
/* SPDX-License-Identifier: MIT */
#include "store/health.h"

#include "store/internal.h"

enum { SET, FORGET, ALL, STATEMENTS };

static const struct statement list[] = {
	[SET] = {"INSERT INTO trigger_health (trigger, watched, last_event, error, error_at) "
		 "VALUES (:trigger, :watched, :last_event, :error, :error_at) "
		 "ON CONFLICT (trigger) DO UPDATE SET watched = excluded.watched, "
		 "last_event = excluded.last_event, error = excluded.error, "
		 "error_at = excluded.error_at",
		 NULL},
	[FORGET] = {"DELETE FROM trigger_health WHERE trigger = :trigger", NULL},
	[ALL] = {"SELECT trigger, watched, last_event, error, error_at FROM trigger_health "
		 "ORDER BY trigger",
		 NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements health_statements = {"health", list, STATEMENTS};

bool
health_set(struct store *store, const struct health_row *row, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_HEALTH, SET, err);

	if (!q)
		return false;
	query_text(q, "trigger", row->trigger);
	query_wall(q, "watched", row->watched);
	query_wall(q, "last_event", row->last_event);
	query_text(q, "error", row->error);
	query_wall(q, "error_at", row->error ? row->error_at : WALL_NONE);
	return query_run(q, NULL, err);
}

bool
health_forget(struct store *store, const char *trigger, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_HEALTH, FORGET, err);

	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	return query_run(q, NULL, err);
}

bool
health_each(struct store *store, bool (*fn)(void *arg, const struct health_row *row), void *arg,
	    struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_HEALTH, ALL, err);

	if (!q)
		return false;
	while ((step = query_step(q, err)) == STEP_ROW) {
		const struct health_row row = {.trigger = query_get_text(q, 0).p,
					       .watched = query_get_wall(q, 1),
					       .last_event = query_get_wall(q, 2),
					       .error = query_get_text(q, 3).p,
					       .error_at = query_get_wall(q, 4)};

		if (!fn(arg, &row))
			return true;
	}
	return step == STEP_DONE;
}
