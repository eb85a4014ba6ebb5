/* The queue's own: agents, their pools, and how many of each may go at once. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_QUEUE_INSIDE_H
#define ROUSE_CORE_QUEUE_INSIDE_H

#include "base/map.h"
#include "core/fair.h"
#include "core/queue.h"
#include "core/registry.h"

/* Agents that share what may run at once. */
struct pool {
	char *label;
	int size, running;
	UT_hash_handle hh;
};

/* An agent that has, or had, runs. Never freed before the queue: lines point to it. */
struct slot {
	char *agent;
	int64_t queued;
	int running;
	int concurrency; /* of the configuration in force; 0: it is not in it */
	bool paused;
	struct slot *carrier; /* whose room its next run takes; NULL: none starts now */
	struct pool *pool;    /* NULL: none */
	/* Of the tenants that have something for it some stand in memory, the others are found on
	 * disk when these are served: */
	size_t lines;	  /* those that stand in memory */
	bool more;	  /* there may be others */
	struct buf after; /* ... beyond this tenant */
	UT_hash_handle hh;
};

struct queue {
	struct core *core;
	struct slot *slots;
	struct pool *pools;
	struct fair *fair;
	int64_t queued;
	int running;
	struct core_timer *turn, *due, *again;
	struct wall due_at;
	int64_t offset;	      /* of the wall clock to the one that never jumps, when last seen */
	struct wall begun_to; /* waits are begun anew up to here; WALL_NONE: none are */
	bool beginning;	      /* in this turn */
	bool armed;
	bool stale;  /* switches or configuration may be others than slots say */
	bool gone;   /* a line went since the last turn began */
	bool failed; /* this turn could not read */
};

struct slot *slot_of(struct queue *queue, const char *agent);
struct slot *slot_find(const struct queue *queue, const char *agent); /* NULL */
void slot_note_running(struct queue *queue, struct slot *slot, int by);
/* Whose room the next run of it takes: its own, or of the agent that it falls back on while its
 * breaker is open. NULL: none may start now. */
struct slot *slot_find_carrier(struct queue *queue, struct slot *slot);
/* What switches and configuration say now, of every slot and pool. */
void slots_refresh(struct queue *queue);
void slots_free(struct queue *queue);

#endif
