/* Rates: a bucket a name, in memory; refilled by the clock when it is asked. */
/* SPDX-License-Identifier: MIT */
#include "core/rate.h"

#include "base/map.h"

struct rate {
	char *name;
	int64_t count, per_ms;
	double left;
	struct mono at;
	UT_hash_handle hh;
};

/* Names beyond this many push out those whose bucket is full again: they are as if never asked for.
 */
#define RATES_MAX 16384

static void
rate_drop_full(struct core *core, struct mono now)
{
	struct rate *rate, *next;

	HASH_ITER (hh, core->rates, rate, next) {
		if (rate->left + (double)(now.ms - rate->at.ms) * (double)rate->count /
					 (double)rate->per_ms <
		    (double)rate->count)
			continue;
		HASH_DEL(core->rates, rate);
		free(rate->name);
		free(rate);
	}
}

static struct rate *
rate_find(struct core *core, const char *name, int64_t count, int64_t per_ms)
{
	struct rate *rate;

	HASH_FIND_STR(core->rates, name, rate);
	if (!rate) {
		if (HASH_COUNT(core->rates) >= RATES_MAX)
			rate_drop_full(core, clock_mono(core->clock));
		rate = mem_alloc(sizeof(*rate));
		rate->name = mem_strdup(name);
		rate->at = clock_mono(core->clock);
		HASH_ADD_KEYPTR(hh, core->rates, rate->name, strlen(rate->name), rate);
	}
	if (rate->count != count || rate->per_ms != per_ms) {
		rate->count = count;
		rate->per_ms = per_ms;
		rate->left = (double)count;
	}
	return rate;
}

bool
rate_take(struct core *core, const char *name, int64_t count, int64_t per_ms, int64_t *ret_wait_ms)
{
	struct rate *rate = rate_find(core, name, count, per_ms);
	struct mono now = clock_mono(core->clock);
	double each = (double)per_ms / (double)count;

	rate->left += (double)(now.ms - rate->at.ms) / each;
	if (rate->left > (double)count)
		rate->left = (double)count;
	rate->at = now;
	if (rate->left >= 1) {
		rate->left -= 1;
		return true;
	}
	*ret_wait_ms = (int64_t)((1 - rate->left) * each) + 1;
	return false;
}

void
rate_free_all(struct core *core)
{
	struct rate *rate, *next;

	HASH_ITER (hh, core->rates, rate, next) {
		HASH_DEL(core->rates, rate);
		free(rate->name);
		free(rate);
	}
}
