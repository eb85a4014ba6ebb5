/* Runs: made, found, listed, and which is next. Rows only; the grid is core/run.h's. */
/* SPDX-License-Identifier: MIT */
#include "store/runs.h"

#include <stdlib.h>

#include "store/internal.h"

#define PRIORITIES 3
#define LIVE "('queued', 'running', 'waiting')"
#define RUN                                                                                        \
	"SELECT r.seq, r.id, r.event, r.agent, r.trigger, r.status, r.priority, r.entity, r.due, r.held, " \
	"r.attempts, r.max_attempts, r.created, r.started, r.ended, r.reason, r.error, "           \
	"r.dropped, "                                                                              \
	"r.active_ms, r.steps, r.tools, r.input_tokens, r.output_tokens, r.cache_tokens, "         \
	"r.context, r.cost_uusd, r.output_bytes, r.limit_deadline_ms, r.limit_steps, "             \
	"r.limit_tools, r.limit_tokens, r.limit_context, r.limit_cost_uusd, "                      \
	"r.limit_output_bytes, r.source, r.intent, r.mode, r.batch, r.tenant, r.\"user\", r.key, " \
	"COALESCE(r.correlation, r.id) AS correlation, r.traceparent, r.trust, r.config_commit, "  \
	"r.session, r.root, r.parent, r.hops, r.schedule, r.replay_of, e.id AS event_id, "         \
	"e.time AS event_time"
#define JOINS " FROM runs r LEFT JOIN events e ON e.seq = r.event "
#define WHOLE                                                                                      \
	RUN ", i.payload, o.result, o.expect, o.checkpoint, o.completed_steps, o.decisions" JOINS            \
	    "LEFT JOIN run_inputs i ON i.run = r.seq LEFT JOIN run_outputs o ON o.run = r.seq "
/* Without what is large: a list of a thousand is a list of ids and states. */
#define BRIEF RUN ", o.result" JOINS "LEFT JOIN run_outputs o ON o.run = r.seq "
#define FILTERED                                                                                   \
	"(:status IS NULL OR r.status = :status) AND (:agent IS NULL OR r.agent = :agent) AND "    \
	"(:trigger IS NULL OR r.trigger = :trigger) AND (:batch IS NULL OR r.batch = :batch) AND " \
	"(:entity IS NULL OR r.entity = :entity) AND (:tenant IS NULL OR r.tenant = :tenant) AND " \
	"(:key IS NULL OR r.key = :key) AND (:reason IS NULL OR r.reason = :reason) AND "          \
	"(:dead IS NULL OR (r.status = 'failed' AND r.dropped = 0) = (:dead = '1')) AND "          \
	"r.seq < :before ORDER BY r.seq DESC"
#define RARE "r.status NOT IN ('queued', 'succeeded') AND "

enum {
	INSERT,
	INSERT_INPUT,
	ENTITY_TAKEN,
	BY_ID,
	BY_SEQ,
	PEEK,
	LIST,
	LIST_STATUS,
	LIST_DEAD,
	LIST_BATCH,
	STATEMENTS
};

static const struct statement list[] = {
	[INSERT] = {"INSERT INTO runs (seq, id, event, agent, trigger, status, ready, priority, "
		    "entity, due, attempts, "
		    "max_attempts, created, limit_deadline_ms, limit_steps, limit_tools, "
		    "limit_tokens, limit_context, "
		    "limit_cost_uusd, limit_output_bytes, source, intent, mode, batch, tenant, "
		    "\"user\", key, correlation, "
		    "traceparent, trust, config_commit, session, root, parent, hops, schedule, "
		    "replay_of) "
		    "VALUES (:seq, :id, :event, :agent, :trigger, 'queued', :ready, :priority, "
		    ":entity, :due, :attempts, "
		    ":max_attempts, :created, :limit_deadline_ms, :limit_steps, :limit_tools, "
		    ":limit_tokens, :limit_context, "
		    ":limit_cost_uusd, :limit_output_bytes, :source, :intent, :mode, :batch, "
		    ":tenant, :user, :key, :correlation, "
		    ":traceparent, :trust, :config_commit, :session, :root, :parent, :hops, "
		    ":schedule, :replay_of)",
		    &run_shape},
	[INSERT_INPUT] = {"INSERT INTO run_inputs (run, payload) VALUES (:run, :payload)", NULL},
	[ENTITY_TAKEN] = {"SELECT 1 FROM runs WHERE entity = :entity AND status IN " LIVE
			  " LIMIT 1",
			  NULL},
	[BY_ID] = {WHOLE "WHERE r.id >= :lo AND r.id < :hi ORDER BY r.id LIMIT 2", &run_shape},
	[BY_SEQ] = {WHOLE "WHERE r.seq = :seq", &run_shape},
	[PEEK] = {"SELECT seq, trigger, tenant FROM runs WHERE agent = :agent AND ready = 1 AND "
		  "priority = :priority "
		  "AND seq > :after AND status = 'queued' ORDER BY seq",
		  NULL},
	[LIST] = {BRIEF "WHERE " FILTERED, &run_shape},
	[LIST_STATUS] = {BRIEF "WHERE r.status = :status AND " RARE FILTERED, &run_shape},
	[LIST_DEAD] = {BRIEF "WHERE r.status = 'failed' AND r.dropped = 0 AND " FILTERED,
		       &run_shape},
	[LIST_BATCH] = {BRIEF "WHERE r.batch = :batch AND " FILTERED, &run_shape},
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
entity_taken(struct store *store, const char *entity, bool *ret, struct err *err)
{
	int64_t one = 0;
	AUTO(query_end) struct query *q = query_read(store, ROOM_RUNS, ENTITY_TAKEN, err);
	if (!q)
		return false;
	query_text(q, "entity", entity);
	if (!query_number(q, 0, &one, err))
		return false;
	*ret = one == 1;
	return true;
}

static bool
input_insert(struct store *store, int64_t run, const char *payload, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_RUNS, INSERT_INPUT, err);
	if (!q)
		return false;
	query_int(q, "run", run);
	query_text(q, "payload", payload);
	return query_run(q, NULL, err);
}

