/* Deadlines: a coarse timer wheel behind one timer of the loop, which sleeps while nothing waits.
 */
/* SPDX-License-Identifier: MIT */
#include "http/wheel.h"

#include <assert.h>
#include <event2/event.h>

static int64_t
slot_at(int64_t ms)
{
	return ms / WHEEL_STEP_MS;
}

/* The first slot whose end lies at or behind due. */
static int64_t
slot_for(int64_t due_ms)
{
	return (due_ms + WHEEL_STEP_MS - 1) / WHEEL_STEP_MS;
}

static void
wheel_arm(struct wheel *wheel, int64_t slot, int64_t now_ms)
{
	int64_t at_ms = slot * WHEEL_STEP_MS;
	int64_t wait_ms = at_ms > now_ms ? at_ms - now_ms : 0;
	struct timeval tv = {wait_ms / 1000, wait_ms % 1000 * 1000};
	wheel->armed_ms = at_ms;
	int rc = evtimer_add(wheel->timer, &tv);
	assert(rc == 0);
}

static void
entry_hang(struct wheel *wheel, struct wheel_entry *entry)
{
	entry->slot = slot_for(entry->due_ms);
	if (entry->slot <= wheel->seen)
		entry->slot = wheel->seen + 1;
	LIST_INSERT_HEAD(&wheel->slots[entry->slot % WHEEL_SLOTS], entry, link);
}

static void
wheel_sleep_until_next(struct wheel *wheel, int64_t now_ms)
{
	wheel->armed_ms = 0;
	for (int64_t slot = wheel->seen + 1; wheel->count && slot <= wheel->seen + WHEEL_SLOTS;
	     slot++) {
		if (LIST_EMPTY(&wheel->slots[slot % WHEEL_SLOTS]))
			continue;
		wheel_arm(wheel, slot, now_ms);
		return;
	}
}

static void
list_move(struct wheel_list *to, struct wheel_list *from)
{
	to->lh_first = from->lh_first;
	if (to->lh_first)
		to->lh_first->link.le_prev = &to->lh_first;
	LIST_INIT(from);
}

/* Looks through one slot: who is due is called, who was put off hangs itself further on. */
static void
slot_turn(struct wheel *wheel, int64_t slot, struct mono now)
{
	struct wheel_list waiting;
	struct wheel_entry *entry;
	list_move(&waiting, &wheel->slots[slot % WHEEL_SLOTS]);
	while ((entry = LIST_FIRST(&waiting))) {
		LIST_REMOVE(entry, link);
		if (entry->due_ms > now.ms) {
			entry_hang(wheel, entry);
			continue;
		}
		entry->due_ms = entry->slot = 0;
		wheel->count--;
		wheel->on_due(entry, now);
	}
}

static void
wheel_on_timer(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	struct wheel *wheel = arg;
	struct mono now = clock_mono(clock_system());
	int64_t until = slot_at(now.ms);
	int64_t from = wheel->seen + 1;
	if (until - from >= WHEEL_SLOTS)
		from = until - WHEEL_SLOTS + 1;
	wheel->seen = until;
	for (int64_t slot = from; slot <= until; slot++)
		slot_turn(wheel, slot, now);
	wheel_sleep_until_next(wheel, now.ms);
}

void
wheel_init(struct wheel *wheel, struct event_base *base,
	   void (*on_due)(struct wheel_entry *entry, struct mono now))
{
	*wheel = (struct wheel){.on_due = on_due};
	wheel->seen = slot_at(clock_mono(clock_system()).ms);
	wheel->timer = evtimer_new(base, wheel_on_timer, wheel);
	assert(wheel->timer);
}

void
wheel_fini(struct wheel *wheel)
{
	assert(!wheel->count);
	event_free(wheel->timer);
}

void
wheel_set(struct wheel *wheel, struct wheel_entry *entry, struct mono due)
{
	entry->due_ms = due.ms;
	if (entry->slot && entry->slot <= slot_for(due.ms))
		return; /* put off: seen to when its old slot comes */
	if (entry->slot)
		LIST_REMOVE(entry, link);
	else
		wheel->count++;
	entry_hang(wheel, entry);
	if (!wheel->armed_ms || entry->slot * WHEEL_STEP_MS < wheel->armed_ms)
		wheel_arm(wheel, entry->slot, clock_mono(clock_system()).ms);
}

void
wheel_clear(struct wheel *wheel, struct wheel_entry *entry)
{
	if (entry->slot) {
		LIST_REMOVE(entry, link);
		wheel->count--;
	}
	entry->due_ms = entry->slot = 0;
}
