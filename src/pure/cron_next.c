/* When a cron expression fires. Within a span of one offset local time is a plain number line: what
 * is hard is only where spans meet. No minute is ever stepped over, months and years neither. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_next.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "pure/civil.h"

/* Local times of two instants further apart than this are never the same. */
#define JUMP_S (3 * DAY_S)
#define MONTH_LENGTHS 4 /* 28 to 31 days */

struct cron {
	struct cron_expr expr;
	struct zone *zone;
	struct zone_span span;		 /* the one used last */
	uint32_t days[7][MONTH_LENGTHS]; /* bit d: day d fires, by the first's weekday and length */
	int first_second, first_minute, first_hour;
	int last_second, last_minute, last_hour;
	int64_t end_s; /* local, first second after the last year */
};

/* ---- bits ---- */

static int
bit_low(uint64_t mask)
{
	return __builtin_ctzll(mask);
}

static int
bit_high(uint64_t mask)
{
	return 63 - __builtin_clzll(mask);
}

/* The bits of n and above, of n and below; n in [0, 63]. */
static uint64_t
from_bit(int n)
{
	return UINT64_MAX << n;
}

static uint64_t
to_bit(int n)
{
	return UINT64_MAX >> (63 - n);
}

/* ---- days ---- */

/* nW: the nearest day from Monday to Friday in the same month. */
static int
nearest_weekday(int day, int first_weekday, int length)
{
	int w = (first_weekday + day - 1) % 7;

	if (w == 6)
		return day == 1 ? 3 : day - 1;
	if (w == 0)
		return day == length ? day - 2 : day + 1;
	return day;
}

static uint32_t
month_dom(const struct cron_expr *e, int first_weekday, int length)
{
	uint32_t mask = e->dom & (uint32_t)to_bit(length);

	for (int n = 0; n < length; n++) {
		if (e->last_day >> n & 1)
			mask |= 1u << (length - n);
		if (e->last_weekday >> n & 1)
			mask |= 1u << nearest_weekday(length - n, first_weekday, length);
		if (e->nearest >> (n + 1) & 1)
			mask |= 1u << nearest_weekday(n + 1, first_weekday, length);
	}
	return mask;
}

static uint32_t
month_dow(const struct cron_expr *e, int first_weekday, int length)
{
	uint32_t mask = 0;

	for (int day = 1; day <= length; day++) {
		int w = (first_weekday + day - 1) % 7;

		if ((e->dow >> w & 1) || (e->nth[w] >> ((day - 1) / 7) & 1) ||
		    (day + 7 > length && (e->nth[w] >> CRON_NTH_LAST & 1)))
			mask |= 1u << day;
	}
	return mask;
}

static uint32_t
month_mask(const struct cron_expr *e, int first_weekday, int length)
{
	uint32_t dom = month_dom(e, first_weekday, length);
	uint32_t dow = month_dow(e, first_weekday, length);

	return e->both || e->dom_star || e->dow_star ? dom & dow : dom | dow;
}

static uint32_t
days_of(const struct cron *c, int year, int month, int64_t *ret_first)
{
	int64_t first = civil_days(year, month, 1);

	*ret_first = first;
	return c->days[civil_weekday(first)][civil_month_days(year, month) - 28];
}

static bool
has_year(const struct cron_expr *e, int year)
{
	int n = year - CRON_FIRST_YEAR;

	return e->year[n / 64] >> (n % 64) & 1;
}

/* The first day that fires on or after day d of a month; d may lie behind the month's end. */
static bool
day_next(const struct cron *c, int year, int month, int d, int64_t *ret_day)
{
	int64_t first;
	uint64_t months, days;

	for (; year <= CRON_LAST_YEAR; year++, month = 1, d = 1) {
		if (!has_year(&c->expr, year))
			continue;
		months = c->expr.month & from_bit(month);
		for (; months; months &= months - 1, d = 1) {
			if (bit_low(months) != month)
				d = 1;
			days = days_of(c, year, bit_low(months), &first) & from_bit(d);
			if (days) {
				*ret_day = first + bit_low(days) - 1;
				return true;
			}
		}
	}
	return false;
}

