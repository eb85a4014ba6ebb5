/* Days of the ledger: the date at a place, and when the next one begins there. */
/* SPDX-License-Identifier: MIT */
#include "core/ledger_day.h"

#include <time.h>

#include "base/log.h"

#define DAY_S 86400
/* No zone's clock is moved further than this at once. */
#define STEP_S 900
#define STEPS 200

static void
date_of(int64_t local, char day[DAY_LEN])
{
	time_t at = (time_t)local;
	struct tm tm;

	gmtime_r(&at, &tm);
	if (!strftime(day, DAY_LEN, "%Y-%m-%d", &tm))
		day[0] = '\0';
}

static int64_t
local_of(const struct zone *zone, int64_t t)
{
	return zone ? t + zone_span_at(zone, t).offset : t;
}

static int64_t
floor_day(int64_t t)
{
	return t - ((t % DAY_S) + DAY_S) % DAY_S;
}

void
day_of(const struct zone *zone, struct wall at, char day[DAY_LEN], struct wall *ret_ends)
{
	int64_t t = at.ms / 1000, today, next;

	if (at.ms < 0 && at.ms % 1000)
		t--;
	today = floor_day(local_of(zone, t));
	date_of(today, day);
	if (!ret_ends)
		return;
	/* Midnight as the present offset has it; where the offset changes before, the first moment
	 * near it whose date is another. */
	next = t + (today + DAY_S - local_of(zone, t));
	for (int i = 0; i < STEPS && floor_day(local_of(zone, next)) == today; i++)
		next += STEP_S;
	for (int i = 0;
	     i < STEPS && next - STEP_S > t && floor_day(local_of(zone, next - STEP_S)) != today;
	     i++)
		next -= STEP_S;
	ret_ends->ms = next * 1000;
}
