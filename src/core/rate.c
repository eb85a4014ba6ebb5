/* Rates: a bucket a name, in memory; refilled by the clock when it is asked. */
/* SPDX-License-Identifier: MIT */
#include "core/rate.h"

#include <arpa/inet.h>

#include "base/map.h"

struct rate {
	char *name;
	int64_t count, per_ms;
	double left;
	struct mono at;
	UT_hash_handle hh;
};

/* Of strangers: one more pushes out who was asked for longest ago. Of our own: those whose bucket
 * is full again go, which are as if never asked for. */
#define RATES_MAX 16384

static void
rate_drop(struct rate **head, struct rate *rate)
{
	HASH_DEL(*head, rate);
	free(rate->name);
	free(rate);
}

static void
rate_drop_full(struct core *core, struct mono now)
{
	struct rate *rate, *next;

	HASH_ITER (hh, core->rates, rate, next)
		if (rate->left + (double)(now.ms - rate->at.ms) * (double)rate->count /
					 (double)rate->per_ms >=
		    (double)rate->count)
			rate_drop(&core->rates, rate);
}

static struct rate *
rate_new(const char *name, struct mono now)
{
	struct rate *rate = mem_alloc(sizeof(*rate));

	rate->name = mem_strdup(name);
	rate->at = now;
	return rate;
}

/* The table's order is that of the last use. */
static struct rate *
rate_of_stranger(struct core *core, const char *name)
{
	struct rate *rate;

	HASH_FIND_STR(core->rates_strange, name, rate);
	if (rate) {
		HASH_DEL(core->rates_strange, rate);
	} else {
		if (HASH_COUNT(core->rates_strange) >= RATES_MAX)
			rate_drop(&core->rates_strange, core->rates_strange);
		rate = rate_new(name, clock_mono(core->clock));
	}
	HASH_ADD_KEYPTR(hh, core->rates_strange, rate->name, strlen(rate->name), rate);
	return rate;
}

static struct rate *
rate_of_ours(struct core *core, const char *name)
{
	struct rate *rate;

	HASH_FIND_STR(core->rates, name, rate);
	if (rate)
		return rate;
	if (HASH_COUNT(core->rates) >= RATES_MAX)
		rate_drop_full(core, clock_mono(core->clock));
	rate = rate_new(name, clock_mono(core->clock));
	HASH_ADD_KEYPTR(hh, core->rates, rate->name, strlen(rate->name), rate);
	return rate;
}

static struct rate *
rate_find(struct core *core, const char *name, int64_t count, int64_t per_ms)
{
	struct rate *rate =
		strchr(name, '/') ? rate_of_stranger(core, name) : rate_of_ours(core, name);

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
rate_name_of_address(const char *kind, const char *address, struct buf *ret)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr v6;

	if (inet_pton(AF_INET6, address, &v6) == 1 && !IN6_IS_ADDR_V4MAPPED(&v6)) {
		memset(v6.s6_addr + 8, 0, 8);
		if (inet_ntop(AF_INET6, &v6, text, sizeof(text)))
			address = text;
	}
	buf_cat(ret, kind, "/", address);
}

void
rate_free_all(struct core *core)
{
	struct rate *rate, *next;

	HASH_ITER (hh, core->rates, rate, next)
		rate_drop(&core->rates, rate);
	HASH_ITER (hh, core->rates_strange, rate, next)
		rate_drop(&core->rates_strange, rate);
}