/* The last one on or before day d; d may be 0. */
static bool
day_prev(const struct cron *c, int year, int month, int d, int64_t *ret_day)
{
	int64_t first;
	uint64_t months, days;

	for (; year >= CRON_FIRST_YEAR; year--, month = 12, d = 31) {
		if (!has_year(&c->expr, year))
			continue;
		months = c->expr.month & to_bit(month);
		for (; months; months &= to_bit(bit_high(months)) >> 1) {
			days = days_of(c, year, bit_high(months), &first);
			if (bit_high(months) == month)
				days &= to_bit(d);
			if (days) {
				*ret_day = first + bit_high(days) - 1;
				return true;
			}
		}
	}
	return false;
}

/* ---- times of a day ---- */

static bool
time_next(const struct cron *c, int time, int *ret)
{
	const struct cron_expr *e = &c->expr;
	int h = time / 3600, m = time / 60 % 60, s = time % 60;
	uint64_t mask;

	if (e->hour >> h & 1) {
		mask = e->second & from_bit(s);
		if ((e->minute >> m & 1) && mask) {
			*ret = h * 3600 + m * 60 + bit_low(mask);
			return true;
		}
		mask = e->minute & (from_bit(m) << 1);
		if (mask) {
			*ret = h * 3600 + bit_low(mask) * 60 + c->first_second;
			return true;
		}
	}
	mask = e->hour & (from_bit(h) << 1);
	if (!mask)
		return false;
	*ret = bit_low(mask) * 3600 + c->first_minute * 60 + c->first_second;
	return true;
}

static bool
time_prev(const struct cron *c, int time, int *ret)
{
	const struct cron_expr *e = &c->expr;
	int h = time / 3600, m = time / 60 % 60, s = time % 60;
	uint64_t mask;

	if (e->hour >> h & 1) {
		mask = e->second & to_bit(s);
		if ((e->minute >> m & 1) && mask) {
			*ret = h * 3600 + m * 60 + bit_high(mask);
			return true;
		}
		mask = e->minute & (to_bit(m) >> 1);
		if (mask) {
			*ret = h * 3600 + bit_high(mask) * 60 + c->last_second;
			return true;
		}
	}
	mask = e->hour & (to_bit(h) >> 1);
	if (!mask)
		return false;
	*ret = bit_high(mask) * 3600 + c->last_minute * 60 + c->last_second;
	return true;
}

/* ---- nominal times: the local number line ---- */

/* The first nominal local second at or after local. */
static bool
nominal_next(const struct cron *c, int64_t local, int64_t *ret)
{
	struct civil date;
	int64_t day, first;
	int time;

	if (local < 0)
		local = 0;
	if (local >= c->end_s)
		return false;
	day = local / DAY_S;
	date = civil_of_days(day);
	if (has_year(&c->expr, date.year) && (c->expr.month >> date.month & 1) &&
	    (days_of(c, date.year, date.month, &first) >> date.day & 1) &&
	    time_next(c, (int)(local % DAY_S), &time)) {
		*ret = day * DAY_S + time;
		return true;
	}
	if (!day_next(c, date.year, date.month, date.day + 1, &day))
		return false;
	*ret = day * DAY_S + c->first_hour * 3600 + c->first_minute * 60 + c->first_second;
	return true;
}

/* The last one at or before local. */
static bool
nominal_prev(const struct cron *c, int64_t local, int64_t *ret)
{
	struct civil date;
	int64_t day, first;
	int time;

	if (local < 0)
		return false;
	if (local >= c->end_s)
		local = c->end_s - 1;
	day = local / DAY_S;
	date = civil_of_days(day);
	if (has_year(&c->expr, date.year) && (c->expr.month >> date.month & 1) &&
	    (days_of(c, date.year, date.month, &first) >> date.day & 1) &&
	    time_prev(c, (int)(local % DAY_S), &time)) {
		*ret = day * DAY_S + time;
		return true;
	}
	if (!day_prev(c, date.year, date.month, date.day - 1, &day))
		return false;
	*ret = day * DAY_S + c->last_hour * 3600 + c->last_minute * 60 + c->last_second;
	return true;
}

/* ---- instants ---- */

static const struct zone_span *
span_of(struct cron *c, int64_t t)
{
	if (t < c->span.from || t >= c->span.until)
		c->span = zone_span_at(c->zone, t);
	return &c->span;
}

