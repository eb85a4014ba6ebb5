/* Backoff: how long to wait before trying again. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_BACKOFF_H
#define ROUSE_PURE_BACKOFF_H

#include "base/err.h"
#include "base/str.h"

enum backoff_jitter { BACKOFF_FULL, BACKOFF_NONE };

struct backoff {
	int64_t base_ms, cap_ms; /* not negative */
	double factor;		 /* at least 1 */
	enum backoff_jitter jitter;
};

/* full or none. E_INVALID. */
bool backoff_jitter_parse(struct str s, enum backoff_jitter *ret, struct err *err);

/* The most that is waited after the attempt-th failure (1 is the first): base * factor^(attempt-1),
 * at most the cap. Never negative, never overflows. */
int64_t backoff_ceiling(const struct backoff *b, unsigned attempt);

/* The delay in ms: the ceiling, or with full jitter a random one in [0, ceiling], drawn by random
 * (any 64 bits). */
int64_t backoff_delay(const struct backoff *b, unsigned attempt, uint64_t random);

#endif
