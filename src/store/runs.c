/* Runs: made, found, listed, and which is next. Rows only; the grid is core/run.h's. */
/* SPDX-License-Identifier: MIT */
#include "store/runs.h"

#include "store/internal.h"

#define RUN                                                                                        \
	"SELECT r.seq, r.id, r.event, r.agent, r.trigger, r.status, r.priority, r.entity, r.due, " \
	"r.held, "                                                                                 \
	"r.attempts, r.max_attempts, r.created, r.started, r.ended, r.reason, r.error, "           \
	"r.dropped, "                                                                              \
	"r.active_ms, r.steps, r.tools, r.input_tokens, r.output_tokens, r.cache_tokens, "         \
	"r.context, r.cost_uusd, r.output_bytes, r.limit_deadline_ms, r.limit_steps, "             \
	"r.limit_tools, r.limit_tokens, r.limit_context, r.limit_cost_uusd, "                      \
	"r.limit_output_bytes, r.source, r.intent, r.mode, r.batch, r.tenant, r.\"user\", r.key, " \
	"COALESCE(r.correlation, r.id) AS correlation, r.traceparent, r.trust, r.config_commit, "  \
	"r.session, r.turn, r.root, r.parent, r.hops, r.schedule, r.replay_of, e.id AS event_id, " \
	"e.time AS event_time"
#define JOINS " FROM runs r LEFT JOIN events e ON e.seq = r.event "
#define WHOLE                                                                                      \
	RUN ", i.payload, i.guise, o.result, o.expect, o.checkpoint, o.completed_steps, "          \
	    "o.decisions" JOINS                                                                    \
	    "LEFT JOIN run_inputs i ON i.run = r.seq LEFT JOIN run_outputs o ON o.run = r.seq "
/* Without what is large: a list of a thousand is a list of ids and states. */
#define BRIEF RUN ", o.result" JOINS "LEFT JOIN run_outputs o ON o.run = r.seq "
#define FILTERED                                                                                   \
	"(:status IS NULL OR r.status = :status) AND (:agent IS NULL OR r.agent = :agent) AND "    \
	"(:trigger IS NULL OR r.trigger = :trigger) AND (:batch IS NULL OR r.batch = :batch) AND " \
	"(:entity IS NULL OR r.entity = :entity) AND (:session IS NULL OR r.session = :session) "  \
	"AND (:tenant IS NULL OR r.tenant = :tenant) AND "                                         \
	"(:key IS NULL OR r.key = :key) AND (:reason IS NULL OR r.reason = :reason) AND "          \
	"(:dead IS NULL OR (r.status = 'failed' AND r.dropped = 0) = (:dead = '1')) AND "          \
	"r.seq < :before ORDER BY r.seq DESC"
#define RARE "r.status NOT IN ('queued', 'succeeded') AND "

enum {
	INSERT,
	INSERT_INPUT,
	ENTITY_TAKEN,
	SESSION_TAKEN,
	BY_ID,
	BY_SEQ,
	NEXT,
	NEXT_AFTER,
	NEXT_TENANT,
	LIST,
	LIST_STATUS,
	LIST_DEAD,
	LIST_BATCH,
	LIST_SESSION,
	STATEMENTS
};

