/* Ticks: which nominal times of a schedule are due, missed or dropped. No clock, no timer. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_TICKS_H
#define ROUSE_TRIGGERS_TICKS_H

#include "base/clock.h"
#include "pure/cron_next.h"

enum catchup { CATCHUP_ONE, CATCHUP_NONE, CATCHUP_ALL };
/* Of `all`, the newest that are run. */
#define TICKS_MAX 100

struct ticks_policy {
	enum catchup catchup;
	int64_t window_ms;	/* missed times older than this are dropped */
	int64_t grace_ms;	/* a start later than this counts as missed */
	struct wall start, end; /* WALL_NONE: none; start inclusive, end exclusive */
};

/* What is to be run now, in order. */
struct ticks {
	struct wall nominal[TICKS_MAX];
	size_t count;
	uint64_t missed; /* nominal times that came and went, counted into the last one of nominal[]
			  */
	struct wall latest; /* of all that lie in (last, now]; WALL_NONE: none did */
};

/* Looks at the nominal times in (last, now]. */
void ticks_due(struct cron *cron, const struct ticks_policy *policy, struct wall last,
	       struct wall now, struct ticks *ret);
/* The first nominal time after t that start and end allow; false: none. */
bool ticks_next(struct cron *cron, const struct ticks_policy *policy, struct wall t,
		struct wall *ret);

#endif
