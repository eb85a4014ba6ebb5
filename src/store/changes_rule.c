/* Changes that wait for a rule, and what they replace. */
/* SPDX-License-Identifier: MIT */
#include "store/changes.h"
#include "store/internal.h"

enum { WAIT, WAITING, MODE, BEFORE, REPLACE, DIFFERS, STATEMENTS };

static const struct statement list[] = {
	[WAIT] = {"UPDATE changes SET ruling = :mode WHERE seq = :seq", NULL},
	[WAITING] = {CHANGE_WHOLE
		     "WHERE c.ruling IS NOT NULL AND c.seq > :after ORDER BY c.seq LIMIT "
		     ":limit",
		     &change_shape},
	[MODE] = {"SELECT ruling FROM changes WHERE seq = :seq", NULL},
	[BEFORE] = {CHANGE_WHOLE
		    "WHERE c.target = :target AND c.entity = :entity AND c.entity IS NOT NULL "
		    "AND c.way <> 2 AND c.status = 'approved' AND c.batch IS NOT NULL AND "
		    "c.seq < :seq AND "
		    "substr(c.batch, 1, instr(c.batch, '/')) = substr(:batch, 1, "
		    "instr(:batch, '/')) AND c.batch <> :batch ORDER BY c.seq DESC LIMIT 1",
		    &change_shape},
	[REPLACE] = {"UPDATE changes SET status = 'superseded', way = NULL WHERE seq = :seq AND "
		     "status = "
		     "'approved'",
		     NULL},
	[DIFFERS] = {"UPDATE changes SET previous = :previous WHERE seq = :seq", NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements changes_rule_statements = {"changes_rule", list, STATEMENTS};

bool
changes_rule_wait(struct store *store, int64_t seq, const char *mode, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_CHANGES_RULE, WAIT, err);
	if (!q)
		return false;
	query_text(q, "mode", mode);
	query_int(q, "seq", seq);
	return query_run(q, NULL, err);
}

bool
changes_rule_waiting(struct store *store, int64_t after, unsigned limit,
		     bool (*fn)(void *arg, const struct change_row *row), void *arg,
		     struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_CHANGES_RULE, WAITING, err);
	if (!q)
		return false;
	query_int(q, "after", after);
	query_int(q, "limit", limit);
	return change_rows_each(q, fn, arg, err);
}

bool
changes_rule_mode(struct store *store, int64_t seq, bool *ret_waits, bool *ret_apply,
		  struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_CHANGES_RULE, MODE, err);
	*ret_waits = *ret_apply = false;
	if (!q)
		return false;
	query_int(q, "seq", seq);
	switch (query_step(q, err)) {
	case STEP_ROW:
		*ret_waits = query_get_text(q, 0).p != NULL;
		*ret_apply = *ret_waits && str_eq_cstr(query_get_text(q, 0), "apply");
		return true;
	case STEP_DONE:
		return true;
	default:
		return false;
	}
}

bool
changes_approved_before(struct store *store, const struct change_row *of, int64_t seq,
			struct change_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_CHANGES_RULE, BEFORE, err);
	if (!q)
		return false;
	query_text(q, "target", of->target);
	query_text(q, "entity", of->entity);
	query_text(q, "batch", of->batch);
	query_int(q, "seq", seq);
	return query_one(q, ret, "an approved change before it", err);
}

bool
changes_replace_approved(struct store *store, const struct change_row *row, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_CHANGES_RULE, REPLACE, err);
	if (!q)
		return false;
	query_int(q, "seq", row->seq);
	return query_run(q, NULL, err) &&
	       changes_note(store, row->target, row->batch, "approved", "superseded", 1, err);
}

bool
changes_differs(struct store *store, int64_t seq, const char *previous, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_CHANGES_RULE, DIFFERS, err);
	if (!q)
		return false;
	query_text(q, "previous", previous);
	query_int(q, "seq", seq);
	return query_run(q, NULL, err);
}
