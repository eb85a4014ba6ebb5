/* Rows: what the tables hold, as structs. Text is owned by the row; *_fini frees it. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_ROWS_H
#define ROUSE_STORE_ROWS_H

#include "store/store.h"

/* Names of states, SPEC's words, in the order of the enums of core; the schema's CHECKs list the
 * same. Text in rows, so that people can read the file with sqlite3. */

struct event_row {
	int64_t seq; /* order of arrival */
	char *id;    /* UUIDv7 */
	char *trigger, *source, *outcome, *rule, *key, *subject;
	struct wall time;
	int64_t run;	   /* seq of its run; 0: none */
	char *run_id;	   /* of that run; NULL */
	char *document;	   /* the CloudEvent, JSON text; NULL where a list left it out */
	char *traceparent; /* that it came with; NULL: it begins a trace of its own */
};
void event_row_fini(struct event_row *row);

/* What a run may use, and what it has used. -1: no limit. */
struct run_limits {
	int64_t deadline_ms, steps, tools, tokens, context, cost_uusd, output_bytes;
};
struct run_meters {
	int64_t active_ms, steps, tools, input_tokens, output_tokens, cache_tokens, context,
		cost_uusd, output_bytes;
};
/* Counts that only grow stay at the top rather than turn over. */
static inline int64_t
add_up(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}
/* What budgets and people call tokens: in and out. */
static inline int64_t
meters_tokens(const struct run_meters *used)
{
	return add_up(used->input_tokens, used->output_tokens);
}

struct run_row {
	int64_t seq;	/* order of arrival */
	char *id;	/* UUIDv7 */
	int64_t event;	/* seq of the event */
	char *event_id; /* joined */
	char *trigger, *source, *agent, *intent, *mode, *batch, *entity, *tenant, *user, *key;
	char *correlation, *traceparent, *trust, *config_commit;
	char *session;	    /* id; NULL: it is of none */
	char *session_name; /* of one that is still to be joined, or as session_recall() found it */
	int turn;	    /* of its session: 1 is the first; 0 */
	char *held;	    /* queued: the scope that has no money left for it; NULL */
	char *root, *parent; /* cause: event ids */
	int hops;
	int priority; /* 0 high, 1 normal, 2 low */
	char *status, *reason, *error;
	char *payload;	/* JSON; NULL: the event's data */
	char *guise;	/* JSON: entity tenant user trigger, as its envelope says; NULL: its own */
	char *schedule; /* JSON; NULL */
	char *result;	/* JSON; NULL */
	char *expect;	/* JSON: what `expect` gave; NULL: it was not asked */
	char *checkpoint, *completed_steps, *decisions; /* JSON; NULL */
	int attempts;					/* started so far */
	int max_attempts;
	struct wall created, started, ended, event_time; /* WALL_NONE: not yet */
	struct wall due;				 /* queued: not before; WALL_NONE: now */
	struct run_limits limits;
	struct run_meters used;
	bool dropped;	 /* a dead letter that someone dropped */
	char *replay_of; /* id of the run that this one replays; NULL */
};
void run_row_fini(struct run_row *row);

struct attempt_row {
	int64_t run;  /* runs.seq */
	int n;	      /* from 1 */
	char *status; /* running succeeded failed cancelled lost suspended */
	char *reason, *error;
	char *agent;	/* that carried it, where it was not the run's own (fallback); NULL */
	char *executor; /* JSON: what the kind needs to find it again (pid, start, spool) */
	int exit_code, signal; /* -1, 0: none */
	struct wall started, ended, lease;
	int64_t offset; /* bytes of its output that have been handled */
	struct run_meters used;
	/* What it has worked beyond used.active_ms, counted at this time of CLOCK_BOOTTIME in this
	 * boot; 0: nobody knows. */
	int64_t worked_ms, counted_ms, boot;
};
void attempt_row_fini(struct attempt_row *row);

struct log_row {
	int64_t seq;
	int64_t run;
	int attempt;
	struct wall at;
	char *type; /* section 6's names, plus start, done, stderr */
	char *data; /* JSON object */
};
void log_row_fini(struct log_row *row);

struct change_row {
	int64_t seq;
	char *id;     /* UUIDv7 */
	int64_t run;  /* runs.seq */
	char *run_id; /* joined */
	char *batch, *target, *entity, *op, *status;
	char *before, *after, *patch; /* JSON; NULL */
	double confidence;	      /* -1: not said */
	char *reason, *key;
	bool partial; /* its run did not end well */
	char *digest; /* of what a person sees: target entity op before after patch; hex */
	char *decided_by, *decision_reason;
	char *receipt;	 /* JSON: what the target said when it was applied (ETag, rows, the true
			    before) */
	char *current;	 /* JSON: what was found instead of before (conflict); NULL */
	char *previous;	 /* JSON: what was approved before, and it differs from; NULL */
	char *unchecked; /* why its target was not asked when it was proposed; NULL */
	char *error;
	int attempts; /* at applying, or at reverting */
	struct wall created, decided_at, applied_at, reverted_at, due;
};
void change_row_fini(struct change_row *row);

struct gate_row {
	int64_t seq;
	char *id;
	int64_t run;
	char *run_id;
	char *kind; /* approval ask */
	char *step, *payload, *allow, *status, *decision, *decided_by, *reason, *answer;
	char *on_timeout; /* deny approve ignore fail; NULL: deny */
	struct wall created, expires, decided_at;
};
void gate_row_fini(struct gate_row *row);

struct token_row {
	char *name, *scopes, *hash; /* scopes: comma separated; hash: SHA-256 hex of the token */
	char *agent; /* that it was made for; NULL: a person, a program of one's own */
	struct wall created, expires, last_used;
	bool revoked;
};
void token_row_fini(struct token_row *row);

#endif
