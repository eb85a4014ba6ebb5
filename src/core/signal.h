/* Signals: what Rouse's own runs give rise to (a word on a topic, an end), kept on disk for each
 * trigger that hears it until it has become that trigger's event. SPEC 5, 6, 7. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_SIGNAL_H
#define ROUSE_CORE_SIGNAL_H

#include "base/list.h"
#include "core/source.h"

struct attempt;

struct signal {
	const char *topic; /* of an emission; NULL: a run has ended */
	/* Of a run that has ended; NULL otherwise. */
	const char *trigger, *agent, *status;
	/* What the event will be. */
	const char *type, *subject; /* NULL: the source's */
	struct str key;		    /* natural key */
	struct str data;	    /* JSON text */
	struct str extension;	    /* members of `rouse`, JSON text without braces */
	const struct run_row *run;  /* that it comes of; NULL: a person's */
};

/* A live trigger that hears signals. Kinds embed it first in a struct of their own. What it hears
 * is a fact of the trigger (item: a UUIDv7, so that the oldest comes first) until its event is
 * kept; both are one commit. While the trigger is off, or the queue is full, it waits there, up to
 * limits.max_queued; what comes beyond that is not taken, which its health says. */
struct listener {
	struct source source; /* first */
	bool (*hears)(const struct listener *listener, const struct signal *signal);
	uint64_t id;	 /* of this life of it: a reload may start another of its name */
	char behind[40]; /* facts up to here are taken up */
	size_t in_flight;
	unsigned failures; /* one after another */
	bool again;	   /* something was not kept: all over from the oldest, later */
	struct core_timer *timer;
	LIST_ENTRY(listener) entry;
};
LIST_HEAD(listeners, listener);

/* Begins listening, and takes up what waits from before. hears is asked for each signal while it
 * listens. On failure nothing has to be undone. */
bool listener_start(struct listener *listener, struct core *core, const struct source_kind *kind,
		    const char *name,
		    bool (*hears)(const struct listener *listener, const struct signal *signal),
		    struct err *err);
/* Ends it; what waits stays on disk. The struct is the caller's to free. */
void listener_stop(struct listener *listener);
/* source_kind.wake of listeners. */
void listener_wake(struct source *source);

/* Within the turn: one fact for each trigger that hears it. *ret_heard: how many do. False: the
 * turn or its savepoint is to be undone. */
bool signal_raise(struct core *core, const struct signal *signal, unsigned *ret_heard,
		  struct err *err);

/* An `emit` line of an agent (SPEC 6). E_INVALID topic, type or key of wrong form; E_TOO_LARGE;
 * E_RATE too many in one attempt. Without a key, the same words at the same place among the
 * emissions of another attempt of the run are the same emission. */
bool signal_emit(struct attempt *attempt, const json_t *line, struct err *err);
/* The same by a person: said is an object of event_type, data and key; without a key each is new.
 */
bool signal_say(struct core *core, const char *topic, const json_t *said, const char *by,
		unsigned *ret_heard, struct err *err);
/* A run has reached its final status; called in the turn that writes it. error, reason, result:
 * what that turn wrote, NULL: none. */
bool signal_ended(struct core *core, const struct run_row *run, const char *status,
		  const char *reason, const char *error, const char *result, struct err *err);

#endif
