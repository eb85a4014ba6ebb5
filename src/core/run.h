/* Runs: the life of one envelope. Rules only; rows are store/runs.h's. SPEC 8. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_RUN_H
#define ROUSE_CORE_RUN_H

#include "core/attempt.h"

#define RUN_STATES(X)                                                                              \
	X(RUN_QUEUED, "queued")                                                                    \
	X(RUN_RUNNING, "running")                                                                  \
	X(RUN_WAITING, "waiting")                                                                  \
	X(RUN_SUCCEEDED, "succeeded")                                                              \
	X(RUN_FAILED, "failed")                                                                    \
	X(RUN_CANCELLED, "cancelled")                                                              \
	X(RUN_SKIPPED, "skipped")
enum run_state {
#define X(id, name) id,
	RUN_STATES(X)
#undef X
		RUN_STATE_COUNT,
	RUN_NOWHERE = -1
};

enum run_event {
	RUN_CLAIM,
	RUN_WAIT,
	RUN_RESUME,
	RUN_SUCCEED,
	RUN_RETRY,
	RUN_FAIL,
	RUN_CANCEL,
	RUN_SKIP,
	RUN_EVENTS
};

const char *run_state_name(enum run_state state);
enum run_state run_state_of(const char *name); /* RUN_NOWHERE when unknown */
/* Where ev leads from state; RUN_NOWHERE: the grid forbids it. */
enum run_state run_next(enum run_state state, enum run_event ev);
bool run_is_final(enum run_state state);
const char *const *run_reasons(size_t *ret_count); /* the words of `failed` */

/* What an ended attempt means for its run. */
struct run_verdict {
	enum run_event event;	    /* RUN_SUCCEED RUN_FAIL RUN_RETRY RUN_CANCEL RUN_WAIT */
	const char *reason;	    /* NULL */
	const char *attempt_status; /* succeeded failed cancelled lost suspended */
	const char *attempt_reason;
	int64_t delay_ms;	      /* RUN_RETRY */
	enum breaker_outcome outcome; /* what it says about the agent */
};
/* random: of entropy, for the jitter. */
struct run_verdict run_judge(const struct attempt *attempt, const struct attempt_end *end,
			     uint64_t random);

/* By a person or the API. E_STATE when it has ended; E_NOT_FOUND. */
bool run_cancel(struct core *core, const char *run_id, const char *by, const char *reason,
		struct err *err);
/* A person has cancelled it, though its end may not be written yet. *ret_why: owned; NULL: nobody
 * has. */
bool run_unwanted(struct core *core, const char *run_id, char **ret_why, struct err *err);
/* A state that no attempt tells of, to whom it may concern. */
void run_tell(struct core *core, const char *id, const struct run_row *run, const char *status);
/* In the turn: one that has not ended fails; a live one through its attempt, once this is on disk.
 * reason: a literal. */
bool run_fail(struct core *core, int64_t seq, const char *reason, const char *text,
	      struct err *err);
/* One that waits is not wanted any more: `skipped`, and why. */
bool run_skip(struct core *core, const struct run_row *run, const char *why, struct err *err);
/* A failed or cancelled run goes again (a new run with the same payload, replay_of set).
 * ret_run_id: owned. payload NULL: the same. */
bool run_replay(struct core *core, const char *run_id, const char *payload, const char *by,
		char **ret_run_id, struct err *err);
/* A run that has ended goes on as a new one from its checkpoint, with what its steps gave and what
 * was decided. One that a budget stopped keeps what it has used, and asks for a larger limit
 * (E_BUDGET otherwise). limits: those of the new run, INT64_MIN: as they were. */
bool run_retry(struct core *core, const char *run_id, const struct run_limits *limits,
	       const char *by, char **ret_run_id, struct err *err);
#define RUN_LIMITS_AS_THEY_WERE                                                                    \
	((struct run_limits){INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN,     \
			     INT64_MIN})
bool run_drop(struct core *core, const char *run_id, const char *by, const char *reason,
	      struct err *err);
/* A live run waits for a person (running to waiting), or goes on; nothing to do where it does not
 * stand there. */
bool run_wait(struct core *core, int64_t seq, bool waits, struct err *err);
/* {"type":"input","text":…} to a live run. */
bool run_send(struct core *core, const char *run_id, const char *text, struct err *err);

/* A state that no attempt tells of, to whom it may concern: status of run, under id. */
void run_tell(struct core *core, const char *id, const struct run_row *run, const char *status);

/* A run as SPEC 13's object. full: with envelope, attempts, changes. */
json_t *run_object(struct core *core, const struct run_row *run, bool full);

#endif