bool
runs_insert(struct store *store, const struct run_row *row, int64_t *ret_seq, bool *ret_ready,
	    struct err *err)
{
	int64_t seq = row->seq ? row->seq : store->next_run;
	bool taken = false;
	if (row->entity && !entity_taken(store, row->entity, &taken, err))
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
	if (!query_run(q, NULL, err) ||
	    (row->payload && !input_insert(store, seq, row->payload, err)))
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

static const char *const columns[] = {"status", "agent", "trigger", "batch", "entity",
				      "tenant", "key",	 "reason",  "dead",  NULL};
static const struct list_variant variants[] = {
	{"batch", NULL, LIST_BATCH},	    {"dead", "1", LIST_DEAD},
	{"status", "failed", LIST_STATUS},  {"status", "running", LIST_STATUS},
	{"status", "waiting", LIST_STATUS}, {"status", "cancelled", LIST_STATUS},
	{"status", "skipped", LIST_STATUS}, {NULL, NULL, LIST},
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

/* Where a look past paused runs ended, in each priority: what lies before is paused still, unless
 * the pauses or the order changed since. So a million queued runs of a paused trigger are walked
 * once, not at every look. */
struct peek_hint {
	struct peek_hint *next;
	char *agent, *pauses;
	uint64_t epoch;
	int64_t after[PRIORITIES];
};

void
hints_free(struct store *store)
{
	while (store->hints) {
		struct peek_hint *hint = store->hints;
		store->hints = hint->next;
		free(hint->agent);
		free(hint->pauses);
		free(hint);
	}
}

static bool
listed(const char *const *names, struct str name)
{
	for (; name.p && names && *names; names++) {
		if (str_eq_cstr(name, *names))
			return true;
	}
	return false;
}

static void
pauses_add(struct buf *out, const char *const *names)
{
	for (; names && *names; names++)
		buf_printf(out, "%s\n", *names);
	buf_putc(out, '\t');
}

static struct peek_hint *
hint_find(struct store *store, const char *agent, const char *pauses)
{
	struct peek_hint *hint = store->hints;
	while (hint && strcmp(hint->agent, agent) != 0)
		hint = hint->next;
	if (!hint) {
		hint = mem_alloc(sizeof(*hint));
		hint->agent = mem_strdup(agent);
		hint->next = store->hints;
		store->hints = hint;
	}
	if (!hint->pauses || strcmp(hint->pauses, pauses) != 0 ||
	    hint->epoch != store->order_epoch) {
		free(hint->pauses);
		hint->pauses = mem_strdup(pauses);
		hint->epoch = store->order_epoch;
		memset(hint->after, 0, sizeof(hint->after));
	}
	return hint;
}

/* *ret_seq 0: none. */
static bool
peek_seq(struct store *store, const char *agent, int priority, const char *const *skip_trigger,
	 const char *const *skip_tenant, struct peek_hint *hint, int64_t *ret_seq, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_RUNS, PEEK, err);
	if (!q)
		return false;
	query_text(q, "agent", agent);
	query_int(q, "priority", priority);
	query_int(q, "after", hint ? hint->after[priority] : 0);
	while ((step = query_step(q, err)) == STEP_ROW) {
		int64_t seq = query_get_int(q, 0);
		if (!hint || (!listed(skip_trigger, query_get_text(q, 1)) &&
			      !listed(skip_tenant, query_get_text(q, 2)))) {
			*ret_seq = seq;
			return true;
		}
		hint->after[priority] = seq;
	}
	return step == STEP_DONE;
}

bool
runs_peek(struct store *store, const char *agent, const char *const *skip_trigger,
	  const char *const *skip_tenant, struct run_row *ret, struct err *err)
{
	AUTO(buf_fini) struct buf pauses = BUF_INIT;
	struct peek_hint *hint = NULL;
	int64_t seq = 0;
	if ((skip_trigger && *skip_trigger) || (skip_tenant && *skip_tenant)) {
		pauses_add(&pauses, skip_trigger);
		pauses_add(&pauses, skip_tenant);
		hint = hint_find(store, agent, buf_cstr(&pauses));
	}
	for (int priority = 0; !seq && priority < PRIORITIES; priority++) {
		if (!peek_seq(store, agent, priority, skip_trigger, skip_tenant, hint, &seq, err))
			return false;
	}
	if (!seq)
		return err_set(err, E_NOT_FOUND, "no run of agent %s is ready", agent);
	return runs_get_seq(store, seq, ret, err);
}
