/* Spans: what of events, runs and changes is still to be told to whoever collects traces. */
/* SPDX-License-Identifier: MIT */
#include "store/spans.h"

#include "store/internal.h"

enum {
	ADD,
	EACH,
	COUNT,
	GONE,
	EVENT_GET,
	EVENT_SET,
	EVENT_FORGET,
	EVENTS,
	RUN,
	LINES,
	CHANGES,
	CHANGE,
	STATEMENTS
};

static const struct statement list[] = {
	[ADD] = {"INSERT INTO spans_due (run, attempt, final, change, back, started, ended, "
		 "status, "
		 "error) VALUES (:run, :attempt, :final, :change, :back, :started, :ended, "
		 ":status, "
		 ":error)",
		 NULL},
	[EACH] = {"SELECT seq, run, attempt, final, change, back, started, ended, status, error "
		  "FROM "
		  "spans_due WHERE seq > :after ORDER BY seq",
		  NULL},
	[COUNT] = {"SELECT (SELECT MAX(seq) FROM spans_due) - (SELECT MIN(seq) FROM spans_due) + 1",
		   NULL},
	[GONE] = {"DELETE FROM spans_due WHERE seq <= :seq", NULL},
	[EVENT_GET] = {"SELECT event FROM spans_sent WHERE id = 1", NULL},
	[EVENT_SET] = {"INSERT INTO spans_sent (id, event) VALUES (1, :seq) ON CONFLICT (id) DO "
		       "UPDATE SET event = excluded.event",
		       NULL},
	[EVENT_FORGET] = {"DELETE FROM spans_sent WHERE id = 1", NULL},
	[EVENTS] = {"SELECT e.seq, e.id, e.trigger, e.source, e.outcome, e.rule, e.subject, "
		    "e.time, e.traceparent, r.id, r.traceparent FROM events e LEFT JOIN runs r ON "
		    "r.seq = e.run WHERE e.seq > :after ORDER BY e.seq LIMIT :most",
		    NULL},
	[RUN] = {"SELECT r.id, r.agent, r.trigger, r.source, r.status, r.reason, r.error, r.batch, "
		 "r.entity, r.tenant, r.session, r.mode, r.traceparent, e.id, e.traceparent, "
		 "r.created, r.started, r.ended, r.attempts, r.steps, r.tools, r.input_tokens, "
		 "r.output_tokens, r.cache_tokens, r.cost_uusd FROM runs r LEFT JOIN events e ON "
		 "e.seq = r.event WHERE r.seq = :seq",
		 NULL},
	[LINES] = {"SELECT run, seq, attempt, at, type, data FROM runlog WHERE run = :run AND "
		   "attempt = :attempt AND (type = 'step' OR type = 'tool_start' OR type = "
		   "'tool_end') ORDER BY seq LIMIT :most",
		   &log_shape},
	[CHANGES] = {"SELECT id, target, op, entity, created, run FROM changes WHERE run = :run "
		     "AND created >= :from AND created <= :to ORDER BY seq LIMIT :most",
		     NULL},
	[CHANGE] = {"SELECT id, target, op, entity, created, run FROM changes WHERE seq = :seq",
		    NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements spans_statements = {"spans", list, STATEMENTS};

/* --- what is due --- */

bool
spans_add(struct store *store, const struct span_due *due, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_SPANS, ADD, err);

	if (!q)
		return false;
	query_ref(q, "run", due->run);
	query_int(q, "attempt", due->attempt);
	query_int(q, "final", due->final);
	query_ref(q, "change", due->change);
	query_int(q, "back", due->back);
	query_wall(q, "started", due->started);
	query_wall(q, "ended", due->ended);
	query_text(q, "status", due->status);
	query_text(q, "error", due->error);
	return query_run(q, NULL, err);
}

bool
spans_each(struct store *store, int64_t after, bool (*fn)(void *arg, const struct span_due *due),
	   void *arg, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_SPANS, EACH, err);

	if (!q)
		return false;
	query_int(q, "after", after);
	while ((step = query_step(q, err)) == STEP_ROW) {
		const struct span_due due = {.seq = query_get_int(q, 0),
					     .run = query_get_int(q, 1),
					     .attempt = query_get_int(q, 2),
					     .final = query_get_int(q, 3),
					     .change = query_get_int(q, 4),
					     .back = query_get_int(q, 5),
					     .started = query_get_wall(q, 6),
					     .ended = query_get_wall(q, 7),
					     .status = query_get_text(q, 8).p,
					     .error = query_get_text(q, 9).p};

		if (!fn(arg, &due))
			return true;
	}
	return step == STEP_DONE;
}

bool
spans_count(struct store *store, int64_t *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_SPANS, COUNT, err);

	return q && query_number(q, 0, ret, err);
}

bool
spans_gone(struct store *store, int64_t seq, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_SPANS, GONE, err);

	if (!q)
		return false;
	query_int(q, "seq", seq);
	return query_run(q, NULL, err);
}

bool
spans_event(struct store *store, int64_t *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_SPANS, EVENT_GET, err);

	return q && query_number(q, -1, ret, err);
}

bool
spans_set_event(struct store *store, int64_t seq, struct err *err)
{
	AUTO(query_end)
	struct query *q = query_write(store, ROOM_SPANS, seq < 0 ? EVENT_FORGET : EVENT_SET, err);

	if (!q)
		return false;
	if (seq >= 0)
		query_int(q, "seq", seq);
	return query_run(q, NULL, err);
}

/* --- what they say --- */

