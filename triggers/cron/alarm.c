/* Alarm: one timer of the wall clock for all schedules. */
/* SPDX-License-Identifier: MIT */
#include "triggers/cron/alarm.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/log.h"

/* A turn of the loop takes as many as are done in this time, then others have their turn and what
 * was done is committed: thousands may be due in one moment. */
#define SLICE_MS 20
/* Clocks that are slewed stay below this. */
#define STEP_MS 1000

struct alarm {
	struct core *core;
	alarm_on_due *on_due;
	alarm_on_step *on_step;
	struct heap heap;
	int fd;
	struct event *event;
	int64_t armed;	/* what the timer is set to; HEAP_NEVER: nothing */
	int64_t offset; /* of the wall clock to the one that never jumps, when last seen */
};

static int64_t
offset_now(const struct alarm *alarm)
{
	return core_wall(alarm->core).ms - clock_mono(alarm->core->clock).ms;
}

static void
alarm_arm(struct alarm *alarm, bool again)
{
	struct heap_item *top = heap_top(&alarm->heap);
	int64_t ms = top ? top->due : HEAP_NEVER;
	struct itimerspec when = {.it_value = {0, 0}};

	/* What is past already waits for a timer that may have been set by another clock. */
	if (ms == alarm->armed && !again && ms > core_wall(alarm->core).ms)
		return;
	alarm->armed = ms;
	if (ms != HEAP_NEVER) {
		when.it_value.tv_sec = ms > 0 ? ms / 1000 : 0;
		when.it_value.tv_nsec = ms > 0 ? ms % 1000 * 1000000 : 0;
		/* Zero would be no timer at all. */
		if (!when.it_value.tv_sec && !when.it_value.tv_nsec)
			when.it_value.tv_nsec = 1;
	}
	timerfd_settime(alarm->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL);
}

void
alarm_each(struct alarm *alarm, void (*fn)(struct heap_item *item))
{
	struct heap_item **items =
		mem_alloc_array(alarm->heap.count + 1, sizeof(struct heap_item *));
	size_t count = alarm->heap.count;

	for (size_t i = 0; i < count; i++)
		items[i] = alarm->heap.items[i];
	for (size_t i = 0; i < count; i++)
		fn(items[i]);
	free(items);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct alarm *alarm = arg;
	struct mono began = clock_mono(alarm->core->clock);
	struct wall now = core_wall(alarm->core);
	int64_t offset = offset_now(alarm), step = offset - alarm->offset;
	struct heap_item *top;
	uint64_t expirations;
	char text[24];

	(void)what;
	/* ECANCELED: the clock was set. Either way the heap says what is due. */
	(void)!read(fd, &expirations, sizeof(expirations));
	alarm->offset = offset;
	if (step > STEP_MS || step < -STEP_MS) {
		snprintf(text, sizeof(text), "%lld", (long long)step);
		log_warning("the clock was set; schedules are worked out anew", "by_ms", text);
		alarm_each(alarm, alarm->on_step);
	}
	while ((top = heap_top(&alarm->heap)) && top->due <= now.ms &&
	       clock_mono(alarm->core->clock).ms - began.ms < SLICE_MS) {
		heap_set(&alarm->heap, top, HEAP_NEVER);
		alarm->on_due(top);
	}
	alarm_arm(alarm, true);
}

bool
alarm_new(struct core *core, alarm_on_due *on_due, alarm_on_step *on_step, struct alarm **ret,
	  struct err *err)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	struct alarm *alarm;

	if (fd < 0)
		return err_errno(err, errno, "timer for schedules");
	alarm = mem_alloc(sizeof(*alarm));
	*alarm = (struct alarm){.core = core,
				.on_due = on_due,
				.on_step = on_step,
				.heap = HEAP_INIT,
				.fd = fd,
				.armed = HEAP_NEVER};
	alarm->offset = offset_now(alarm);
	alarm->event = event_new(core->base, fd, EV_READ | EV_PERSIST, on_timer, alarm);
	event_add(alarm->event, NULL);
	*ret = alarm;
	return true;
}

void
alarm_free(struct alarm *alarm)
{
	if (!alarm)
		return;
	assert(!alarm->heap.count);
	event_free(alarm->event);
	close(alarm->fd);
	heap_fini(&alarm->heap);
	free(alarm);
}

void
alarm_set(struct alarm *alarm, struct heap_item *item, int64_t at_ms)
{
	heap_set(&alarm->heap, item, at_ms);
	alarm_arm(alarm, false);
}

void
alarm_remove(struct alarm *alarm, struct heap_item *item)
{
	heap_remove(&alarm->heap, item);
	alarm_arm(alarm, false);
}

size_t
alarm_count(const struct alarm *alarm)
{
	return alarm->heap.count;
}
