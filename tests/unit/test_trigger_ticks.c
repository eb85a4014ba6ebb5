/* Ticks: what is due after a pause, by each catch-up policy. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/tap.h"
#include "triggers/cron/ticks.h"

#define MIN 60000LL
#define HOUR (60 * MIN)

static struct cron *
every_minute(void)
{
	struct cron *cron = NULL;

	if (!cron_new(STR("* * * * *"), STR(""), STR("t"), &cron, NULL))
		return NULL;
	return cron;
}

static struct wall
at(int64_t ms)
{
	return (struct wall){1800000000000LL + ms};
}

int
main(void)
{
	AUTO(cron_auto_free) struct cron *cron = every_minute();
	struct ticks_policy policy = {CATCHUP_ONE, 24 * HOUR, MIN, WALL_NONE, WALL_NONE};
	struct wall next;
	struct ticks ticks;

	IT ("nothing is due before the next nominal time") {
		ticks_due(cron, &policy, at(0), at(MIN - 1), &ticks);
		CHECK_INT(ticks.count, 0);
		CHECK(!wall_is_set(ticks.latest));
	}
	IT ("a tick in time is run once, nothing was missed") {
		ticks_due(cron, &policy, at(0), at(MIN + 5), &ticks);
		CHECK_INT(ticks.count, 1);
		CHECK_INT(ticks.nominal[0].ms, at(MIN).ms);
		CHECK_INT(ticks.missed, 0);
	}
	IT ("after downtime, one: a single run for the latest, and how many it stands for") {
		ticks_due(cron, &policy, at(0), at(10 * MIN + 1), &ticks);
		CHECK_INT(ticks.count, 1);
		CHECK_INT(ticks.nominal[0].ms, at(10 * MIN).ms);
		CHECK_INT(ticks.missed, 9);
	}
	IT ("after downtime, none: only what is still in time") {
		policy.catchup = CATCHUP_NONE;
		ticks_due(cron, &policy, at(0), at(10 * MIN + 1), &ticks);
		CHECK_INT(ticks.count, 1);
		policy.grace_ms = 0;
		ticks_due(cron, &policy, at(0), at(10 * MIN + 1), &ticks);
		CHECK_INT(ticks.count, 0);
		CHECK_INT(ticks.latest.ms, at(10 * MIN).ms);
		policy.grace_ms = MIN;
	}
	IT ("after downtime, all: each in order, of too many the newest") {
		policy.catchup = CATCHUP_ALL;
		ticks_due(cron, &policy, at(0), at(3 * MIN), &ticks);
		CHECK_INT(ticks.count, 3);
		CHECK_INT(ticks.nominal[0].ms, at(MIN).ms);
		ticks_due(cron, &policy, at(0), at(500 * MIN), &ticks);
		CHECK_INT(ticks.count, TICKS_MAX);
		CHECK_INT(ticks.nominal[TICKS_MAX - 1].ms, at(500 * MIN).ms);
		policy.catchup = CATCHUP_ONE;
	}
	IT ("what lies before the window is dropped") {
		policy.window_ms = 5 * MIN;
		ticks_due(cron, &policy, at(0), at(100 * MIN + 1), &ticks);
		CHECK_INT(ticks.missed, 4);
		policy.window_ms = 24 * HOUR;
	}
	IT ("a clock that was set back fires nothing again") {
		ticks_due(cron, &policy, at(HOUR), at(0), &ticks);
		CHECK_INT(ticks.count, 0);
	}
	IT ("start is inclusive, end exclusive") {
		policy.start = at(10 * MIN);
		policy.end = at(12 * MIN);
		CHECK(ticks_next(cron, &policy, at(0), &next) && next.ms == at(10 * MIN).ms);
		CHECK(ticks_next(cron, &policy, next, &next) && next.ms == at(11 * MIN).ms);
		CHECK(!ticks_next(cron, &policy, next, &next));
	}
	return tap_done();
}
