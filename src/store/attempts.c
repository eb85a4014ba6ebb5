/* Attempts: a run's executions. Rows only. */
/* SPDX-License-Identifier: MIT */
#include "store/internal.h"
#include "store/runs.h"

enum { END, SET_EXECUTOR, RENEW, COUNT, GET, LIST, STATEMENTS };

static const struct statement list[] = {
	[END] = {"UPDATE attempts SET status = :status, reason = :reason, error = :error, "
		 "exit_code = :exit_code, "
		 "signal = :signal, ended = :ended, lease = NULL WHERE run = :run AND n = :n AND "
		 "status = 'running'",
		 NULL},
	[SET_EXECUTOR] = {"UPDATE attempts SET executor = :executor WHERE run = :run AND n = :n",
			  NULL},
	[RENEW] = {"UPDATE attempts SET lease = :lease, worked = :worked, counted = :counted, boot "
		   "= :boot WHERE run = :run AND n = :n AND status = 'running'",
		   NULL},
	[COUNT] = {"UPDATE attempts SET worked = :worked, counted = :counted, boot = :boot WHERE "
		   "run = :run AND n = :n AND status = 'running'",
		   NULL},
	[GET] = {"SELECT * FROM attempts WHERE run = :run AND n = :n", &attempt_shape},
	[LIST] = {"SELECT * FROM attempts WHERE run = :run ORDER BY n", &attempt_shape},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements attempts_statements = {"attempts", list, STATEMENTS};

static bool
attempt_bind(struct query *q, int64_t run, int n)
{
	if (!q)
		return false;
	query_int(q, "run", run);
	query_int(q, "n", n);
	return true;
}

static bool
attempt_write(struct query *q, int64_t run, int n, const char *verb, struct err *err)
{
	int64_t changed;
	if (!query_run(q, &changed, err))
		return false;
	return changed || err_set(err, E_STATE,
				  "attempt %d of run number %lld is not running; it cannot be %s",
				  n, (long long)run, verb);
}

bool
attempts_end(struct store *store, int64_t run, int n, const char *status, const char *reason,
	     const char *error, int exit_code, int signal, struct wall ended, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_ATTEMPTS, END, err);
	if (!attempt_bind(q, run, n))
		return false;
	query_text(q, "status", status);
	query_text(q, "reason", reason);
	query_text(q, "error", error);
	query_int(q, "exit_code", exit_code);
	query_int(q, "signal", signal);
	query_wall(q, "ended", ended);
	return attempt_write(q, run, n, "ended", err);
}

bool
attempts_set_executor(struct store *store, int64_t run, int n, const char *executor,
		      struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_ATTEMPTS, SET_EXECUTOR, err);
	if (!attempt_bind(q, run, n))
		return false;
	query_text(q, "executor", executor);
	return attempt_write(q, run, n, "given an executor", err);
}

static void
worked_bind(struct query *q, const struct run_worked *worked)
{
	query_int(q, "worked", worked->ms);
	query_int(q, "counted", worked->at.ms);
	query_int(q, "boot", worked->boot);
}

bool
attempts_renew(struct store *store, int64_t run, int n, struct wall lease,
	       const struct run_worked *worked, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_ATTEMPTS, RENEW, err);
	if (!attempt_bind(q, run, n))
		return false;
	query_wall(q, "lease", lease);
	worked_bind(q, worked);
	return attempt_write(q, run, n, "renewed", err);
}

bool
attempts_count(struct store *store, int64_t run, int n, const struct run_worked *worked,
	       struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_ATTEMPTS, COUNT, err);
	if (!attempt_bind(q, run, n))
		return false;
	worked_bind(q, worked);
	return attempt_write(q, run, n, "counted", err);
}

bool
attempts_get(struct store *store, int64_t run, int n, struct attempt_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_ATTEMPTS, GET, err);
	return attempt_bind(q, run, n) && query_one(q, ret, "this attempt", err);
}

struct attempt_listing {
	bool (*fn)(void *arg, const struct attempt_row *row);
	void *arg;
};

static bool
attempt_give(void *arg, const void *row)
{
	struct attempt_listing *l = arg;
	return l->fn(l->arg, row);
}

bool
attempts_list(struct store *store, int64_t run,
	      bool (*fn)(void *arg, const struct attempt_row *row), void *arg, struct err *err)
{
	struct attempt_listing l = {fn, arg};
	AUTO(query_end) struct query *q = query_read(store, ROOM_ATTEMPTS, LIST, err);
	if (!q)
		return false;
	query_int(q, "run", run);
	return query_each(q, attempt_give, &l, err);
}
