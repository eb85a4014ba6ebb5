/* Nominal times: the local seconds that all fields of a cron expression match, on a plain line
 * without time zones. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_CRON_NOMINAL_H
#define ROUSE_PURE_CRON_NOMINAL_H

#include "pure/cron_expr.h"

/* Local seconds since 1970-01-01T00:00; none is nominal from here on. */
#define NOMINAL_END INT64_C(7258118400) /* 2200-01-01 */
#define NOMINAL_MONTH_LENGTHS 4		/* 28 to 31 days */
#define NOMINAL_YEAR_KINDS 14		/* weekday of the first day, leap or not */

/* A month and its days; length 0: none yet. */
struct nominal_month {
	int64_t first, year_first; /* days since 1970-01-01 */
	int year, month, length;
	uint32_t days;	 /* bit d: day d matches */
	uint16_t months; /* bit m: month m of the year has such a day */
};

/* What the day fields and the year come to. */
struct nominal_days {
	uint32_t days[7][NOMINAL_MONTH_LENGTHS]; /* by the first's weekday and the length */
	uint16_t months[NOMINAL_YEAR_KINDS];	 /* bit m: a day of month m matches */
	uint64_t years[4];			 /* those with any day */
};

/* An expression with fields, compiled. */
struct nominal {
	const struct cron_expr *expr;
	struct nominal_days of;
	struct nominal_month month;				/* the one used last */
	int first_time, first_of_hour, last_time, last_of_hour; /* seconds of a day, of an hour */
};

/* expr must have fields and stay where it is. One thread: expressions share what was worked out
 * for the same days. */
void nominal_init(struct nominal *n, const struct cron_expr *expr);

/* The first nominal second at or after local, the last at or before; false: there is none. Takes no
 * memory, and time that does not depend on the distance. */
bool nominal_next(struct nominal *n, int64_t local, int64_t *ret);
bool nominal_prev(struct nominal *n, int64_t local, int64_t *ret);

#endif