bool
spans_events(struct store *store, int64_t after, unsigned most,
	     bool (*fn)(void *arg, const struct span_event *event), void *arg, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_SPANS, EVENTS, err);

	if (!q)
		return false;
	query_int(q, "after", after);
	query_int(q, "most", most);
	while ((step = query_step(q, err)) == STEP_ROW) {
		const struct span_event event = {.seq = query_get_int(q, 0),
						 .id = query_get_text(q, 1).p,
						 .trigger = query_get_text(q, 2).p,
						 .source = query_get_text(q, 3).p,
						 .outcome = query_get_text(q, 4).p,
						 .rule = query_get_text(q, 5).p,
						 .subject = query_get_text(q, 6).p,
						 .time = query_get_wall(q, 7),
						 .traceparent = query_get_text(q, 8).p,
						 .run_id = query_get_text(q, 9).p,
						 .run_traceparent = query_get_text(q, 10).p};

		if (!fn(arg, &event))
			return true;
	}
	return step == STEP_DONE;
}

/* Members of struct span_run in the order of the columns. */
static const size_t run_texts[] = {offsetof(struct span_run, id),
				   offsetof(struct span_run, agent),
				   offsetof(struct span_run, trigger),
				   offsetof(struct span_run, source),
				   offsetof(struct span_run, status),
				   offsetof(struct span_run, reason),
				   offsetof(struct span_run, error),
				   offsetof(struct span_run, batch),
				   offsetof(struct span_run, entity),
				   offsetof(struct span_run, tenant),
				   offsetof(struct span_run, session),
				   offsetof(struct span_run, mode),
				   offsetof(struct span_run, traceparent),
				   offsetof(struct span_run, event_id),
				   offsetof(struct span_run, event_traceparent)};
static const size_t run_walls[] = {offsetof(struct span_run, created),
				   offsetof(struct span_run, started),
				   offsetof(struct span_run, ended)};
static const size_t run_numbers[] = {
	offsetof(struct span_run, attempts),	  offsetof(struct span_run, steps),
	offsetof(struct span_run, tools),	  offsetof(struct span_run, input_tokens),
	offsetof(struct span_run, output_tokens), offsetof(struct span_run, cache_tokens),
	offsetof(struct span_run, cost_uusd)};

static void *
member_of(struct span_run *run, size_t offset)
{
	return (char *)run + offset;
}

void
span_run_fini(struct span_run *run)
{
	for (size_t i = 0; i < ARRAY_LEN(run_texts); i++)
		free(*(char **)member_of(run, run_texts[i]));
}

bool
spans_run(struct store *store, int64_t seq, struct span_run *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_SPANS, RUN, err);
	enum driver_step step;
	int column = 0;

	if (!q)
		return false;
	query_int(q, "seq", seq);
	step = query_step(q, err);
	if (step == STEP_DONE)
		return err_set(err, E_NOT_FOUND, "run number %lld is unknown", (long long)seq);
	if (step != STEP_ROW)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(run_texts); i++)
		*(char **)member_of(ret, run_texts[i]) = mem_strdup(query_get_text(q, column++).p);
	for (size_t i = 0; i < ARRAY_LEN(run_walls); i++)
		*(struct wall *)member_of(ret, run_walls[i]) = query_get_wall(q, column++);
	for (size_t i = 0; i < ARRAY_LEN(run_numbers); i++)
		*(int64_t *)member_of(ret, run_numbers[i]) = query_get_int(q, column++);
	return true;
}

struct lines {
	bool (*fn)(void *arg, const struct log_row *row);
	void *arg;
};

static bool
line_give(void *arg, const void *row)
{
	struct lines *lines = arg;

	return lines->fn(lines->arg, row);
}

bool
spans_lines(struct store *store, int64_t run, int64_t attempt, unsigned most,
	    bool (*fn)(void *arg, const struct log_row *row), void *arg, struct err *err)
{
	struct lines lines = {fn, arg};
	AUTO(query_end) struct query *q = query_read(store, ROOM_SPANS, LINES, err);

	if (!q)
		return false;
	query_int(q, "run", run);
	query_int(q, "attempt", attempt);
	query_int(q, "most", most);
	return query_each(q, line_give, &lines, err);
}

static bool
changes_give(struct query *q, bool (*fn)(void *arg, const struct span_change *change), void *arg,
	     int64_t *ret_count, struct err *err)
{
	enum driver_step step;

	while ((step = query_step(q, err)) == STEP_ROW) {
		const struct span_change change = {.id = query_get_text(q, 0).p,
						   .target = query_get_text(q, 1).p,
						   .op = query_get_text(q, 2).p,
						   .entity = query_get_text(q, 3).p,
						   .created = query_get_wall(q, 4),
						   .run = query_get_int(q, 5)};

		++*ret_count;
		if (!fn(arg, &change))
			return true;
	}
	return step == STEP_DONE;
}

bool
spans_changes(struct store *store, int64_t run, struct wall from, struct wall to, unsigned most,
	      bool (*fn)(void *arg, const struct span_change *change), void *arg, struct err *err)
{
	int64_t count = 0;
	AUTO(query_end) struct query *q = query_read(store, ROOM_SPANS, CHANGES, err);

	if (!q)
		return false;
	query_int(q, "run", run);
	query_wall(q, "from", from);
	query_wall(q, "to", to);
	query_int(q, "most", most);
	return changes_give(q, fn, arg, &count, err);
}

bool
spans_change(struct store *store, int64_t seq,
	     bool (*fn)(void *arg, const struct span_change *change), void *arg, struct err *err)
{
	int64_t count = 0;
	AUTO(query_end) struct query *q = query_read(store, ROOM_SPANS, CHANGE, err);

	if (!q)
		return false;
	query_int(q, "seq", seq);
	if (!changes_give(q, fn, arg, &count, err))
		return false;
	return count || err_set(err, E_NOT_FOUND, "change number %lld is unknown", (long long)seq);
}
