/* Facts: what a source knows of its world, item by item. */
/* SPDX-License-Identifier: MIT */
#include "store/facts.h"

#include <assert.h>

#include "store/internal.h"

#define ITEM_MAX 8192

enum { SET, DROP, GET, AFTER, COUNT, FORGET, STATEMENTS };

static const struct statement list[] = {
	[SET] = {"INSERT INTO facts (trigger, item, value) VALUES (:trigger, :item, :value) "
		 "ON CONFLICT (trigger, item) DO UPDATE SET value = excluded.value",
		 NULL},
	[DROP] = {"DELETE FROM facts WHERE trigger = :trigger AND item = :item", NULL},
	[GET] = {"SELECT value FROM facts WHERE trigger = :trigger AND item = :item", NULL},
	[AFTER] = {"SELECT item, value FROM facts WHERE trigger = :trigger AND item > :item "
		   "ORDER BY item LIMIT :limit",
		   NULL},
	[COUNT] = {"SELECT count(*) FROM facts WHERE trigger = :trigger", NULL},
	[FORGET] = {"DELETE FROM facts WHERE trigger = :trigger", NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements facts_statements = {"facts", list, STATEMENTS};

static bool
fact_write(struct store *store, const char *trigger, const struct fact *fact, struct err *err)
{
	AUTO(query_end)
	struct query *q = query_write(store, ROOM_FACTS, fact->value.p ? SET : DROP, err);

	assert(fact->item.len && fact->item.len <= ITEM_MAX);
	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	query_blob(q, "item", fact->item);
	if (fact->value.p)
		query_blob(q, "value", fact->value);
	return query_run(q, NULL, err);
}

bool
facts_write(struct store *store, const char *trigger, const struct fact *facts, size_t count,
	    struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (!fact_write(store, trigger, &facts[i], err))
			return false;
	return true;
}

bool
facts_get(struct store *store, const char *trigger, struct str item, struct buf *ret,
	  struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_FACTS, GET, err);

	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	query_blob(q, "item", item);
	switch (query_step(q, err)) {
	case STEP_ROW:
		buf_add_str(ret, query_get_blob(q, 0));
		return true;
	case STEP_DONE:
		return err_set(err, E_NOT_FOUND, "trigger %s knows nothing of %.*s", trigger,
			       STR_ARG(item));
	default:
		return false;
	}
}

bool
facts_each(struct store *store, const char *trigger, struct str after, unsigned limit,
	   bool (*fn)(void *arg, const struct fact *fact), void *arg, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_FACTS, AFTER, err);

	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	query_blob(q, "item", after.p ? after : STR(""));
	query_int(q, "limit", limit ? (int64_t)limit : -1);
	while ((step = query_step(q, err)) == STEP_ROW) {
		const struct fact fact = {query_get_blob(q, 0), query_get_blob(q, 1)};

		if (!fn(arg, &fact))
			return true;
	}
	return step == STEP_DONE;
}

bool
facts_count(struct store *store, const char *trigger, int64_t *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_FACTS, COUNT, err);

	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	return query_number(q, 0, ret, err);
}

bool
facts_forget(struct store *store, const char *trigger, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_FACTS, FORGET, err);

	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	return query_run(q, NULL, err);
}
