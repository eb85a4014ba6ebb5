/* Breakers that are not closed, of agents and targets. Rows only. */
/* SPDX-License-Identifier: MIT */
#include "store/breakers.h"

#include "store/internal.h"

enum { SET, DROP, ALL, STATEMENTS };

static const struct statement list[] = {
	[SET] = {"INSERT INTO breakers (scope, name, opened, until, failed, total, error) VALUES "
		 "(:scope, :name, :opened, :until, :failed, :total, :error) "
		 "ON CONFLICT (scope, name) DO UPDATE SET opened = excluded.opened, "
		 "until = excluded.until, failed = excluded.failed, total = excluded.total, "
		 "error = excluded.error",
		 NULL},
	[DROP] = {"DELETE FROM breakers WHERE scope = :scope AND name = :name", NULL},
	[ALL] = {"SELECT scope, name, opened, until, failed, total, error FROM breakers "
		 "ORDER BY scope, name",
		 NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements breakers_statements = {"breakers", list, STATEMENTS};

bool
breakers_set(struct store *store, const struct breaker_row *row, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_BREAKERS, SET, err);

	if (!q)
		return false;
	query_text(q, "scope", row->scope);
	query_text(q, "name", row->name);
	query_wall(q, "opened", row->opened);
	query_wall(q, "until", row->until);
	query_int(q, "failed", row->failed);
	query_int(q, "total", row->total);
	query_text(q, "error", row->error);
	return query_run(q, NULL, err);
}

bool
breakers_drop(struct store *store, const char *scope, const char *name, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_BREAKERS, DROP, err);

	if (!q)
		return false;
	query_text(q, "scope", scope);
	query_text(q, "name", name);
	return query_run(q, NULL, err);
}

bool
breakers_each(struct store *store, void (*fn)(void *arg, const struct breaker_row *row), void *arg,
	      struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_BREAKERS, ALL, err);

	if (!q)
		return false;
	while ((step = query_step(q, err)) == STEP_ROW) {
		const struct breaker_row row = {.scope = query_get_text(q, 0).p,
						.name = query_get_text(q, 1).p,
						.opened = query_get_wall(q, 2),
						.until = query_get_wall(q, 3),
						.failed = query_get_int(q, 4),
						.total = query_get_int(q, 5),
						.error = query_get_text(q, 6).p};

		fn(arg, &row);
	}
	return step == STEP_DONE;
}
