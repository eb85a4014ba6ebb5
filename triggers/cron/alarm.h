/* Alarm: one timer of the wall clock for all schedules. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_ALARM_H
#define ROUSE_TRIGGERS_ALARM_H

#include "core/core.h"
#include "triggers/cron/heap.h"

struct alarm;

/* The item's time has come: on_due sets another one (HEAP_NEVER at least) or takes it out. */
typedef void alarm_on_due(struct heap_item *item);
/* The clock was set by more than a second: its times are to be worked out anew. */
typedef void alarm_on_step(struct heap_item *item);

/* Follows CLOCK_REALTIME: suspend and a clock that is set are noticed when they happen. */
bool alarm_new(struct core *core, alarm_on_due *on_due, alarm_on_step *on_step, struct alarm **ret,
	       struct err *err);
void alarm_free(struct alarm *alarm);
/* at: of the wall clock, HEAP_NEVER: it only stands there, for on_step. */
void alarm_set(struct alarm *alarm, struct heap_item *item, int64_t at_ms);
/* Calls fn for each item, which may be moved. */
void alarm_each(struct alarm *alarm, void (*fn)(struct heap_item *item));
void alarm_remove(struct alarm *alarm, struct heap_item *item);
size_t alarm_count(const struct alarm *alarm);

#endif
