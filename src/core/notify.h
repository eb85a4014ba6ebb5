/* Notifications: what people are told of by themselves. SPEC 3 [notify], 12. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_NOTIFY_H
#define ROUSE_CORE_NOTIFY_H

#include "core/registry.h"

/* What is told, and the word of the key `on` that asks for it. The order is that of urgency. */
#define NOTIFY_EVENTS_LIST(X)                                                                      \
	X(NOTIFY_GATE, "gate", "question", "questions")                                            \
	X(NOTIFY_GATE_TIMEOUT, "gate", "unanswered question", "unanswered questions")              \
	X(NOTIFY_BATCH_READY, "batch_ready", "batch to review", "batches to review")               \
	X(NOTIFY_BREAKER_OPEN, "breaker_open", "open breaker", "open breakers")                    \
	X(NOTIFY_BUDGET, "budget", "budget warning", "budget warnings")                            \
	X(NOTIFY_STORE, "store", "full database", "full databases")                                \
	X(NOTIFY_QUEUE, "queue", "late queue", "late queues")                                      \
	X(NOTIFY_SOURCE, "source", "source in trouble", "sources in trouble")                      \
	X(NOTIFY_LOST, "lost", "lost run", "lost runs")                                            \
	X(NOTIFY_FAILED, "failed", "failed run", "failed runs")                                    \
	X(NOTIFY_STALLED, "stalled", "silent run", "silent runs")                                  \
	X(NOTIFY_TEST, "test", "test", "tests")
enum notify_event {
#define X(id, word, one, many) id,
	NOTIFY_EVENTS_LIST(X)
#undef X
		NOTIFY_EVENTS
};

/* Borrowed; NULL or 0 where there is none. No secret may stand in any of it. */
struct notify_fact {
	enum notify_event event;
	/* What is alike, and told of as one with a count: "agent/billing". NULL: the event alone.
	 */
	const char *topic;
	const char *subject; /* a few words: "billing failed: exhausted" */
	const char *text;    /* what happened, a sentence or more */
	const char *todo;    /* the command that shows it, or does something about it */
	const char *agent, *trigger, *tenant;
	int64_t run;
	const char *run_id, *gate, *batch;
};

struct notify *notify_new(struct core *core);
/* What is being sent is left; the next daemon sends it again. */
void notify_free(struct notify *notify);
/* Another generation is in force, or the first. What waits for a name that is gone is given up. */
void notify_reload(struct core *core);

/* Does anybody want to hear of it? Cheap: to be asked before a fact is put together. */
bool notify_wants(const struct core *core, enum notify_event event);
/* In the turn of its cause: a row for each [notify] that wants it. False: the turn or its savepoint
 * is to be undone. */
bool notify_raise(struct core *core, const struct notify_fact *fact, struct err *err);
/* The same where there is no turn to undo: a failure is logged. */
void notify_say(struct core *core, const struct notify_fact *fact);

/* The facts that more than one room tells of. */
bool notify_run_failed(struct core *core, const struct run_row *run, const char *reason,
		       const char *error, struct err *err);
bool notify_gate(struct core *core, const struct gate_row *gate, const struct run_row *run,
		 struct err *err);
struct batch_row;
/* It has come to review, or failed (state); error may be NULL. */
bool notify_batch(struct core *core, const struct batch_row *batch, const char *state,
		  const char *error, struct err *err);

/* Each [notify], for people: name kind on waiting sent dropped last_sent last_error. */
json_t *notify_objects(struct core *core);
/* Sends one message now, beside what waits. E_NOT_FOUND for the name; on_done once, not from
 * within: err is E_OK when it was taken. */
bool notify_try(struct core *core, const char *name,
		void (*on_done)(void *arg, const struct err *err), void *arg, struct err *err);

/* What a run's story says of it: fn(name of notify, "sent" "waiting" "dropped", error). */
bool notify_told(struct core *core, int64_t run,
		 void (*fn)(void *arg, const char *notify, const char *event, struct wall first,
			    const char *state, struct wall at, const char *error),
		 void *arg, struct err *err);

#endif