static const struct statement list[] = {
	[INSERT] = {"INSERT INTO runs (seq, id, event, agent, trigger, status, ready, priority, "
		    "entity, due, attempts, "
		    "max_attempts, created, limit_deadline_ms, limit_steps, limit_tools, "
		    "limit_tokens, limit_context, "
		    "limit_cost_uusd, limit_output_bytes, source, intent, mode, batch, tenant, "
		    "\"user\", key, correlation, "
		    "traceparent, trust, config_commit, session, turn, root, parent, hops, "
		    "schedule, replay_of) "
		    "VALUES (:seq, :id, :event, :agent, :trigger, 'queued', :ready, :priority, "
		    ":entity, :due, :attempts, "
		    ":max_attempts, :created, :limit_deadline_ms, :limit_steps, :limit_tools, "
		    ":limit_tokens, :limit_context, "
		    ":limit_cost_uusd, :limit_output_bytes, :source, :intent, :mode, :batch, "
		    ":tenant, :user, :key, :correlation, "
		    ":traceparent, :trust, :config_commit, :session, NULLIF(:turn, 0), :root, "
		    ":parent, :hops, "
		    ":schedule, :replay_of)",
		    &run_shape},
	[INSERT_INPUT] =
		{"INSERT INTO run_inputs (run, payload, guise) VALUES (:run, :payload, :guise)",
		 NULL},
	[ENTITY_TAKEN] = {"SELECT 1 FROM runs WHERE entity = :entity AND " RUN_IS_OPEN " LIMIT 1",
			  NULL},
	[SESSION_TAKEN] = {"SELECT 1 FROM runs WHERE session = :session AND session IS NOT NULL "
			   "AND " RUN_IS_OPEN " LIMIT 1",
			   NULL},
	[BY_ID] = {WHOLE "WHERE r.id >= :lo AND r.id < :hi ORDER BY r.id LIMIT 2", &run_shape},
	[BY_SEQ] = {WHOLE "WHERE r.seq = :seq", &run_shape},
	[NEXT] = {"SELECT priority, seq FROM runs WHERE agent = :agent AND ready = 1 AND tenant IS "
		  ":tenant AND status = 'queued' ORDER BY priority, seq LIMIT 1",
		  NULL},
	[NEXT_AFTER] = {"SELECT seq, trigger FROM runs WHERE agent = :agent AND ready = 1 AND "
			"tenant IS :tenant AND priority = :priority AND seq > :after AND "
			"status = 'queued' ORDER BY seq",
			NULL},
	/* A hop over all that the tenant before has. */
	[NEXT_TENANT] = {"SELECT tenant FROM runs WHERE agent = :agent AND ready = 1 AND "
			 "tenant > :tenant AND status = 'queued' ORDER BY tenant LIMIT 1",
			 NULL},
	[LIST] = {BRIEF "WHERE " FILTERED, &run_shape},
	[LIST_STATUS] = {BRIEF "WHERE r.status = :status AND " RARE FILTERED, &run_shape},
	[LIST_DEAD] = {BRIEF "WHERE r.status = 'failed' AND r.dropped = 0 AND " FILTERED,
		       &run_shape},
	[LIST_BATCH] = {BRIEF "WHERE r.batch = :batch AND " FILTERED, &run_shape},
	[LIST_SESSION] = {BRIEF "WHERE r.session = :session AND " FILTERED, &run_shape},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements runs_statements = {"runs", list, STATEMENTS};

/* --- insert --- */

int64_t
runs_next_seq(struct store *store)
{
	return store->next_run;
}

static bool
is_taken(struct store *store, int statement, const char *column, const char *value, bool *ret,
	 struct err *err)
{
	int64_t one = 0;
	AUTO(query_end) struct query *q = query_read(store, ROOM_RUNS, statement, err);
	if (!q)
		return false;
	query_text(q, column, value);
	if (!query_number(q, 0, &one, err))
		return false;
	*ret |= one == 1;
	return true;
}

static bool
input_insert(struct store *store, int64_t run, const struct run_row *row, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_RUNS, INSERT_INPUT, err);
	if (!q)
		return false;
	query_int(q, "run", run);
	query_text(q, "payload", row->payload);
	query_text(q, "guise", row->guise);
	return query_run(q, NULL, err);
}

bool
runs_insert(struct store *store, const struct run_row *row, int64_t *ret_seq, bool *ret_ready,
	    struct err *err)
{
	int64_t seq = row->seq ? row->seq : store->next_run;
	bool taken = false;
	if (row->entity && !is_taken(store, ENTITY_TAKEN, "entity", row->entity, &taken, err))
		return false;
	if (row->session && !is_taken(store, SESSION_TAKEN, "session", row->session, &taken, err))
		return false;
	AUTO(query_end) struct query *q = query_write(store, ROOM_RUNS, INSERT, err);
	if (!q)
		return false;
	bool ready = !taken && !wall_is_set(row->due);
	query_row(q, row);
	query_int(q, "seq", seq);
	query_int(q, "ready", ready);
	/* Mostly the run's own id: then it is not written twice. */
	if (row->correlation && row->id && !strcmp(row->correlation, row->id))
		query_text(q, "correlation", NULL);
	if (!query_run(q, NULL, err) || (row->payload && !input_insert(store, seq, row, err)))
		return false;
	if (seq >= store->next_run)
		store->next_run = seq + 1;
	*ret_seq = seq;
	*ret_ready = ready;
	return true;
}

/* --- one, or many --- */

bool
runs_get(struct store *store, const char *id, struct run_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_RUNS, BY_ID, err);
	return q && query_by_id(q, "run", id, ret, err);
}

