/* The ledger's rows: what a scope spent on a day, and which runs wait until it may spend again. */
/* SPDX-License-Identifier: MIT */
#include "store/budgets.h"

#include "store/internal.h"

enum { ADD, GET, OF_DAY, FORGET, HOLD, UNHOLD, HELD, STATEMENTS };

static const struct statement list[] = {
	[ADD] = {"INSERT INTO budgets (scope, name, day, spent_uusd, tokens) VALUES (:scope, "
		 ":name, :day, :spent, :tokens) ON CONFLICT (day, scope, name) DO UPDATE SET "
		 "spent_uusd = spent_uusd + excluded.spent_uusd, tokens = tokens + excluded.tokens",
		 NULL},
	[GET] = {"SELECT spent_uusd, tokens FROM budgets WHERE day = :day AND scope = :scope AND "
		 "name = :name",
		 NULL},
	[OF_DAY] = {"SELECT scope, name, spent_uusd, tokens FROM budgets WHERE day = :day ORDER BY "
		    "scope, name",
		    NULL},
	[FORGET] = {"DELETE FROM budgets WHERE day < :before", NULL},
	[HOLD] = {"UPDATE runs SET ready = 0, due = :due, held = :scope, error = :why WHERE seq = "
		  ":seq AND status = 'queued'",
		  NULL},
	/* One list for all scopes: NULL, any of them. */
	[UNHOLD] = {"UPDATE runs SET due = :now, held = NULL WHERE seq IN (SELECT seq FROM runs "
		    "WHERE held IS NOT NULL AND held = COALESCE(:scope, held) ORDER BY held, seq "
		    "LIMIT :most)",
		    NULL},
	[HELD] = {"SELECT held, count(*) FROM runs WHERE held IS NOT NULL GROUP BY held", NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements budgets_statements = {"budgets", list, STATEMENTS};

bool
budgets_add(struct store *store, const struct budget_row *row, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_BUDGETS, ADD, err);
	if (!q)
		return false;
	query_text(q, "scope", row->scope);
	query_text(q, "name", row->name);
	query_text(q, "day", row->day);
	query_int(q, "spent", row->spent_uusd);
	query_int(q, "tokens", row->tokens);
	return query_run(q, NULL, err);
}

bool
budgets_get(struct store *store, struct budget_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_BUDGETS, GET, err);
	if (!q)
		return false;
	query_text(q, "day", ret->day);
	query_text(q, "scope", ret->scope);
	query_text(q, "name", ret->name);
	enum driver_step step = query_step(q, err);
	if (step == STEP_FAILED)
		return false;
	ret->spent_uusd = step == STEP_ROW ? query_get_int(q, 0) : 0;
	ret->tokens = step == STEP_ROW ? query_get_int(q, 1) : 0;
	return true;
}

bool
budgets_list(struct store *store, const char *day,
	     bool (*fn)(void *arg, const struct budget_row *row), void *arg, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_BUDGETS, OF_DAY, err);
	if (!q)
		return false;
	query_text(q, "day", day);
	while ((step = query_step(q, err)) == STEP_ROW) {
		const struct budget_row row = {.scope = query_get_text(q, 0).p,
					       .name = query_get_text(q, 1).p,
					       .day = day,
					       .spent_uusd = query_get_int(q, 2),
					       .tokens = query_get_int(q, 3)};

		if (!fn(arg, &row))
			return true;
	}
	return step == STEP_DONE;
}

bool
budgets_forget(struct store *store, const char *before, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_BUDGETS, FORGET, err);
	if (!q)
		return false;
	query_text(q, "before", before);
	return query_run(q, NULL, err);
}

bool
runs_hold(struct store *store, int64_t seq, const char *scope, struct wall due, const char *why,
	  struct err *err)
{
	int64_t changed;
	AUTO(query_end) struct query *q = query_write(store, ROOM_BUDGETS, HOLD, err);
	if (!q)
		return false;
	query_wall(q, "due", due);
	query_text(q, "scope", scope);
	query_text(q, "why", why);
	query_int(q, "seq", seq);
	if (!query_run(q, &changed, err))
		return false;
	return changed ||
	       err_set(err, E_STATE, "run number %lld is not queued any more", (long long)seq);
}

bool
runs_unhold(struct store *store, const char *scope, unsigned most, struct wall now,
	    int64_t *ret_count, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_BUDGETS, UNHOLD, err);
	if (!q)
		return false;
	query_text(q, "scope", scope);
	query_int(q, "most", most);
	query_wall(q, "now", now);
	return query_run(q, ret_count, err);
}

bool
runs_held(struct store *store, bool (*fn)(void *arg, const char *scope, int64_t count), void *arg,
	  struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_BUDGETS, HELD, err);
	if (!q)
		return false;
	while ((step = query_step(q, err)) == STEP_ROW)
		if (!fn(arg, query_get_text(q, 0).p, query_get_int(q, 1)))
			return true;
	return step == STEP_DONE;
}
