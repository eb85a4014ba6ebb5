/* The audit log's rows: written once, answered once; the oldest alone go. */
/* SPDX-License-Identifier: MIT */
#include "store/audit.h"

#include "store/internal.h"

#define FILTERED                                                                                   \
	"(:by IS NULL OR a.who = :by) AND (:scope IS NULL OR a.scope = :scope) AND "               \
	"(:object IS NULL OR a.object = :object) AND "                                             \
	"(:status IS NULL OR a.status = CAST(:status AS INTEGER)) AND "                            \
	"a.seq < :before ORDER BY a.seq DESC"
/* In order, so that each is the oldest when it goes: the schema refuses any other. */
#define OLDEST(table)                                                                              \
	"DELETE FROM " table " WHERE seq IN (SELECT seq FROM " table " WHERE seq < (SELECT "       \
	"MAX(seq) FROM " table ") ORDER BY seq LIMIT :most) AND at < :before"

enum {
	INSERT,
	ANSWER,
	LIST,
	LIST_WHO,
	LIST_OBJECT,
	EXPIRE,
	EXPIRE_DECISIONS,
	EXPIRE_SAMPLES,
	STATEMENTS
};

static const struct statement list[] = {
	[INSERT] = {"INSERT INTO audit (at, who, via, act, object, scope, request, status, error) "
		    "VALUES (:at, :who, :via, :act, :object, :scope, :request, :status, :error) "
		    "RETURNING seq",
		    &audit_shape},
	[ANSWER] = {"UPDATE audit SET status = :status, error = :error WHERE seq = :seq", NULL},
	[LIST] = {"SELECT * FROM audit a WHERE " FILTERED, &audit_shape},
	[LIST_WHO] = {"SELECT * FROM audit a WHERE a.who = :by AND " FILTERED, &audit_shape},
	[LIST_OBJECT] = {"SELECT * FROM audit a WHERE a.object = :object AND " FILTERED,
			 &audit_shape},
	[EXPIRE] = {OLDEST("audit"), NULL},
	[EXPIRE_DECISIONS] = {OLDEST("decisions"), NULL},
	[EXPIRE_SAMPLES] = {OLDEST("samples"), NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements audit_statements = {"audit", list, STATEMENTS};

bool
audit_insert(struct store *store, const struct audit_row *row, int64_t *ret_seq, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_AUDIT, INSERT, err);
	if (!q)
		return false;
	query_row(q, row);
	return query_number(q, 0, ret_seq, err) && query_run(q, NULL, err);
}

bool
audit_answer(struct store *store, int64_t seq, int64_t status, const char *error, struct err *err)
{
	int64_t changed;
	AUTO(query_end) struct query *q = query_write(store, ROOM_AUDIT, ANSWER, err);
	if (!q)
		return false;
	query_ref(q, "status", status);
	query_text(q, "error", error);
	query_int(q, "seq", seq);
	if (!query_run(q, &changed, err))
		return false;
	return changed ||
	       err_set(err, E_NOT_FOUND, "row %lld of the audit log was not kept", (long long)seq);
}

static const char *const columns[] = {"by", "scope", "object", "status", NULL};
static const struct list_variant variants[] = {
	{"object", NULL, LIST_OBJECT}, {"by", NULL, LIST_WHO}, {NULL, NULL, LIST}};
static const struct list_def audit_def = {
	.room = ROOM_AUDIT,
	.noun = "audit",
	.columns = columns,
	.variants = variants,
	.time_offset = offsetof(struct audit_row, at),
};

struct audit_listing {
	bool (*fn)(void *arg, const struct audit_row *row);
	void *arg;
};

static bool
audit_give(void *arg, const void *row)
{
	struct audit_listing *l = arg;
	return l->fn(l->arg, row);
}

bool
audit_list(struct store *store, const struct list_query *query,
	   bool (*fn)(void *arg, const struct audit_row *row), void *arg, struct err *err)
{
	struct audit_listing l = {fn, arg};
	return list_run(store, &audit_def, query, audit_give, &l, err);
}

static bool
expire(struct store *store, int statement, struct wall before, unsigned most, unsigned *ret_gone,
       struct err *err)
{
	int64_t changed = 0;
	AUTO(query_end) struct query *q = query_write(store, ROOM_AUDIT, statement, err);
	if (!q)
		return false;
	query_wall(q, "before", before);
	query_int(q, "most", most);
	if (!query_run(q, &changed, err))
		return false;
	*ret_gone = (unsigned)changed;
	return true;
}

bool
audit_expire(struct store *store, struct wall before, unsigned most, unsigned *ret_gone,
	     struct err *err)
{
	*ret_gone = 0;
	for (int statement = EXPIRE; statement <= EXPIRE_SAMPLES; statement++) {
		unsigned gone = 0;

		if (!expire(store, statement, before, most, &gone, err))
			return false;
		if (gone > *ret_gone)
			*ret_gone = gone;
	}
	return true;
}