bool
runs_get_seq(struct store *store, int64_t seq, struct run_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_RUNS, BY_SEQ, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	return query_one(q, ret, "this run", err);
}

static const char *const columns[] = {"status", "agent",  "trigger", "batch",	"entity", "tenant",
				      "key",	"reason", "dead",    "session", NULL};
static const struct list_variant variants[] = {
	{"batch", NULL, LIST_BATCH},
	{"session", NULL, LIST_SESSION},
	{"dead", "1", LIST_DEAD},
	{"status", "failed", LIST_STATUS},
	{"status", "running", LIST_STATUS},
	{"status", "waiting", LIST_STATUS},
	{"status", "cancelled", LIST_STATUS},
	{"status", "skipped", LIST_STATUS},
	{NULL, NULL, LIST},
};
static const struct list_def runs_def = {
	.room = ROOM_RUNS,
	.noun = "run",
	.columns = columns,
	.variants = variants,
	.time_offset = offsetof(struct run_row, created),
};

struct run_listing {
	bool (*fn)(void *arg, const struct run_row *row);
	void *arg;
};

static bool
run_give(void *arg, const void *row)
{
	struct run_listing *l = arg;
	return l->fn(l->arg, row);
}

bool
runs_list(struct store *store, const struct list_query *query,
	  bool (*fn)(void *arg, const struct run_row *row), void *arg, struct err *err)
{
	struct run_listing l = {fn, arg};
	return list_run(store, &runs_def, query, run_give, &l, err);
}

/* --- the next one --- */

static bool
listed(const char *const *names, struct str name)
{
	for (; names && *names; names++) {
		if (str_eq_cstr(name, *names))
			return true;
	}
	return false;
}

/* *ret_seq 0: none. */
static bool
next_after(struct store *store, const char *agent, const char *tenant, int priority,
	   const char *const *skip_trigger, int64_t *after, int64_t *ret_seq, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_RUNS, NEXT_AFTER, err);
	if (!q)
		return false;
	query_text(q, "agent", agent);
	query_text(q, "tenant", tenant);
	query_int(q, "priority", priority);
	query_int(q, "after", *after);
	while ((step = query_step(q, err)) == STEP_ROW) {
		int64_t seq = query_get_int(q, 0);
		if (!listed(skip_trigger, query_get_text(q, 1))) {
			*ret_seq = seq;
			return true;
		}
		*after = seq;
	}
	return step == STEP_DONE;
}

static bool
peek_past(struct store *store, const char *agent, const char *tenant,
	  const char *const *skip_trigger, struct run_place *place, int *ret_priority,
	  int64_t *ret_seq, struct err *err)
{
	if (place->epoch != store->order_epoch)
		memset(place, 0, sizeof(*place));
	place->epoch = store->order_epoch;
	*ret_seq = 0;
	for (int priority = 0; !*ret_seq && priority < RUN_PRIORITIES; priority++) {
		*ret_priority = priority;
		if (!next_after(store, agent, tenant, priority, skip_trigger,
				&place->after[priority], ret_seq, err))
			return false;
	}
	return true;
}

bool
runs_peek(struct store *store, const char *agent, const char *tenant,
	  const char *const *skip_trigger, struct run_place *place, int *ret_priority,
	  int64_t *ret_seq, struct err *err)
{
	if (skip_trigger && *skip_trigger)
		return peek_past(store, agent, tenant, skip_trigger, place, ret_priority, ret_seq,
				 err);
	AUTO(query_end) struct query *q = query_read(store, ROOM_RUNS, NEXT, err);
	if (!q)
		return false;
	query_text(q, "agent", agent);
	query_text(q, "tenant", tenant);
	enum driver_step step = query_step(q, err);
	*ret_seq = 0;
	if (step == STEP_ROW) {
		*ret_priority = (int)query_get_int(q, 0);
		*ret_seq = query_get_int(q, 1);
	}
	return step != STEP_FAILED;
}

bool
runs_next_tenant(struct store *store, const char *agent, struct buf *tenant, bool *ret_found,
		 struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_RUNS, NEXT_TENANT, err);
	if (!q)
		return false;
	query_text(q, "agent", agent);
	query_text(q, "tenant", buf_cstr(tenant));
	enum driver_step step = query_step(q, err);
	*ret_found = step == STEP_ROW;
	if (step == STEP_ROW) {
		buf_clear(tenant);
		buf_add_str(tenant, query_get_text(q, 0));
	}
	return step != STEP_FAILED;
}
