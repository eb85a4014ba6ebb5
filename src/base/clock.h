/* Time: two kinds that the compiler refuses to mix, from one clock that is passed in. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_BASE_CLOCK_H
#define ROUSE_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct wall {
	int64_t ms; /* since 1970-01-01T00:00:00Z */
};
struct mono {
	int64_t ms; /* CLOCK_BOOTTIME: goes on during suspend, never jumps */
};

#define WALL_NONE ((struct wall){INT64_MIN})

struct clock {
	struct wall (*wall)(struct clock *);
	struct mono (*mono)(struct clock *);
};

struct clock *clock_system(void);
/* Tells one boot of the machine, in which struct mono counts, from others; 0: not known. */
int64_t clock_boot(void);

static inline struct wall
clock_wall(struct clock *c)
{
	return c->wall(c);
}
static inline struct mono
clock_mono(struct clock *c)
{
	return c->mono(c);
}
static inline bool
wall_is_set(struct wall w)
{
	return w.ms != INT64_MIN;
}

/* RFC 3339 in UTC with milliseconds: 2026-11-20T09:30:00.123Z. */
void wall_format(struct wall w, struct buf *out);
/* RFC 3339 with any offset, seconds needed, fraction optional; or a plain date. */
bool wall_parse(struct str s, struct wall *ret);

#endif
