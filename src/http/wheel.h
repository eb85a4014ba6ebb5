/* Deadlines: a coarse timer wheel behind one timer of the loop, which sleeps while nothing waits.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_HTTP_WHEEL_H
#define ROUSE_HTTP_WHEEL_H

#include <stdint.h>

#include "base/clock.h"
#include "base/list.h"

#define WHEEL_SLOTS 256
#define WHEEL_STEP_MS 50 /* a deadline is noticed at most this late */

struct event;
struct event_base;

struct wheel_entry {
	LIST_ENTRY(wheel_entry) link;
	int64_t due_ms; /* mono; 0: none */
	int64_t slot;	/* where it hangs, counted from the beginning of time; 0: nowhere */
};
LIST_HEAD(wheel_list, wheel_entry);

struct wheel {
	struct event *timer;
	int64_t armed_ms; /* 0: asleep */
	int64_t seen;	  /* the last slot that was looked at */
	unsigned count;
	void (*on_due)(struct wheel_entry *entry, struct mono now);
	struct wheel_list slots[WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, struct event_base *base,
		void (*on_due)(struct wheel_entry *entry, struct mono now));
void wheel_fini(struct wheel *wheel); /* the entries have been cleared before */
/* Calls on_due once, when due has passed; the entry hangs nowhere then. Costs next to nothing for
 * an entry that is only put off. */
void wheel_set(struct wheel *wheel, struct wheel_entry *entry, struct mono due);
void wheel_clear(struct wheel *wheel, struct wheel_entry *entry);

#endif
