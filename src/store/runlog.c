/* The run log: protocol lines kept. */
/* SPDX-License-Identifier: MIT */
#include "store/internal.h"
#include "store/runs.h"

/* A seq begins as its millisecond times this, so that it grows over restarts, too, without a
 * counter on disk; still below 2^53, which JavaScript counts to. */
#define SEQS_A_MS 1024

enum { ADD, LIST, STATEMENTS };

static const struct statement list[] = {
	/* Also after the clock was set back: behind whatever the run has. */
	[ADD] = {"INSERT INTO runlog (run, seq, attempt, at, type, data) VALUES (:run, "
		 "MAX(:seq, COALESCE((SELECT MAX(seq) FROM runlog WHERE run = :run), 0) + 1), "
		 ":attempt, :at, :type, :data) RETURNING seq",
		 NULL},
	[LIST] = {"SELECT run, seq, attempt, at, type, data FROM runlog WHERE run = :run AND seq > "
		  ":after "
		  "ORDER BY seq LIMIT :limit",
		  &log_shape},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements runlog_statements = {"runlog", list, STATEMENTS};

bool
runlog_add(struct store *store, int64_t run, int attempt, struct wall at, const char *type,
	   struct str data, int64_t *ret_seq, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_RUNLOG, ADD, err);
	if (!q)
		return false;
	int64_t seq = at.ms * SEQS_A_MS;
	if (seq <= store->last_log)
		seq = store->last_log + 1;
	query_int(q, "run", run);
	query_int(q, "seq", seq);
	query_int(q, "attempt", attempt);
	query_int(q, "at", at.ms);
	query_text(q, "type", type);
	query_str(q, "data", data);
	if (!query_number(q, seq, ret_seq, err))
		return false;
	store->last_log = *ret_seq;
	return query_run(q, NULL, err);
}

struct log_listing {
	bool (*fn)(void *arg, const struct log_row *row);
	void *arg;
};

static bool
log_give(void *arg, const void *row)
{
	struct log_listing *l = arg;
	return l->fn(l->arg, row);
}

bool
runlog_list(struct store *store, int64_t run, int64_t after, unsigned limit,
	    bool (*fn)(void *arg, const struct log_row *row), void *arg, struct err *err)
{
	struct log_listing l = {fn, arg};
	AUTO(query_end) struct query *q = query_read(store, ROOM_RUNLOG, LIST, err);
	if (!q)
		return false;
	query_int(q, "run", run);
	query_int(q, "after", after);
	query_int(q, "limit", limit);
	return query_each(q, log_give, &l, err);
}
