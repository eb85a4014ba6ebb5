/* The core: timers of the loop. */
/* SPDX-License-Identifier: MIT */
#include "core/core.h"

#include <event2/event.h>

#include "base/mem.h"

struct core_timer {
	struct event *event;
	void (*fn)(void *arg);
	void *arg;
};

static void
timer_on_fire(evutil_socket_t fd, short what, void *arg)
{
	struct core_timer *timer = arg;

	(void)fd;
	(void)what;
	timer->fn(timer->arg);
}

void
core_timer_arm(struct core *core, struct core_timer **timer, int64_t ms, void (*fn)(void *arg),
	       void *arg)
{
	struct timeval tv;

	if (!*timer) {
		*timer = mem_alloc(sizeof(**timer));
		(*timer)->event = evtimer_new(core->base, timer_on_fire, *timer);
	}
	(*timer)->fn = fn;
	(*timer)->arg = arg;
	if (ms <= 0) {
		event_active((*timer)->event, EV_TIMEOUT, 0);
		return;
	}
	tv = (struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
	evtimer_add((*timer)->event, &tv);
}

void
core_timer_stop(struct core_timer *timer)
{
	if (timer)
		evtimer_del(timer->event);
}

void
core_timer_free(struct core_timer *timer)
{
	if (!timer)
		return;
	event_free(timer->event);
	free(timer);
}
