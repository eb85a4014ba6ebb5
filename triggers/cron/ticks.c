/* Ticks: which nominal time of a schedule is to be run, and which were missed. No clock, no timer.
 */
/* SPDX-License-Identifier: MIT */
#include "triggers/cron/ticks.h"

#include <string.h>

#include "base/digest.h"

int64_t
ticks_jitter(struct cron *cron, const struct ticks_policy *policy, struct wall nominal)
{
	AUTO(buf_fini) struct buf seed = BUF_INIT;
	struct digest digest;
	struct wall after;
	uint64_t number;
	int64_t most = policy->jitter_ms;

	if (!most)
		return 0;
	if (cron_next(cron, nominal, &after) && after.ms - nominal.ms <= most)
		most = after.ms - nominal.ms - 1;
	buf_printf(&seed, "%.*s %lld", STR_ARG(policy->seed), (long long)nominal.ms);
	digest = digest_of(DIGEST_SHA256, buf_str(&seed));
	memcpy(&number, digest.bytes, sizeof(number));
	return (int64_t)(number % (uint64_t)(most + 1));
}

static bool
range_has(const struct ticks_range *range, struct wall t)
{
	return wall_is_set(range->from) && t.ms >= range->from.ms && t.ms <= range->to.ms;
}

bool
ticks_next(struct cron *cron, const struct ticks_policy *policy, struct wall t, struct wall *ret)
{
	struct wall next;

	if (wall_is_set(policy->start) && t.ms < policy->start.ms - 1)
		t.ms = policy->start.ms - 1;
	if (!cron_next(cron, t, &next))
		return false;
	if (range_has(&policy->done, next) && !cron_next(cron, policy->done.to, &next))
		return false;
	if (wall_is_set(policy->end) && next.ms >= policy->end.ms)
		return false;
	*ret = next;
	return true;
}

/* The last one before t that start, end and done allow. */
static bool
ticks_prev(struct cron *cron, const struct ticks_policy *policy, struct wall t, struct wall *ret)
{
	struct wall prev;

	if (wall_is_set(policy->end) && t.ms > policy->end.ms)
		t = policy->end;
	if (!cron_prev(cron, t, &prev))
		return false;
	if (range_has(&policy->done, prev) && !cron_prev(cron, policy->done.from, &prev))
		return false;
	if (wall_is_set(policy->start) && prev.ms < policy->start.ms)
		return false;
	*ret = prev;
	return true;
}

uint64_t
ticks_count(struct cron *cron, const struct ticks_policy *policy, struct wall after,
	    struct wall until, uint64_t max)
{
	uint64_t count = 0;

	while (count < max && ticks_next(cron, policy, after, &after) && after.ms <= until.ms)
		count++;
	return count;
}

/* The newest time after last that has waited for longer than grace. */
static bool
late_find(struct cron *cron, const struct ticks_policy *policy, struct wall last, struct wall now,
	  struct wall *ret)
{
	struct wall bound = {now.ms - policy->grace_ms}, t = bound;

	while (ticks_prev(cron, policy, t, &t) && t.ms > last.ms) {
		if (t.ms + ticks_jitter(cron, policy, t) >= bound.ms)
			continue;
		*ret = t;
		return true;
	}
	return false;
}

/* Counts what lies after last up to until into missed, or into dropped where it is too old. */
static void
missed_count(struct cron *cron, const struct ticks_policy *policy, struct wall last,
	     struct wall until, struct wall now, struct ticks_step *step)
{
	struct wall oldest = {now.ms - policy->window_ms}, old_end = oldest;
	uint64_t counted = 0;

	old_end.ms = until.ms < oldest.ms ? until.ms : oldest.ms - 1;
	if (old_end.ms > last.ms)
		counted = ticks_count(cron, policy, last, old_end, TICKS_COUNT_MAX);
	step->dropped = counted;
	step->more = counted == TICKS_COUNT_MAX;
	if (until.ms < oldest.ms)
		return;
	if (last.ms < oldest.ms)
		last.ms = oldest.ms - 1;
	/* The newer ones are what matters: they are counted whatever lies before. */
	step->missed = ticks_count(cron, policy, last, until, TICKS_COUNT_MAX);
	step->more = step->more || step->missed == TICKS_COUNT_MAX;
}

/* Of those that are late, the oldest that is still among the newest catchup_max. */
static bool
all_first(struct cron *cron, const struct ticks_policy *policy, struct wall last, struct wall late,
	  struct wall now, struct wall *ret)
{
	struct wall t = late;

	if (late.ms < now.ms - policy->window_ms)
		return false;
	for (unsigned kept = 1;; kept++) {
		*ret = t;
		if (kept >= policy->catchup_max || !ticks_prev(cron, policy, t, &t) ||
		    t.ms <= last.ms || t.ms < now.ms - policy->window_ms)
			return true;
	}
}

void
ticks_due(struct cron *cron, const struct ticks_policy *policy, struct wall last, struct wall now,
	  struct ticks_step *ret)
{
	struct wall late, next, before;
	bool is_late = late_find(cron, policy, last, now, &late);
	bool on_time = ticks_next(cron, policy, is_late ? late : last, &next) &&
		       next.ms <= now.ms && next.ms + ticks_jitter(cron, policy, next) <= now.ms;

	*ret = (struct ticks_step){.what = TICKS_RUN, .nominal = next};
	if (!is_late) {
		if (!on_time)
			*ret = (struct ticks_step){.what = TICKS_WAIT, .nominal = WALL_NONE};
		return;
	}
	if (policy->catchup == CATCHUP_ALL &&
	    all_first(cron, policy, last, late, now, &ret->nominal)) {
		before = (struct wall){ret->nominal.ms - 1};
		missed_count(cron, policy, last, before, now, ret);
		ret->dropped += ret->missed;
		ret->missed = ret->dropped;
		return;
	}
	missed_count(cron, policy, last, late, now, ret);
	/* One that is in time stands for those that are not. */
	if (on_time)
		return;
	ret->nominal = late;
	if (policy->catchup == CATCHUP_NONE || late.ms < now.ms - policy->window_ms)
		ret->what = TICKS_SKIP;
}
