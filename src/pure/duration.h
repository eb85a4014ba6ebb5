/* Quantities as people write them: durations, sizes, rates, ratios, money, yes or no. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_DURATION_H
#define ROUSE_PURE_DURATION_H

#include "base/buf.h"
#include "base/err.h"

/* All of these take the whole slice (no white space around it), refuse what is too large to count
 * instead of wrapping, leave *ret alone on failure, and fail with E_INVALID and a sentence that
 * says what was expected. */

/* 250ms 30s 15m 24h 7d, or a sum from large to small without repeats: 1h30m. Plain 0 is allowed. */
bool duration_parse(struct str s, int64_t *ret_ms, struct err *err);
/* The shortest text that duration_parse reads back: 90000 is 1m30s. ms: not negative. */
void duration_print(int64_t ms, struct buf *out);

/* Bytes: 512, 64K, 1M, 2G, 1T; steps of 1024. */
bool size_parse(struct str s, int64_t *ret_bytes, struct err *err);
/* The largest unit that divides it: 65536 is 64K, 65537 is 65537. */
void size_print(int64_t bytes, struct buf *out);

/* At most count in each per_ms milliseconds; both are at least 1. */
struct rate {
	int64_t count, per_ms;
};

/* 10/s 100/m 5/h 1/d, or a count in a duration: 100/10s. */
bool rate_parse(struct str s, struct rate *ret, struct err *err);

/* 0.5 or 50%: a number between 0 and 1, at most 9 decimals. */
bool ratio_parse(struct str s, double *ret, struct err *err);

/* US dollars, 0.25 or 20, as micro-dollars; at most 6 decimals, no sign. Exact, never rounded. */
bool money_parse(struct str s, int64_t *ret_uusd, struct err *err);
/* At least two decimals: 250000 is 0.25, 20000000 is 20.00. */
void money_print(int64_t uusd, struct buf *out);

/* yes no true false on off, in lower case. */
bool bool_parse(struct str s, bool *ret, struct err *err);

#endif
