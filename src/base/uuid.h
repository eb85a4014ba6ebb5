/* UUIDs, version 7 (RFC 9562): ordered by time, and within a millisecond by a counter. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_BASE_UUID_H
#define ROUSE_BASE_UUID_H

#include "base/clock.h"

#define UUID_LEN 36
struct uuid {
	char text[UUID_LEN + 1]; /* lower-case, with dashes */
};

/* Strictly greater than every one that this process made before. */
struct uuid uuid_v7(struct wall now);
bool uuid_is_valid(struct str s);

/* len random bytes of the kernel; aborts when there are none. */
void entropy_fill(void *p, size_t len);
/* In [0,n); n > 0. */
uint64_t entropy_below(uint64_t n);

#endif
