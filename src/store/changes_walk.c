/* Changes, walked in the order of their arrival, page by page. */
/* SPDX-License-Identifier: MIT */
#include "store/changes.h"
#include "store/internal.h"

#define REST                                                                                       \
	"(:entity IS NULL OR c.entity = :entity) AND (:status IS NULL OR c.status = :status) AND " \
	"(:batch IS NULL OR c.batch = :batch) AND (:run IS NULL OR c.run = :run) AND "             \
	"c.seq > :after ORDER BY c.seq LIMIT :limit"

enum { OF_BATCH, OF_RUN, OF_STATUS, ALL, STATEMENTS };

static const struct statement list[] = {
	[OF_BATCH] = {CHANGE_WHOLE "WHERE c.batch = :batch AND " REST, &change_shape},
	[OF_RUN] = {CHANGE_WHOLE "WHERE c.run = :run AND " REST, &change_shape},
	[OF_STATUS] = {CHANGE_WHOLE "WHERE c.status = :status AND c.status <> 'applied' AND " REST,
		       &change_shape},
	[ALL] = {CHANGE_WHOLE "WHERE " REST, &change_shape},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements changes_walk_statements = {"changes_walk", list, STATEMENTS};

bool
changes_walk(struct store *store, const struct change_scope *scope, int64_t after, unsigned limit,
	     bool (*fn)(void *arg, const struct change_row *row), void *arg, struct err *err)
{
	int statement = scope->batch						 ? OF_BATCH
			: scope->run						 ? OF_RUN
			: scope->status && strcmp(scope->status, "applied") != 0 ? OF_STATUS
										 : ALL;
	AUTO(query_end)
	struct query *q = query_read(store, ROOM_CHANGES_WALK, statement, err);
	if (!q)
		return false;
	query_text(q, "batch", scope->batch);
	query_ref(q, "run", scope->run);
	query_text(q, "entity", scope->entity);
	query_text(q, "status", scope->status);
	query_int(q, "after", after);
	query_int(q, "limit", limit);
	return change_rows_each(q, fn, arg, err);
}
