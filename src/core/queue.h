/* The queue: which run starts next. Durable order is the store's; here is only who may go now. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_QUEUE_H
#define ROUSE_CORE_QUEUE_H

#include "core/core.h"

struct queue *queue_new(struct core *core);
void queue_free(struct queue *queue);
/* Counts what is queued, arms timers. After the first registry. */
bool queue_load(struct queue *queue, struct err *err);
/* Something may start now: of this agent (NULL: any). Cheap; the work is done once a turn. */
void queue_wake(struct queue *queue, const char *agent);
/* A run is due at: look again then. */
void queue_wake_at(struct queue *queue, struct wall due);

/* Bookkeeping by those who write rows. */
void queue_note_queued(struct queue *queue, const char *agent, int by); /* +1, -1 */
void queue_note_running(struct queue *queue, const char *agent, int by);
int64_t queue_depth(const struct queue *queue, const char *agent); /* NULL: all */
int queue_in_flight(const struct queue *queue, const char *agent); /* NULL: all */

#endif
