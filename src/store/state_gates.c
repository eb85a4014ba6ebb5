/* Gates: questions to a person that a run waits for. Rows only. */
/* SPDX-License-Identifier: MIT */
#include "store/internal.h"
#include "store/state.h"

#define WHOLE "SELECT g.*, r.id AS run_id FROM gates g LEFT JOIN runs r ON r.seq = g.run "
#define FILTERED                                                                                   \
	"(:run IS NULL OR r.id = :run) AND (:status IS NULL OR g.status = :status) AND "           \
	"(:kind IS NULL OR g.kind = :kind) AND g.seq < :before ORDER BY g.seq DESC"

enum { INSERT, BY_ID, LIST, LIST_RUN, LIST_WAITING, DUE, NEXT, DECIDE, WHERE, STATEMENTS };

static const struct statement list[] = {
	[INSERT] = {"INSERT INTO gates (id, run, kind, step, payload, allow, status, decision, "
		    "decided_by, reason, answer, "
		    "on_timeout, created, expires, decided_at) VALUES (:id, :run, :kind, :step, "
		    ":payload, :allow, "
		    "COALESCE(:status, 'waiting'), :decision, :decided_by, :reason, :answer, "
		    ":on_timeout, :created, :expires, :decided_at) "
		    "RETURNING seq",
		    &gate_shape},
	[BY_ID] = {WHOLE "WHERE g.id >= :lo AND g.id < :hi ORDER BY g.id LIMIT 2", &gate_shape},
	[LIST] = {WHOLE "WHERE " FILTERED, &gate_shape},
	[LIST_RUN] = {WHOLE "WHERE g.run = (SELECT seq FROM runs WHERE id = :run) AND " FILTERED,
		      &gate_shape},
	[LIST_WAITING] = {WHOLE "WHERE g.status = 'waiting' AND " FILTERED, &gate_shape},
	[DUE] = {WHOLE "WHERE g.status = 'waiting' AND g.expires <= :now ORDER BY g.expires LIMIT "
		       ":most",
		 &gate_shape},
	[NEXT] = {"SELECT MIN(expires) FROM gates WHERE status = 'waiting' AND expires IS NOT NULL",
		  NULL},
	[DECIDE] = {"UPDATE gates SET status = :status, decision = :decision, decided_by = :by, "
		    "reason = :reason, "
		    "answer = :answer, decided_at = :at WHERE seq = :seq AND status = 'waiting'",
		    NULL},
	[WHERE] = {"SELECT id, status, decision FROM gates WHERE seq = :seq", NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements gates_statements = {"gates", list, STATEMENTS};

bool
gates_insert(struct store *store, const struct gate_row *row, int64_t *ret_seq, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_GATES, INSERT, err);
	if (!q)
		return false;
	query_row(q, row);
	return query_number(q, 0, ret_seq, err) && query_run(q, NULL, err);
}

bool
gates_get(struct store *store, const char *id, struct gate_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_GATES, BY_ID, err);
	return q && query_by_id(q, "gate", id, ret, err);
}

static const char *const columns[] = {"run", "status", "kind", NULL};
static const struct list_variant variants[] = {
	{"run", NULL, LIST_RUN}, {"status", "waiting", LIST_WAITING}, {NULL, NULL, LIST}};
static const struct list_def gates_def = {
	.room = ROOM_GATES,
	.noun = "gate",
	.columns = columns,
	.variants = variants,
	.time_offset = offsetof(struct gate_row, created),
};

struct gate_listing {
	bool (*fn)(void *arg, const struct gate_row *row);
	void *arg;
};

static bool
gate_give(void *arg, const void *row)
{
	struct gate_listing *l = arg;
	return l->fn(l->arg, row);
}

bool
gates_list(struct store *store, const struct list_query *query,
	   bool (*fn)(void *arg, const struct gate_row *row), void *arg, struct err *err)
{
	struct gate_listing l = {fn, arg};
	return list_run(store, &gates_def, query, gate_give, &l, err);
}

bool
gates_due(struct store *store, struct wall now, unsigned most,
	  bool (*fn)(void *arg, const struct gate_row *row), void *arg, struct err *err)
{
	struct gate_listing l = {fn, arg};
	AUTO(query_end) struct query *q = query_read(store, ROOM_GATES, DUE, err);
	if (!q)
		return false;
	query_wall(q, "now", now);
	query_int(q, "most", most);
	return query_each(q, gate_give, &l, err);
}

bool
gates_next(struct store *store, struct wall *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_GATES, NEXT, err);
	return q && query_number(q, WALL_NONE.ms, &ret->ms, err);
}

static bool
was_decided(struct store *store, int64_t seq, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_GATES, WHERE, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	switch (query_step(q, err)) {
	case STEP_ROW:
		return err_set(err, E_STATE, "gate %.*s is %.*s already (%.*s)",
			       STR_ARG(query_get_text(q, 0)), STR_ARG(query_get_text(q, 1)),
			       STR_ARG(query_get_text(q, 2)));
	case STEP_DONE:
		return err_set(err, E_NOT_FOUND, "gate number %lld is unknown", (long long)seq);
	default:
		return false;
	}
}

bool
gates_decide(struct store *store, int64_t seq, const char *status, const char *decision,
	     const char *by, const char *reason, const char *answer, struct wall at,
	     struct err *err)
{
	int64_t changed;
	AUTO(query_end) struct query *q = query_write(store, ROOM_GATES, DECIDE, err);
	if (!q)
		return false;
	query_text(q, "status", status);
	query_text(q, "decision", decision);
	query_text(q, "by", by);
	query_text(q, "reason", reason);
	query_text(q, "answer", answer);
	query_wall(q, "at", at);
	query_int(q, "seq", seq);
	if (!query_run(q, &changed, err))
		return false;
	return changed || was_decided(store, seq, err);
}