/* Local time at which the span before this one ended; the span's own beginning when there is none.
 */
static int64_t
local_before(const struct cron *c, const struct zone_span *s)
{
	if (!s->index)
		return s->from + s->offset;
	return s->from + zone_span(c->zone, s->index - 1).offset;
}

/* Whether an appointment lies in the gap at which the span begins. A gap of a day or more is a date
 * that never was (the date line moved): what stood on it does not happen. */
static bool
gap_fires(const struct cron *c, const struct zone_span *s)
{
	int64_t start = local_before(c, s), end = s->from + s->offset;

	return !c->expr.rhythm && start < end && end - start < DAY_S &&
	       cron_has_nominal(c, start, end);
}

/* The first local time of a span that counts: an appointment that the span before had is over. */
static int64_t
local_start(const struct cron *c, const struct zone_span *s)
{
	int64_t start = s->from + s->offset, before = local_before(c, s);

	return !c->expr.rhythm && before > start ? before : start;
}

static int64_t
max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The first instant at or after p. */
static bool
fire_next(struct cron *c, int64_t p, int64_t *ret)
{
	const struct zone_span *s;
	struct zone_span next;
	int64_t lo, local, barren = 0; /* nothing is nominal from lo up to here */
	bool found;

	for (;;) {
		s = span_of(c, p);
		if (p == s->from && gap_fires(c, s)) {
			*ret = p;
			return true;
		}
		lo = max64(p + s->offset, barren);
		if (!c->expr.rhythm)
			lo = max64(lo, local_start(c, s));
		found = nominal_next(c, lo, &local);
		if (found && local < s->until + s->offset) {
			*ret = local - s->offset;
			return true;
		}
		if (s->index + 1 == zone_count(c->zone))
			return false;
		next = zone_span(c->zone, s->index + 1);
		p = s->until;
		/* Unless the next span repeats local times before lo, nothing fires until local. */
		if (next.from + next.offset >= lo) {
			if (!found)
				return false;
			p = max64(p, local - JUMP_S);
			barren = local;
		}
	}
}

/* The last instant at or before p. */
static bool
fire_prev(struct cron *c, int64_t p, int64_t *ret)
{
	const struct zone_span *s;
	int64_t hi, local = 0, before;
	bool found;

	for (;;) {
		s = span_of(c, p);
		hi = p + s->offset;
		found = nominal_prev(c, hi, &local);
		if (found && local >= local_start(c, s)) {
			*ret = local - s->offset;
			return true;
		}
		if (gap_fires(c, s)) {
			*ret = s->from;
			return true;
		}
		if (!s->index)
			return false;
		before = local_before(c, s);
		p = s->from - 1;
		if (before - 1 <= hi) {
			if (!found)
				return false;
			p = min64(p, local + JUMP_S);
		}
	}
}

static bool
every_next(const struct cron *c, int64_t p, int64_t *ret)
{
	const struct cron_expr *e = &c->expr;
	int64_t past = p - e->phase_s, k;

	if (past < 0)
		past = 0;
	k = past / e->every_s + (past % e->every_s != 0);
	*ret = e->phase_s + k * e->every_s;
	return *ret < c->end_s;
}

static bool
every_prev(const struct cron *c, int64_t p, int64_t *ret)
{
	const struct cron_expr *e = &c->expr;

	if (p < e->phase_s)
		return false;
	*ret = e->phase_s + (min64(p, c->end_s - 1) - e->phase_s) / e->every_s * e->every_s;
	return true;
}

/* ---- exports ---- */

static void
prepare(struct cron *c)
{
	const struct cron_expr *e = &c->expr;

	c->end_s = civil_days(CRON_LAST_YEAR + 1, 1, 1) * DAY_S;
	c->span = zone_span(c->zone, 0);
	if (!e->fields)
		return;
	for (int w = 0; w < 7; w++)
		for (int n = 0; n < MONTH_LENGTHS; n++)
			c->days[w][n] = month_mask(e, w, 28 + n);
	c->first_second = bit_low(e->second);
	c->first_minute = bit_low(e->minute);
	c->first_hour = bit_low(e->hour);
	c->last_second = bit_high(e->second);
	c->last_minute = bit_high(e->minute);
	c->last_hour = bit_high(e->hour);
}

