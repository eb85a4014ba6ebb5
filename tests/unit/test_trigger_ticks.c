/* Ticks: what is due after a pause, by each catch-up policy. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/tap.h"
#include "triggers/cron/ticks.h"

#define SEC 1000LL
#define MIN 60000LL
#define HOUR (60 * MIN)
#define DAY (24 * HOUR)

static struct cron *
schedule(const char *text)
{
	struct cron *cron = NULL;

	return cron_new(str_of(text), STR(""), STR("t"), &cron, NULL) ? cron : NULL;
}

static struct wall
at(int64_t ms)
{
	return (struct wall){1800000000000LL + ms};
}

static const struct ticks_policy usual = {.catchup = CATCHUP_ONE,
					  .window_ms = DAY,
					  .grace_ms = MIN,
					  .catchup_max = 100,
					  .seed = {"t", 1},
					  .start = WALL_NONE,
					  .end = WALL_NONE,
					  .done = {WALL_NONE, WALL_NONE}};

/* Runs all that is due, as the source does; counts runs and what they stand for. */
static unsigned
runs_all(struct cron *cron, const struct ticks_policy *policy, struct wall last, struct wall now,
	 uint64_t *ret_missed, struct wall *ret_first)
{
	struct ticks_step step;
	unsigned runs = 0;

	*ret_missed = 0;
	for (ticks_due(cron, policy, last, now, &step); step.what != TICKS_WAIT;
	     ticks_due(cron, policy, last, now, &step)) {
		CHECK(step.nominal.ms > last.ms);
		if (step.what == TICKS_RUN && !runs++)
			*ret_first = step.nominal;
		*ret_missed += step.missed;
		last = step.nominal;
	}
	return runs;
}

static void
test_policies(struct cron *cron)
{
	struct ticks_policy policy = usual;
	struct ticks_step step;
	struct wall first;
	uint64_t missed;

	IT ("nothing is due before the next nominal time") {
		ticks_due(cron, &policy, at(0), at(MIN - 1), &step);
		CHECK_INT(step.what, TICKS_WAIT);
	}
	IT ("a tick in time is run, nothing was missed") {
		ticks_due(cron, &policy, at(0), at(MIN + 5), &step);
		CHECK_INT(step.what, TICKS_RUN);
		CHECK_INT(step.nominal.ms, at(MIN).ms);
		CHECK_INT(step.missed, 0);
	}
	IT ("after downtime, one: a single run that is in time stands for those that are not") {
		CHECK_INT(runs_all(cron, &policy, at(0), at(10 * MIN + 1), &missed, &first), 1);
		CHECK_INT(first.ms, at(10 * MIN).ms);
		CHECK_INT(missed, 9);
	}
	IT ("with none in time, the latest runs late") {
		AUTO(cron_auto_free) struct cron *hourly = schedule("@every 1h");

		ticks_due(hourly, &policy, at(0), at(10 * HOUR + 30 * MIN), &step);
		CHECK_INT(step.what, TICKS_RUN);
		CHECK_INT(step.nominal.ms, at(10 * HOUR).ms);
		CHECK_INT(step.missed, 10);
	}
	IT ("after downtime, none: only what is still in time, and the rest is told of") {
		policy.catchup = CATCHUP_NONE;
		CHECK_INT(runs_all(cron, &policy, at(0), at(10 * MIN + 1), &missed, &first), 1);
		policy.grace_ms = 0;
		ticks_due(cron, &policy, at(0), at(10 * MIN + 1), &step);
		CHECK_INT(step.what, TICKS_SKIP);
		CHECK_INT(step.nominal.ms, at(10 * MIN).ms);
		CHECK_INT(step.missed, 10);
		policy = usual;
	}
	IT ("after downtime, all: each in order, of too many the newest") {
		policy.catchup = CATCHUP_ALL;
		CHECK_INT(runs_all(cron, &policy, at(0), at(3 * MIN), &missed, &first), 3);
		CHECK_INT(first.ms, at(MIN).ms);
		CHECK_INT(missed, 0);
		CHECK_INT(runs_all(cron, &policy, at(0), at(500 * MIN + 1), &missed, &first), 101);
		CHECK_INT(first.ms, at(400 * MIN).ms);
		CHECK_INT(missed, 399);
		policy.catchup_max = 1;
		CHECK_INT(runs_all(cron, &policy, at(0), at(500 * MIN + 1), &missed, &first), 2);
		policy = usual;
	}
	IT ("what lies before the window is dropped") {
		policy.window_ms = 5 * MIN;
		ticks_due(cron, &policy, at(0), at(100 * MIN + 1), &step);
		CHECK_INT(step.missed, 4);
		CHECK_INT(step.dropped, 95);
		policy = usual;
	}
	IT ("what is late, and all too old, does not run") {
		AUTO(cron_auto_free) struct cron *hourly = schedule("@every 1h");

		policy.window_ms = 20 * MIN;
		ticks_due(hourly, &policy, at(0), at(10 * HOUR + 30 * MIN), &step);
		CHECK_INT(step.what, TICKS_SKIP);
		CHECK_INT(step.dropped, 10);
		CHECK_INT(step.missed, 0);
		policy = usual;
	}
}

