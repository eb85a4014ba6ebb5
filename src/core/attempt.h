/* Attempts: one envelope being carried out now, from its claim to its end. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_ATTEMPT_H
#define ROUSE_CORE_ATTEMPT_H

#include <jansson.h>

#include "base/list.h"
#include "base/map.h"
#include "core/registry.h"
#include "pure/ndjson.h"

/* What moves with every line, kept twice: as it is, and as it is on disk. */
struct attempt_progress {
	struct run_meters run_used;	/* of the run, all attempts */
	struct run_meters used;		/* of this attempt */
	int64_t offset;			/* bytes of output handled */
	int64_t open_steps, open_tools; /* begun and counted, not yet done */
	unsigned logged;		/* rows that its lines made in the run log */
	unsigned emitted;		/* `emit` lines, taken or not */
	bool has_result;
	bool responds;	   /* what it says now is its answer: tokens, a result */
	bool suspended;	   /* it said so: nothing that follows counts */
	bool waits;	   /* for a person; its work is in used.active_ms, its deadline stands */
	struct mono since; /* otherwise: it works since then */
	unsigned warned;   /* of budgets that are nearly used: bits of enum meter */
	bool over_budget;  /* it says things still, and proposes nothing any more */
	struct run_meters settled; /* of `used`: by requests to models, no line says it again */
};

struct attempt {
	struct core *core;
	struct registry *registry; /* the generation it started with */
	const struct agent *agent; /* that carries it; NULL: not configured any more */
	char *carrier;		   /* its name: the run's agent, or a fallback of it */
	struct run_row run;
	int n;
	char id[64];	  /* RUN_ID.N */
	enum trust trust; /* of the run */
	struct mono started;
	struct mono heard; /* its last sign of life */
	int64_t pulse;	   /* what its kind said then */
	struct wall lease; /* as it is on disk, for all we know */

	struct attempt_progress now, durable;
	char *checkpoint, *completed_steps; /* as last said; NULL */
	char *result;			    /* JSON of the result line's output; NULL */
	char *result_status;		    /* its status; NULL */
	struct err said;		    /* an `error` line: reason in said_reason */
	char *said_reason;
	bool said_retry, said_retry_set;
	int64_t said_retry_after_ms; /* -1 */
	const char *stop_reason;     /* why we stopped it (budget_…, cancelled, deadline); NULL */
	char *stop_text;
	LIST_HEAD(, meter_hold) holds; /* requests to models that go on (core/meter.h) */
	const char *over_reason;       /* one was refused, for the budget of this reason; NULL */
	char *over_text;
	bool unpriced; /* a model without a price was told of in the log */
	bool progress_dirty, took_pending, ending;
	bool has_asked; /* a person: its run may be waiting */
	/* The word its run fails with when all it does about the last decision is to fail: denied
	 * gate_timeout, or NULL. */
	const char *refused;
	struct ending *end; /* while its rows are being written; NULL */

	/* What its kind found that it left where it worked, as lines of the protocol, change and
	 * log alone: they count in the turn that ends the run, and are forgotten where it is tried
	 * again. NULL: nothing. Set before attempt_exit(). */
	json_t *left;
	char *executor; /* JSON; of the kind */
	void *state;	/* of the kind */

	int suspended; /* attempts of the run before this one that are not held against it */

	struct core_timer *progress_timer;
	struct core_timer *suspend_timer;
	LIST_ENTRY(attempt) entry;
	UT_hash_handle hh;     /* by id */
	UT_hash_handle hh_run; /* by run.id */
};

LIST_HEAD(attempt_list, attempt);
/* All that are live. */
struct attempt_list *attempts_live(struct core *core);

/* How the executor ended. */
struct attempt_end {
	bool lost;	  /* without a word */
	bool unread;	  /* nobody has read the envelope, and nobody will: it counts for nothing */
	bool not_started; /* the program could not be started: text says why */
	bool ours;	  /* for want of something of the daemon's, not of the agent's */
	int exit_code;	  /* -1 */
	int signal;	  /* 0 */
	int64_t worked_ms;  /* in all, as its executor knows it; 0: it does not */
	const char *reason; /* cancel deadline output, or NULL: by itself */
	const char *text;   /* NULL */
};

struct attempts *attempts_new(struct core *core);
void attempts_free(struct attempts *attempts); /* ends nothing: their shims go on */

/* Starts the attempt that was claimed: builds the envelope, calls the kind. Called after the
 * claim's COMMIT. carrier: the agent that carries it; NULL: the run's own. */
void attempt_start(struct core *core, struct run_row *take_run, int n, const char *carrier);
/* Takes up those that an earlier daemon started. */
bool attempts_adopt_all(struct core *core, struct err *err);
/* The timer of what live runs ask, and when it fires (WALL_NONE: it does not). For core/gate.c. */
struct core_timer **attempts_gate_timer(struct core *core, struct wall **ret_due);
/* NULL when it is not live. */
struct attempt *attempt_find(struct core *core, const char *attempt_id);
struct attempt *attempt_of_run(struct core *core, const char *run_id);

/* For the kinds: one whole line of protocol, and the offset behind it. */
void attempt_line(struct attempt *attempt, struct str line, bool truncated, int64_t offset_after);
/* A row of the run log, told to who follows. */
void attempt_log(struct attempt *attempt, const char *type, struct str data);
/* What is left of the run's deadline. */
int64_t attempt_time_left_ms(const struct attempt *attempt);
/* Output was handled up to here in this turn: stores the progress. */
void attempt_took(struct attempt *attempt);
/* Not before the turn that took its last lines is on disk: what that turn would lose could not be
 * read again. */
void attempt_exit(struct attempt *attempt, const struct attempt_end *end);
/* Stops it: reason is what the run will end with ("budget_output", "cancelled", "deadline"). */
void attempt_stop(struct attempt *attempt, const char *reason, const char *text);

#endif