bool
cron_new(struct str text, struct str zone, struct str seed, struct cron **ret, struct err *err)
{
	AUTO(cron_auto_free) struct cron *c = mem_alloc(sizeof(*c));
	struct err cause = ERR_INIT;

	if (!cron_parse(text, seed, &c->expr, err))
		return false;
	if (c->expr.zone[0] && zone.len)
		return err_set(err, E_INVALID,
			       "cron:%zu: the expression names a time zone, and so does timezone; "
			       "keep one",
			       c->expr.zone_column);
	if (c->expr.zone[0])
		zone = str_of(c->expr.zone);
	if (!zone_load(zone.len ? zone : STR("UTC"), &c->zone, &cause)) {
		if (c->expr.zone[0])
			err_prefix(&cause, "cron:%zu", c->expr.zone_column);
		return err_move(err, &cause);
	}
	prepare(c);
	*ret = TAKE(c);
	return true;
}

void
cron_free(struct cron *cron)
{
	if (!cron)
		return;
	zone_free(cron->zone);
	free(cron);
}

void
cron_auto_free(struct cron **cron)
{
	cron_free(*cron);
}

const struct cron_expr *
cron_expr(const struct cron *cron)
{
	return &cron->expr;
}

const struct zone *
cron_zone(const struct cron *cron)
{
	return cron->zone;
}

/* Nothing fires outside these years, whatever the offset: keeps sums far from overflow. */
static int64_t
clamp_s(const struct cron *c, int64_t s)
{
	return max64(min64(s, c->end_s + JUMP_S), -JUMP_S);
}

bool
cron_next(struct cron *cron, struct wall t, struct wall *ret)
{
	int64_t p = clamp_s(cron, civil_floor_div(t.ms, 1000) + 1), at;

	if (cron->expr.reboot ||
	    !(cron->expr.every_s ? every_next(cron, p, &at) : fire_next(cron, p, &at)))
		return false;
	assert(at * 1000 > t.ms);
	ret->ms = at * 1000;
	return true;
}

bool
cron_prev(struct cron *cron, struct wall t, struct wall *ret)
{
	int64_t p = clamp_s(cron, civil_floor_div(t.ms - (t.ms > INT64_MIN), 1000)), at;

	if (cron->expr.reboot ||
	    !(cron->expr.every_s ? every_prev(cron, p, &at) : fire_prev(cron, p, &at)))
		return false;
	assert(at * 1000 < t.ms);
	ret->ms = at * 1000;
	return true;
}

bool
cron_match(struct cron *cron, struct wall t)
{
	struct wall next;

	return t.ms > INT64_MIN && cron_next(cron, (struct wall){t.ms - 1}, &next) &&
	       next.ms == t.ms;
}

bool
cron_has_nominal(const struct cron *cron, int64_t from, int64_t until)
{
	int64_t local;

	return nominal_next(cron, from, &local) && local < until;
}

bool
cron_check_fires(struct cron *cron, struct wall now, struct err *err)
{
	static const char *const full[] = {"January",	"February", "March",	"April",
					   "May",	"June",	    "July",	"August",
					   "September", "October",  "November", "December"};
	const struct cron_expr *e = &cron->expr;
	struct wall at;
	int longest = 0;

	if (e->reboot || cron_next(cron, now, &at))
		return true;
	for (int m = 1; m <= 12; m++)
		if ((e->month >> m & 1) && civil_month_days(2000, m) > longest)
			longest = civil_month_days(2000, m);
	if (cron_next(cron, (struct wall){-JUMP_S * INT64_C(1000)}, &at))
		return err_set(err, E_INVALID, "cron: never fires: its last time is over");
	if (!e->dom || bit_low(e->dom) <= longest)
		return err_set(err, E_INVALID,
			       "cron: never fires: no date matches all of its fields");
	if (e->month & (e->month - 1))
		return err_set(err, E_INVALID, "cron: never fires: its months have at most %d days",
			       longest);
	return err_set(err, E_INVALID, "cron: never fires: %s has at most %d days",
		       full[bit_low(e->month) - 1], longest);
}
