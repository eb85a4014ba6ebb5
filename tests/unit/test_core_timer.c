/* The core's timers, on the real loop. */
/* SPDX-License-Identifier: MIT */
#include <event2/event.h>

#include "core/core.h"
#include "tests/unit/tap.h"

static struct core core;
static struct core_timer *timer;
static int fired, other;

static void
on_fire(void *arg)
{
	++*(int *)arg;
}

static void
on_fire_again(void *arg)
{
	if (++*(int *)arg < 3)
		core_timer_arm(&core, &timer, 0, on_fire_again, arg);
}

static void
on_fire_free(void *arg)
{
	++*(int *)arg;
	core_timer_free(timer);
	timer = NULL;
}

static void
loop(void)
{
	for (int i = 0; i < 5; i++)
		event_base_loop(core.base, EVLOOP_NONBLOCK);
}

int
main(void)
{
	core.base = event_base_new();
	core_timer_arm(&core, &timer, 0, on_fire, &fired);
	IT ("a timer of no time fires in the next round, not at once, and once") {
		CHECK_INT(fired, 0);
		loop();
		CHECK_INT(fired, 1);
	}
	core_timer_arm(&core, &timer, 0, on_fire, &fired);
	core_timer_stop(timer);
	loop();
	IT ("one that is stopped does not") {
		CHECK_INT(fired, 1);
	}
	core_timer_arm(&core, &timer, 3600000, on_fire, &other);
	core_timer_arm(&core, &timer, 0, on_fire, &fired);
	loop();
	IT ("armed again it fires at the later word's time, for that alone") {
		CHECK_INT(fired, 2);
		CHECK_INT(other, 0);
		CHECK(!event_base_get_num_events(core.base, EVENT_BASE_COUNT_ADDED));
	}
	core_timer_arm(&core, &timer, 2, on_fire, &fired);
	event_base_loop(core.base, EVLOOP_ONCE);
	IT ("a time is waited for") {
		CHECK_INT(fired, 3);
	}
	core_timer_arm(&core, &timer, 0, on_fire_again, &other);
	loop();
	IT ("it may arm itself, and be freed from within") {
		CHECK_INT(other, 3);
		core_timer_arm(&core, &timer, 0, on_fire_free, &other);
		loop();
		CHECK_INT(other, 4);
		CHECK(!timer);
	}
	core_timer_stop(NULL);
	core_timer_free(NULL);
	event_base_free(core.base);
	return tap_done();
}
