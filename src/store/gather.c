/* Gatherings: events that are held back on disk until one run is made of them. */
/* SPDX-License-Identifier: MIT */
#include "store/gather.h"

#include "store/internal.h"

#define OPEN                                                                                       \
	"SELECT g.n, g.bytes, g.due, g.latest, g.wait_ms, g.seq, g.event, g.agent, g.trigger, "    \
	"g.priority, g.entity, g.tenant, g.\"user\", g.max_attempts, g.created, "                  \
	"g.limit_deadline_ms, g.limit_steps, g.limit_tools, g.limit_tokens, g.limit_context, "     \
	"g.limit_cost_uusd, g.limit_output_bytes, g.source, g.intent, g.mode, g.key, "             \
	"g.correlation, g.traceparent, g.trust, g.config_commit, g.root, g.parent, g.hops, "       \
	"g.schedule, g.replay_of, g.session_name, e.id AS event_id, e.time AS event_time FROM "    \
	"gatherings g LEFT "                                                                       \
	"JOIN events e ON e.seq = g.event "

enum {
	FIND,
	GET,
	INSERT,
	UPDATE,
	ADD,
	EACH,
	SETTLE,
	SETTLE_FIRST,
	DELETE,
	DUE,
	NEXT,
	CLAMP,
	HURRY,
	COUNT,
	COUNT_TRIGGER,
	TRIGGERS,
	STATEMENTS
};

static const struct statement list[] = {
	[FIND] = {OPEN "WHERE g.trigger = :trigger AND COALESCE(g.entity, '') = COALESCE(:entity, "
		       "'') AND COALESCE(g.tenant, '') = COALESCE(:tenant, '') AND "
		       "COALESCE(g.\"user\", '') = COALESCE(:user, '') AND "
		       "COALESCE(g.session_name, '') = COALESCE(:session_name, '')",
		  &run_shape},
	[GET] = {OPEN "WHERE g.seq = :seq", &run_shape},
	[INSERT] = {"INSERT INTO gatherings (seq, n, bytes, due, latest, wait_ms, event, agent, "
		    "trigger, priority, entity, tenant, \"user\", max_attempts, created, "
		    "limit_deadline_ms, limit_steps, limit_tools, limit_tokens, limit_context, "
		    "limit_cost_uusd, limit_output_bytes, source, intent, mode, key, correlation, "
		    "traceparent, trust, config_commit, root, parent, hops, schedule, replay_of, "
		    "session_name) "
		    "VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM gatherings), 1, 0, :closes, "
		    ":latest, :wait_ms, :event, :agent, :trigger, :priority, :entity, :tenant, "
		    ":user, :max_attempts, :created, :limit_deadline_ms, :limit_steps, "
		    ":limit_tools, :limit_tokens, :limit_context, :limit_cost_uusd, "
		    ":limit_output_bytes, :source, :intent, :mode, :key, :correlation, "
		    ":traceparent, :trust, :config_commit, :root, :parent, :hops, :schedule, "
		    ":replay_of, :session_name) RETURNING seq",
		    &run_shape},
	[UPDATE] = {"UPDATE gatherings SET n = :n, bytes = :bytes, due = :closes, trust = :trust, "
		    "mode = :mode, hops = :hops WHERE seq = :gathering",
		    &run_shape},
	[ADD] = {"INSERT INTO gathered (gathering, n, event, payload) VALUES (:gathering, :n, "
		 ":event, :payload)",
		 NULL},
	[EACH] = {"SELECT g.payload, CASE WHEN g.payload IS NULL THEN e.document END FROM "
		  "gathered g LEFT JOIN events e ON e.seq = g.event WHERE g.gathering = "
		  ":gathering ORDER BY g.n",
		  NULL},
	[SETTLE] = {"UPDATE events SET run = :run WHERE seq IN (SELECT event FROM gathered WHERE "
		    "gathering = :gathering)",
		    NULL},
	[SETTLE_FIRST] = {"UPDATE events SET outcome = 'ran', rule = :rule WHERE seq = :event AND "
			  "outcome = 'held'",
			  NULL},
	[DELETE] = {"DELETE FROM gatherings WHERE seq = :gathering", NULL},
	[DUE] = {"SELECT seq FROM gatherings WHERE due <= :now ORDER BY due LIMIT 1", NULL},
	[NEXT] = {"SELECT MIN(due) FROM gatherings", NULL},
	[CLAMP] = {"UPDATE gatherings SET due = MIN(due, :now + wait_ms), latest = :now + wait_ms "
		   "WHERE latest > :now + wait_ms",
		   NULL},
	[HURRY] = {"UPDATE gatherings SET due = :now WHERE trigger = :trigger AND due > :now",
		   NULL},
	[COUNT] = {"SELECT COUNT(*), SUM(n), MIN(created), MIN(due) FROM gatherings", NULL},
	[COUNT_TRIGGER] = {"SELECT COUNT(*), SUM(n), MIN(created), MIN(due) FROM gatherings WHERE "
			   "trigger = :trigger",
			   NULL},
	[TRIGGERS] = {"SELECT DISTINCT trigger FROM gatherings", NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements gather_statements = {"gather", list, STATEMENTS};

void
gathering_fini(struct gathering *gathering)
{
	run_row_fini(&gathering->run);
}

/* --- one --- */

static bool
gathering_read(struct query *q, struct gathering *ret, struct err *err)
{
	switch (query_step(q, err)) {
	case STEP_ROW:
		query_get_row(q, &ret->run, false);
		ret->n = query_get_int(q, 0);
		ret->bytes = query_get_int(q, 1);
		ret->due = query_get_wall(q, 2);
		ret->latest = query_get_wall(q, 3);
		ret->wait_ms = query_get_int(q, 4);
		ret->seq = ret->run.seq;
		ret->run.seq = 0;
		ret->run.due = WALL_NONE;
		return true;
	case STEP_DONE:
		ret->seq = 0;
		return true;
	default:
		return false;
	}
}

bool
gatherings_find(struct store *store, const struct run_row *run, struct gathering *ret,
		struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_GATHER, FIND, err);
	if (!q)
		return false;
	query_row(q, run);
	return gathering_read(q, ret, err);
}

bool
gatherings_get(struct store *store, int64_t seq, struct gathering *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_GATHER, GET, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	return gathering_read(q, ret, err) &&
	       (ret->seq ||
		err_set(err, E_NOT_FOUND, "gathering number %lld is unknown", (long long)seq));
}

bool
gatherings_open(struct store *store, struct gathering *gathering, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_GATHER, INSERT, err);
	if (!q)
		return false;
	query_row(q, &gathering->run);
	query_wall(q, "closes", gathering->due);
	query_wall(q, "latest", gathering->latest);
	query_int(q, "wait_ms", gathering->wait_ms);
	return query_number(q, 0, &gathering->seq, err) && query_run(q, NULL, err);
}

