/* Gatherings: events that are held back on disk until one run is made of them. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_GATHER_H
#define ROUSE_STORE_GATHER_H

#include "store/rows.h"

struct gathering {
	int64_t seq;   /* 0: there is none */
	int64_t n;     /* events in it */
	int64_t bytes; /* of their payloads */
	struct wall
		due; /* closed then, unless another event comes; on the clock of core/gather.c */
	struct wall latest; /* closed then in any case */
	int64_t wait_ms;    /* from its opening to `latest` */
	struct run_row
		run; /* that it will be: as its first event made it; without id and payload */
};
void gathering_fini(struct gathering *gathering);

/* The open one of run's trigger, entity, tenant, user and session; seq 0 where there is none. */
bool gatherings_find(struct store *store, const struct run_row *run, struct gathering *ret,
		     struct err *err);
bool gatherings_get(struct store *store, int64_t seq, struct gathering *ret, struct err *err);
/* A new one, still without events; its run's event is the first that comes in. */
bool gatherings_open(struct store *store, struct gathering *gathering, struct err *err);
/* One more event, as the last. payload NULL: the event's data. Counts, times, trust, mode and hops
 * are taken as gathering has them. */
bool gatherings_add(struct store *store, const struct gathering *gathering, int64_t event,
		    const char *payload, struct err *err);
/* Its payloads in order, lent to fn until it returns false; document: the event's, where it has no
 * payload of its own (p NULL: neither is kept). fn must not write. */
bool gatherings_each(struct store *store, int64_t seq,
		     bool (*fn)(void *arg, struct str payload, struct str document), void *arg,
		     struct err *err);
/* It is run's now: so say its events, the first of them as `ran` with this rule; it is gone. */
bool gatherings_close(struct store *store, const struct gathering *gathering, int64_t run,
		      const char *rule, struct err *err);

/* The one that is due first, if it is by now; 0: none is. */
bool gatherings_due(struct store *store, struct wall now, int64_t *ret_seq, struct err *err);
/* When the first is due; WALL_NONE: there is none. */
bool gatherings_next(struct store *store, struct wall *ret_due, struct err *err);
/* The clock is another now: none waits longer from here than it could have from its opening. */
bool gatherings_clamp(struct store *store, struct wall now, struct err *err);
/* Those of a trigger are due now. */
bool gatherings_hurry(struct store *store, const char *trigger, struct wall now, struct err *err);

struct gatherings_count {
	int64_t open, events;
	struct wall oldest, next; /* opened; due; WALL_NONE */
};
/* trigger NULL: of all. */
bool gatherings_count(struct store *store, const char *trigger, struct gatherings_count *ret,
		      struct err *err);
/* Each trigger that has any; fn must not write. */
bool gatherings_triggers(struct store *store, bool (*fn)(void *arg, const char *trigger), void *arg,
			 struct err *err);

#endif
