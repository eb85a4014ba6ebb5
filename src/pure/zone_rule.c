/* The POSIX TZ rule of a TZif file's footer (RFC 8536 section 3.3, with version 3's wider hours).
 */
/* SPDX-License-Identifier: MIT */
#include "pure/zone_rule.h"

#include "pure/civil.h"

#define HOURS_MAX 167

struct cursor {
	const char *p, *end;
};

static bool
take_char(struct cursor *c, char want)
{
	if (c->p == c->end || *c->p != want)
		return false;
	c->p++;
	return true;
}

static bool
take_number(struct cursor *c, int lo, int hi, int *ret)
{
	const char *start = c->p;
	int n = 0;

	while (c->p < c->end && *c->p >= '0' && *c->p <= '9' && c->p - start < 4)
		n = n * 10 + (*c->p++ - '0');
	*ret = n;
	return c->p > start && n >= lo && n <= hi;
}

/* Three or more letters, or anything but > between < and >. */
static bool
take_name(struct cursor *c)
{
	const char *start = c->p;

	if (take_char(c, '<')) {
		while (c->p < c->end && *c->p != '>')
			c->p++;
		return take_char(c, '>');
	}
	while (c->p < c->end && ((*c->p | 0x20) >= 'a' && (*c->p | 0x20) <= 'z'))
		c->p++;
	return c->p - start >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool
take_time(struct cursor *c, int32_t *ret)
{
	int h, m = 0, s = 0;
	bool minus = take_char(c, '-');

	if (!minus)
		take_char(c, '+');
	if (!take_number(c, 0, HOURS_MAX, &h))
		return false;
	if (take_char(c, ':')) {
		if (!take_number(c, 0, 59, &m))
			return false;
		if (take_char(c, ':') && !take_number(c, 0, 59, &s))
			return false;
	}
	*ret = (h * 3600 + m * 60 + s) * (minus ? -1 : 1);
	return true;
}

static bool
take_date(struct cursor *c, struct zone_date *ret)
{
	*ret = (struct zone_date){.kind = 'N', .time = 7200};
	if (!take_char(c, ','))
		return false;
	if (take_char(c, 'M')) {
		ret->kind = 'M';
		if (!take_number(c, 1, 12, &ret->month) || !take_char(c, '.') ||
		    !take_number(c, 1, 5, &ret->week) || !take_char(c, '.') ||
		    !take_number(c, 0, 6, &ret->day))
			return false;
	} else if (take_char(c, 'J')) {
		ret->kind = 'J';
		if (!take_number(c, 1, 365, &ret->day))
			return false;
	} else if (!take_number(c, 0, 365, &ret->day)) {
		return false;
	}
	return !take_char(c, '/') || take_time(c, &ret->time);
}

bool
zone_rule_parse(struct str text, struct zone_rule *ret)
{
	struct cursor c = {text.p, text.p + text.len};
	struct zone_rule rule = {.has_dst = false};
	int32_t west;

	if (!text.len || !take_name(&c) || !take_time(&c, &west))
		return false;
	rule.offset = -west;
	if (c.p < c.end) {
		rule.has_dst = true;
		if (!take_name(&c))
			return false;
		rule.dst_offset = rule.offset + 3600;
		if (c.p < c.end && *c.p != ',') {
			if (!take_time(&c, &west))
				return false;
			rule.dst_offset = -west;
		}
		if (!take_date(&c, &rule.start) || !take_date(&c, &rule.end))
			return false;
	}
	if (c.p != c.end)
		return false;
	*ret = rule;
	return true;
}

static int64_t
date_in(const struct zone_date *d, int year)
{
	int64_t first = civil_days(year, 1, 1);
	int day;

	if (d->kind == 'N')
		return first + d->day;
	if (d->kind == 'J')
		return first + d->day - 1 + (civil_is_leap(year) && d->day > 59);
	first = civil_days(year, d->month, 1);
	day = 1 + (d->day - civil_weekday(first) + 7) % 7 + (d->week - 1) * 7;
	while (day > civil_month_days(year, d->month))
		day -= 7;
	return first + day - 1;
}

int64_t
zone_rule_start(const struct zone_rule *rule, int year)
{
	return date_in(&rule->start, year) * DAY_S + rule->start.time - rule->offset;
}

int64_t
zone_rule_end(const struct zone_rule *rule, int year)
{
	return date_in(&rule->end, year) * DAY_S + rule->end.time - rule->dst_offset;
}