static void
test_seconds(void)
{
	AUTO(cron_auto_free) struct cron *cron = schedule("* * * * * *");
	struct ticks_policy policy = usual;
	struct ticks_step step;
	struct wall first;
	uint64_t missed;

	IT ("times within grace each run, whatever held them up") {
		CHECK_INT(runs_all(cron, &policy, at(0), at(10 * SEC), &missed, &first), 10);
		CHECK_INT(missed, 0);
		CHECK_INT(first.ms, at(SEC).ms);
	}
	IT ("a clock that leaps by years is no work without end") {
		ticks_due(cron, &policy, at(0), at(3650 * DAY), &step);
		CHECK_INT(step.what, TICKS_RUN);
		CHECK_INT(step.missed, DAY / SEC - 60);
		CHECK(step.more);
		policy.catchup = CATCHUP_ALL;
		policy.window_ms = 366 * DAY;
		ticks_due(cron, &policy, at(0), at(3650 * DAY), &step);
		CHECK_INT(step.nominal.ms, at(3650 * DAY - MIN - 100 * SEC).ms);
		CHECK(step.more);
	}
}

static void
test_jitter(void)
{
	AUTO(cron_auto_free) struct cron *cron = schedule("@every 1h");
	struct ticks_policy policy = usual;
	struct ticks_step step;
	int64_t jitter;

	policy.jitter_ms = 30 * MIN;
	policy.catchup = CATCHUP_NONE;
	jitter = ticks_jitter(cron, &policy, at(HOUR));
	IT ("jitter is the same each time, another for another time or name") {
		CHECK_INT(ticks_jitter(cron, &policy, at(HOUR)), jitter);
		CHECK(jitter >= 0 && jitter <= 30 * MIN);
		CHECK(ticks_jitter(cron, &policy, at(2 * HOUR)) != jitter);
		policy.seed = STR("u");
		CHECK(ticks_jitter(cron, &policy, at(HOUR)) != jitter);
		policy.seed = usual.seed;
	}
	IT ("jitter stays below the distance to the next time") {
		AUTO(cron_auto_free) struct cron *second = schedule("* * * * * *");

		for (int i = 0; i < 100; i++)
			CHECK(ticks_jitter(second, &policy, at(i * SEC)) < SEC);
	}
	IT ("a tick is due when its jitter is over, and late counted from there") {
		ticks_due(cron, &policy, at(0), at(HOUR + jitter - 1), &step);
		CHECK_INT(step.what, TICKS_WAIT);
		ticks_due(cron, &policy, at(0), at(HOUR + jitter + MIN), &step);
		CHECK_INT(step.what, TICKS_RUN);
		ticks_due(cron, &policy, at(0), at(HOUR + jitter + MIN + 1), &step);
		CHECK_INT(step.what, TICKS_SKIP);
	}
}

int
main(void)
{
	AUTO(cron_auto_free) struct cron *cron = schedule("* * * * *");
	struct ticks_policy policy = usual;
	struct ticks_step step;
	struct wall next;

	test_policies(cron);
	test_seconds();
	test_jitter();
	IT ("a clock that was set back fires nothing again") {
		ticks_due(cron, &policy, at(HOUR), at(0), &step);
		CHECK_INT(step.what, TICKS_WAIT);
		ticks_due(cron, &policy, at(90 * DAY), at(0), &step);
		CHECK_INT(step.what, TICKS_WAIT);
	}
	IT ("start is inclusive, end exclusive") {
		policy.start = at(10 * MIN);
		policy.end = at(12 * MIN);
		CHECK(ticks_next(cron, &policy, at(0), &next) && next.ms == at(10 * MIN).ms);
		CHECK(ticks_next(cron, &policy, next, &next) && next.ms == at(11 * MIN).ms);
		CHECK(!ticks_next(cron, &policy, next, &next));
		ticks_due(cron, &policy, at(0), at(HOUR), &step);
		CHECK_INT(step.what, TICKS_RUN);
		CHECK_INT(step.nominal.ms, at(11 * MIN).ms);
		CHECK_INT(step.missed, 2);
		policy = usual;
	}
	IT ("what has run already is stepped over") {
		policy.done = (struct ticks_range){at(3 * MIN), at(5 * MIN)};
		CHECK(ticks_next(cron, &policy, at(2 * MIN), &next) && next.ms == at(6 * MIN).ms);
		CHECK_INT(ticks_count(cron, &policy, at(0), at(7 * MIN), 100), 4);
		ticks_due(cron, &policy, at(2 * MIN), at(5 * MIN + 10), &step);
		CHECK_INT(step.what, TICKS_WAIT);
	}
	IT ("counting stops where it shall") {
		CHECK_INT(ticks_count(cron, &usual, at(0), at(DAY), 10), 10);
		CHECK_INT(ticks_count(cron, &usual, at(0), at(0), 10), 0);
	}
	return tap_done();
}
