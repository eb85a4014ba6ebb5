/* The POSIX TZ rule that ends a TZif file: EST5EDT,M3.2.0,M11.1.0. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_ZONE_RULE_H
#define ROUSE_PURE_ZONE_RULE_H

#include "base/str.h"

struct zone_date {
	char kind; /* J: day 1-365 without leap days; N: day 0-365; M: month, week, weekday */
	int month, week, day;
	int32_t time; /* seconds after midnight, may be negative or beyond a day */
};

struct zone_rule {
	int32_t offset, dst_offset; /* east of UTC */
	bool has_dst;
	struct zone_date start,
		end; /* of DST; start is told in offset's time, end in dst_offset's */
};

/* False when it is no rule, or names DST without dates. */
bool zone_rule_parse(struct str text, struct zone_rule *ret);

/* When DST begins and ends in a year, in UTC seconds. has_dst only. */
int64_t zone_rule_start(const struct zone_rule *rule, int year);
int64_t zone_rule_end(const struct zone_rule *rule, int year);

#endif
