/* Ticks: which nominal times of a schedule are due, missed or dropped. No clock, no timer. */
/* SPDX-License-Identifier: MIT */
#include "triggers/cron/ticks.h"

#include <string.h>

bool
ticks_next(struct cron *cron, const struct ticks_policy *policy, struct wall t, struct wall *ret)
{
	if (wall_is_set(policy->start) && t.ms < policy->start.ms - 1)
		t.ms = policy->start.ms - 1;
	return cron_next(cron, t, ret) && (!wall_is_set(policy->end) || ret->ms < policy->end.ms);
}

/* Another one at the end; of too many the oldest goes. */
static void
ticks_add(struct ticks *ticks, struct wall nominal)
{
	if (ticks->count == TICKS_MAX) {
		memmove(ticks->nominal, ticks->nominal + 1,
			(TICKS_MAX - 1) * sizeof(ticks->nominal[0]));
		ticks->count--;
	}
	ticks->nominal[ticks->count++] = nominal;
}

void
ticks_due(struct cron *cron, const struct ticks_policy *policy, struct wall last, struct wall now,
	  struct ticks *ret)
{
	struct wall t = last, nominal;
	uint64_t came = 0;

	*ret = (struct ticks){.latest = WALL_NONE};
	if (t.ms < now.ms - policy->window_ms)
		t.ms = now.ms - policy->window_ms;
	while (ticks_next(cron, policy, t, &nominal) && nominal.ms <= now.ms) {
		came++;
		ret->latest = t = nominal;
		if (policy->catchup == CATCHUP_ALL)
			ticks_add(ret, nominal);
	}
	if (!came)
		return;
	bool on_time = now.ms - ret->latest.ms <= policy->grace_ms;

	ret->missed = came - (on_time ? 1 : 0);
	if (policy->catchup == CATCHUP_ONE || (policy->catchup == CATCHUP_NONE && on_time))
		ticks_add(ret, ret->latest);
}
