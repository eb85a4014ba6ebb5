/* Spans: what of events, runs and changes is still to be told to whoever collects traces. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_SPANS_H
#define ROUSE_STORE_SPANS_H

#include "store/rows.h"

/* Of a run (attempt, final), or of a change that was tried at its target. */
struct span_due {
	int64_t seq;
	int64_t run;	 /* runs.seq; 0 */
	int64_t attempt; /* that ended; 0: none */
	bool final;	 /* the run has ended, too */
	int64_t change;	 /* changes.seq; 0 */
	bool back;	 /* it was to be taken back */
	struct wall started, ended;
	const char *status, *error; /* NULL */
};
bool spans_add(struct store *store, const struct span_due *due, struct err *err);
/* Rows behind `after` in order, lent to fn until it returns false. fn may read, not write. */
bool spans_each(struct store *store, int64_t after,
		bool (*fn)(void *arg, const struct span_due *due), void *arg, struct err *err);
/* How many wait, at most. */
bool spans_count(struct store *store, int64_t *ret, struct err *err);
/* All up to seq were told, or are given up. */
bool spans_gone(struct store *store, int64_t seq, struct err *err);

/* The event up to which all were told; -1: nobody ever was. */
bool spans_event(struct store *store, int64_t *ret, struct err *err);
/* -1: as if nobody ever was. */
bool spans_set_event(struct store *store, int64_t seq, struct err *err);

/* An event as its span wants it; lent. */
struct span_event {
	int64_t seq;
	const char *id, *trigger, *source, *outcome, *rule, *subject;
	struct wall time;
	const char *traceparent;     /* that it came with; NULL */
	const char *run_id;	     /* of its run, or of the one that it replays; NULL */
	const char *run_traceparent; /* NULL */
};
bool spans_events(struct store *store, int64_t after, unsigned most,
		  bool (*fn)(void *arg, const struct span_event *event), void *arg,
		  struct err *err);

/* A run as its span wants it; owned. */
struct span_run {
	char *id, *agent, *trigger, *source, *status, *reason, *error, *batch, *entity, *tenant,
		*session, *mode, *traceparent, *event_id, *event_traceparent;
	struct wall created, started, ended;
	int64_t attempts, steps, tools, input_tokens, output_tokens, cache_tokens, cost_uusd;
};
void span_run_fini(struct span_run *run);
/* E_NOT_FOUND: it is no longer kept. */
bool spans_run(struct store *store, int64_t seq, struct span_run *ret, struct err *err);

/* Steps and tools of an attempt: rows of the run log, at most `most`, lent. */
bool spans_lines(struct store *store, int64_t run, int64_t attempt, unsigned most,
		 bool (*fn)(void *arg, const struct log_row *row), void *arg, struct err *err);
/* What was proposed between two times, both included; lent. */
struct span_change {
	const char *id, *target, *op, *entity;
	struct wall created;
	int64_t run;
};
bool spans_changes(struct store *store, int64_t run, struct wall from, struct wall to,
		   unsigned most, bool (*fn)(void *arg, const struct span_change *change),
		   void *arg, struct err *err);
/* One of them, given to fn; E_NOT_FOUND. */
bool spans_change(struct store *store, int64_t seq,
		  bool (*fn)(void *arg, const struct span_change *change), void *arg,
		  struct err *err);

#endif
