/* Events: what arrived, and the word it ended in. */
/* SPDX-License-Identifier: MIT */
#include "store/events.h"

#include "store/internal.h"

#define BRIEF                                                                                      \
	"SELECT e.seq, e.id, e.trigger, e.source, e.outcome, e.rule, e.key, e.subject, e.time, "   \
	"e.run, r.id AS run_id FROM events e LEFT JOIN runs r ON r.seq = e.run "
#define WHOLE                                                                                      \
	"SELECT e.seq, e.id, e.trigger, e.source, e.outcome, e.rule, e.key, e.subject, e.time, "   \
	"e.run, r.id AS run_id, e.document FROM events e LEFT JOIN runs r ON r.seq = e.run "
#define FILTERED                                                                                   \
	"(:trigger IS NULL OR e.trigger = :trigger) AND (:source IS NULL OR e.source = :source) "  \
	"AND (:outcome IS NULL OR e.outcome = :outcome) AND (:key IS NULL OR e.key = :key) "       \
	"AND (:run IS NULL OR r.id = :run) AND e.seq < :before ORDER BY e.seq DESC"

enum {
	INSERT,
	SETTLE,
	BY_ID,
	BY_SEQ,
	LAST,
	NEWEST,
	LIST,
	LIST_TRIGGER,
	LIST_OUTCOME,
	LIST_RUN,
	STATEMENTS
};

static const struct statement list[] = {
	[INSERT] = {"INSERT INTO events (seq, id, trigger, source, outcome, rule, key, subject, "
		    "time, run, document, traceparent) "
		    "VALUES (:seq, :id, :trigger, :source, :outcome, :rule, :key, :subject, :time, "
		    ":run, :document, :traceparent)",
		    &event_shape},
	[SETTLE] =
		{"UPDATE events SET outcome = :outcome, rule = :rule, run = :run WHERE seq = :seq",
		 NULL},
	[BY_ID] = {WHOLE "WHERE e.id >= :lo AND e.id < :hi ORDER BY e.id LIMIT 2", &event_shape},
	[BY_SEQ] = {WHOLE "WHERE e.seq = :seq", &event_shape},
	[LAST] = {WHOLE "WHERE e.trigger = :trigger ORDER BY e.seq DESC LIMIT 1", &event_shape},
	[NEWEST] = {"SELECT time, outcome FROM events WHERE trigger = :trigger ORDER BY seq DESC "
		    "LIMIT 1",
		    NULL},
	[LIST] = {BRIEF "WHERE " FILTERED, &event_shape},
	[LIST_TRIGGER] = {BRIEF "WHERE e.trigger = :trigger AND " FILTERED, &event_shape},
	[LIST_OUTCOME] = {BRIEF "WHERE e.outcome = :outcome AND e.outcome <> 'ran' AND " FILTERED,
			  &event_shape},
	/* A run has one event of its own, those that were gathered with it, and the replays that
	 * came after. */
	[LIST_RUN] = {BRIEF "WHERE (e.seq = (SELECT event FROM runs WHERE id = :run) OR "
			    "(e.outcome = 'replayed' AND e.outcome <> 'ran') OR "
			    "(e.outcome = 'coalesced' AND e.outcome <> 'ran')) AND " FILTERED,
		      &event_shape},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements events_statements = {"events", list, STATEMENTS};

int64_t
events_next_seq(struct store *store)
{
	return store->next_event;
}

bool
events_insert(struct store *store, const struct event_row *row, int64_t *ret_seq, struct err *err)
{
	int64_t seq = row->seq ? row->seq : store->next_event;
	AUTO(query_end) struct query *q = query_write(store, ROOM_EVENTS, INSERT, err);
	if (!q)
		return false;
	query_row(q, row);
	query_int(q, "seq", seq);
	if (!query_run(q, NULL, err))
		return false;
	if (seq >= store->next_event)
		store->next_event = seq + 1;
	*ret_seq = seq;
	return true;
}

bool
events_settle(struct store *store, int64_t seq, const char *outcome, const char *rule, int64_t run,
	      struct err *err)
{
	int64_t changed;
	AUTO(query_end) struct query *q = query_write(store, ROOM_EVENTS, SETTLE, err);
	if (!q)
		return false;
	query_text(q, "outcome", outcome);
	query_text(q, "rule", rule);
	query_ref(q, "run", run);
	query_int(q, "seq", seq);
	if (!query_run(q, &changed, err))
		return false;
	return changed || err_set(err, E_NOT_FOUND, "event number %lld is unknown", (long long)seq);
}

bool
events_get(struct store *store, const char *id, struct event_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_EVENTS, BY_ID, err);
	return q && query_by_id(q, "event", id, ret, err);
}

bool
events_get_seq(struct store *store, int64_t seq, struct event_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_EVENTS, BY_SEQ, err);
	if (!q)
		return false;
	query_int(q, "seq", seq);
	return query_one(q, ret, "this event", err);
}

bool
events_last(struct store *store, const char *trigger, struct event_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_EVENTS, LAST, err);
	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	return query_one(q, ret, "an event of this trigger", err);
}

bool
events_newest(struct store *store, const char *trigger, struct wall *ret_time,
	      struct buf *ret_outcome, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_EVENTS, NEWEST, err);

	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	switch (query_step(q, err)) {
	case STEP_ROW:
		*ret_time = query_get_wall(q, 0);
		buf_add_str(ret_outcome, query_get_text(q, 1));
		return true;
	case STEP_DONE:
		return err_set(err, E_NOT_FOUND, "trigger %s has no event yet", trigger);
	default:
		return false;
	}
}

static const char *const columns[] = {"trigger", "source", "outcome", "key", "run", NULL};
static const struct list_variant variants[] = {
	{"run", NULL, LIST_RUN},
	{"trigger", NULL, LIST_TRIGGER},
	{"outcome", "replayed", LIST_OUTCOME},
	{"outcome", "filtered", LIST_OUTCOME},
	{"outcome", "coalesced", LIST_OUTCOME},
	{"outcome", "skipped", LIST_OUTCOME},
	{"outcome", "shed", LIST_OUTCOME},
	{"outcome", "held", LIST_OUTCOME},
	{"outcome", "rejected", LIST_OUTCOME},
	{"outcome", "looped", LIST_OUTCOME},
	{"outcome", "paused", LIST_OUTCOME},
	{NULL, NULL, LIST},
};
static const struct list_def events_def = {
	.room = ROOM_EVENTS,
	.noun = "event",
	.columns = columns,
	.variants = variants,
	.time_offset = offsetof(struct event_row, time),
};

struct event_listing {
	bool (*fn)(void *arg, const struct event_row *row);
	void *arg;
};

static bool
event_give(void *arg, const void *row)
{
	struct event_listing *l = arg;
	return l->fn(l->arg, row);
}

bool
events_list(struct store *store, const struct list_query *query,
	    bool (*fn)(void *arg, const struct event_row *row), void *arg, struct err *err)
{
	struct event_listing l = {fn, arg};
	return list_run(store, &events_def, query, event_give, &l, err);
}
