/* Backoff: exponential, with full jitter, which spreads a crowd best. */
/* SPDX-License-Identifier: MIT */
#include "pure/backoff.h"

#include <assert.h>

bool
backoff_jitter_parse(struct str s, enum backoff_jitter *ret, struct err *err)
{
	bool full = str_eq(s, STR("full"));

	if (!full && !str_eq(s, STR("none")))
		return err_set(err, E_INVALID, "'%.*s' is no jitter; expected full or none",
			       (int)(s.len > 40 ? 40 : s.len), s.p ? s.p : "");
	*ret = full ? BACKOFF_FULL : BACKOFF_NONE;
	return true;
}

int64_t
backoff_ceiling(const struct backoff *b, unsigned attempt)
{
	double ms = (double)b->base_ms;

	assert(b->base_ms >= 0 && b->cap_ms >= 0);
	if (b->factor > 1)
		for (unsigned i = 1; i < attempt && ms > 0 && ms < (double)b->cap_ms; i++)
			ms *= b->factor;
	return ms < (double)b->cap_ms ? (int64_t)ms : b->cap_ms;
}

int64_t
backoff_delay(const struct backoff *b, unsigned attempt, uint64_t random)
{
	int64_t ceiling = backoff_ceiling(b, attempt);

	return b->jitter == BACKOFF_NONE ? ceiling : (int64_t)(random % ((uint64_t)ceiling + 1));
}
