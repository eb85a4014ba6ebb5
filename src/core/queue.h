/* The queue: which run starts next. Durable order is the store's; here is only who may go now. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_QUEUE_H
#define ROUSE_CORE_QUEUE_H

#include "core/core.h"

struct queue *queue_new(struct core *core);
void queue_free(struct queue *queue);
/* Counts what is queued, arms timers. After the first registry. */
bool queue_load(struct queue *queue, struct err *err);
/* A run of this agent and tenant (NULL: of none) was queued, newer than all others. */
void queue_note_new(struct queue *queue, const char *agent, const char *tenant);
/* A run of this agent and tenant may start from now on, perhaps an old one; also before that is on
 * disk. As runs_on_ready. Cheap, as are the next two: the work is
 * done once a turn. */
void queue_note_ready(void *queue, const char *agent, const char *tenant);
/* There is room for one more. */
void queue_room(struct queue *queue);
/* What decides who may start (switches, configuration) may be another now; of this agent alone, or
 * (NULL) of all. */
void queue_wake(struct queue *queue, const char *agent);
/* A run is due at: look again then. */
void queue_wake_at(struct queue *queue, struct wall due);

/* Bookkeeping by those who write rows. */
void queue_note_queued(struct queue *queue, const char *agent, int by); /* +1, -1 */
void queue_note_running(struct queue *queue, const char *agent, const char *tenant, int by);
int64_t queue_depth(const struct queue *queue, const char *agent);  /* NULL: all */
int queue_in_flight(const struct queue *queue, const char *agent);  /* NULL: all */
int queue_of_tenant(const struct queue *queue, const char *tenant); /* in flight; NULL: no tenant */
/* Tenants with something to start that stand in memory. */
size_t queue_tenants(const struct queue *queue);
/* false: the agent is in no pool. */
bool queue_pool(const struct queue *queue, const char *agent, const char **ret_label, int *ret_size,
		int *ret_running);

#endif