static bool
event_add(struct store *store, const struct gathering *gathering, int64_t event,
	  const char *payload, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_GATHER, ADD, err);
	if (!q)
		return false;
	query_int(q, "gathering", gathering->seq);
	query_int(q, "n", gathering->n);
	query_int(q, "event", event);
	query_text(q, "payload", payload);
	return query_run(q, NULL, err);
}

bool
gatherings_add(struct store *store, const struct gathering *gathering, int64_t event,
	       const char *payload, struct err *err)
{
	if (!event_add(store, gathering, event, payload, err))
		return false;
	AUTO(query_end) struct query *q = query_write(store, ROOM_GATHER, UPDATE, err);
	if (!q)
		return false;
	query_row(q, &gathering->run);
	query_int(q, "n", gathering->n);
	query_int(q, "bytes", gathering->bytes);
	query_wall(q, "closes", gathering->due);
	query_int(q, "gathering", gathering->seq);
	return query_run(q, NULL, err);
}

bool
gatherings_each(struct store *store, int64_t seq,
		bool (*fn)(void *arg, struct str payload, struct str document), void *arg,
		struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_GATHER, EACH, err);
	if (!q)
		return false;
	query_int(q, "gathering", seq);
	while ((step = query_step(q, err)) == STEP_ROW) {
		if (!fn(arg, query_get_text(q, 0), query_get_text(q, 1)))
			return true;
	}
	return step == STEP_DONE;
}

/* --- its end --- */

static bool
events_belong(struct store *store, int64_t gathering, int64_t run, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_GATHER, SETTLE, err);
	if (!q)
		return false;
	query_int(q, "run", run);
	query_int(q, "gathering", gathering);
	return query_run(q, NULL, err);
}

static bool
first_ran(struct store *store, int64_t event, const char *rule, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_GATHER, SETTLE_FIRST, err);
	if (!q)
		return false;
	query_text(q, "rule", rule);
	query_int(q, "event", event);
	return query_run(q, NULL, err);
}

bool
gatherings_close(struct store *store, const struct gathering *gathering, int64_t run,
		 const char *rule, struct err *err)
{
	if (!events_belong(store, gathering->seq, run, err) ||
	    !first_ran(store, gathering->run.event, rule, err))
		return false;
	AUTO(query_end) struct query *q = query_write(store, ROOM_GATHER, DELETE, err);
	if (!q)
		return false;
	query_int(q, "gathering", gathering->seq);
	return query_run(q, NULL, err);
}

/* --- all of them --- */

bool
gatherings_due(struct store *store, struct wall now, int64_t *ret_seq, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_GATHER, DUE, err);
	if (!q)
		return false;
	query_wall(q, "now", now);
	return query_number(q, 0, ret_seq, err);
}

bool
gatherings_next(struct store *store, struct wall *ret_due, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_GATHER, NEXT, err);
	return q && query_number(q, WALL_NONE.ms, &ret_due->ms, err);
}

bool
gatherings_clamp(struct store *store, struct wall now, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_GATHER, CLAMP, err);
	if (!q)
		return false;
	query_wall(q, "now", now);
	return query_run(q, NULL, err);
}

bool
gatherings_hurry(struct store *store, const char *trigger, struct wall now, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_GATHER, HURRY, err);
	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	query_wall(q, "now", now);
	return query_run(q, NULL, err);
}

bool
gatherings_count(struct store *store, const char *trigger, struct gatherings_count *ret,
		 struct err *err)
{
	AUTO(query_end)
	struct query *q = query_read(store, ROOM_GATHER, trigger ? COUNT_TRIGGER : COUNT, err);
	if (!q)
		return false;
	if (trigger)
		query_text(q, "trigger", trigger);
	if (query_step(q, err) != STEP_ROW)
		return false;
	*ret = (struct gatherings_count){.open = query_get_int(q, 0),
					 .events = query_get_int(q, 1),
					 .oldest = query_get_wall(q, 2),
					 .next = query_get_wall(q, 3)};
	return true;
}

bool
gatherings_triggers(struct store *store, bool (*fn)(void *arg, const char *trigger), void *arg,
		    struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_GATHER, TRIGGERS, err);
	if (!q)
		return false;
	while ((step = query_step(q, err)) == STEP_ROW) {
		if (!fn(arg, query_get_text(q, 0).p))
			return true;
	}
	return step == STEP_DONE;
}
