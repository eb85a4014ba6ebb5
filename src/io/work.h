/* Work: a few threads for libraries that block; results come back as events of the loop. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_WORK_H
#define ROUSE_IO_WORK_H

#include "base/err.h"

struct event_base;
struct work_pool;

/* threads are started when first needed and end after idle time. */
struct work_pool *work_pool_new(struct event_base *base, unsigned threads, unsigned max_waiting);
/* Waits for what is running; nothing else runs from now on, and no done is called: what jobs read
 * may be freed. */
void work_pool_stop(struct work_pool *pool);
/* Stops it, and forgets what waits. */
void work_pool_free(struct work_pool *pool);
/* run(arg) on a thread; then done(arg) in the loop. E_FULL when max_waiting wait. */
bool work_submit(struct work_pool *pool, void (*run)(void *arg), void (*done)(void *arg), void *arg,
		 struct err *err);

#endif
