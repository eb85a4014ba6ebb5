/* Ticks: which nominal time of a schedule is to be run, and which were missed. No clock, no timer.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_TICKS_H
#define ROUSE_TRIGGERS_TICKS_H

#include "base/clock.h"
#include "pure/cron_next.h"

enum catchup { CATCHUP_ONE, CATCHUP_NONE, CATCHUP_ALL };

/* Missed times are counted up to here: a day of seconds and some; then `more` is set. */
#define TICKS_COUNT_MAX 100000

/* A stretch of nominal times, both ends included; from WALL_NONE: there is none. */
struct ticks_range {
	struct wall from, to;
};
#define TICKS_RANGE_NONE ((struct ticks_range){WALL_NONE, WALL_NONE})

struct ticks_policy {
	enum catchup catchup;
	int64_t window_ms;	 /* missed times older than this are dropped */
	int64_t grace_ms;	 /* a start later than this counts as missed */
	unsigned catchup_max;	 /* of `all`, the newest that are run; at least 1 */
	int64_t jitter_ms;	 /* each tick is put off by up to this */
	struct str seed;	 /* of the jitter: the trigger's name */
	struct wall start, end;	 /* WALL_NONE: none; start inclusive, end exclusive */
	struct ticks_range done; /* these have run: the clock was set back behind them */
};

/* What is to be done next. After it, `nominal` is the last time that was handled. */
struct ticks_step {
	enum { TICKS_WAIT, TICKS_RUN, TICKS_SKIP } what; /* wait: nothing is due */
	struct wall nominal; /* to be run, or the last one that is not */
	/* Times before it that are not run, and of them those that lie too far back or are too
	 * many. A late one that stands for others counts itself. */
	uint64_t missed, dropped;
	bool more; /* there were more than could be counted */
};

/* The delay of a nominal time: always the same for the same time, below the distance to the next.
 */
int64_t ticks_jitter(struct cron *cron, const struct ticks_policy *policy, struct wall nominal);
/* Looks at the nominal times after last whose time (with jitter) has come. What is late by no more
 * than grace is run, each time by itself, in order; what is later goes through catchup. Takes time
 * for TICKS_COUNT_MAX times at most. */
void ticks_due(struct cron *cron, const struct ticks_policy *policy, struct wall last,
	       struct wall now, struct ticks_step *ret);
/* The first nominal time after t that start, end and done allow; false: none. */
bool ticks_next(struct cron *cron, const struct ticks_policy *policy, struct wall t,
		struct wall *ret);
/* How many lie after `after`, up to `until` included; stops at max. */
uint64_t ticks_count(struct cron *cron, const struct ticks_policy *policy, struct wall after,
		     struct wall until, uint64_t max);

#endif
