/* Nominal times of a cron expression, by bit masks: no minute, month or year is stepped over that
 * does not match. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_nominal.h"

#include "pure/civil.h"

#define YEARS (CRON_LAST_YEAR - CRON_FIRST_YEAR + 1)

/* Days before a month, without and with a leap day. */
static const uint16_t before_month[2][14] = {
	{0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365},
	{0, 0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366},
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

/* ---- days of a month ---- */

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

	if (!e->last_day && !e->last_weekday && !e->nearest)
		return mask;
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

	if (e->dow == 0x7f)
		return (uint32_t)to_bit(length) & ~1u;
	for (int day = 1, w = first_weekday; day <= length; day++, w = w == 6 ? 0 : w + 1)
		if ((e->dow >> w & 1) || (e->nth[w] >> ((day - 1) / 7) & 1) ||
		    (day + 7 > length && (e->nth[w] >> CRON_NTH_LAST & 1)))
			mask |= 1u << day;
	return mask;
}

static uint32_t
month_mask(const struct cron_expr *e, int first_weekday, int length)
{
	uint32_t dom = month_dom(e, first_weekday, length);
	uint32_t dow = month_dow(e, first_weekday, length);

	return e->both || e->dom_star || e->dow_star ? dom & dow : dom | dow;
}

/* ---- months and years ---- */

/* Of the years from 1970 to 2199 all that 4 divides are leap years but one. */
#define NO_LEAP 2100
_Static_assert(CRON_FIRST_YEAR == 1970 && CRON_LAST_YEAR == 2199, "what year_first() is true of");

static bool
is_leap(int year)
{
	return !(year & 3) && year != NO_LEAP;
}

/* civil_days(year, 1, 1) */
static int64_t
year_first(int year)
{
	int n = year - CRON_FIRST_YEAR;

	return n * 365 + ((n + 1) >> 2) - (year > NO_LEAP);
}

/* Of a day from 1970 on; 0 is Sunday. */
static int
weekday(int64_t day)
{
	return (int)((uint32_t)(day + 4) % 7);
}

static int
year_kind(int year, int64_t first)
{
	return weekday(first) * 2 + is_leap(year);
}

static bool
year_matches(const struct nominal *n, int year)
{
	int i = year - CRON_FIRST_YEAR;

	return n->of.years[i / 64] >> (i % 64) & 1;
}

/* Makes it the year used last. */
static void
year_set(struct nominal *n, int year)
{
	struct nominal_month *m = &n->month;

	m->year = year;
	m->year_first = year_first(year);
	m->months = year_matches(n, year) ? n->of.months[year_kind(year, m->year_first)] : 0;
}

/* Makes it the month used last, of the year used last. */
static void
month_set(struct nominal *n, int month)
{
	struct nominal_month *m = &n->month;
	const uint16_t *before = before_month[is_leap(m->year)];

	m->month = month;
	m->first = m->year_first + before[month];
	m->length = before[month + 1] - before[month];
	m->days = m->months >> month & 1 ? n->of.days[weekday(m->first)][m->length - 28] : 0;
}

static void
month_of_day(struct nominal *n, int64_t day)
{
	struct civil d;

	if (day >= n->month.first && day < n->month.first + n->month.length)
		return;
	d = civil_of_days(day);
	year_set(n, d.year);
	month_set(n, d.month);
}

/* The first year with any day after this one, the last before; 0: none. */
static int
year_next(const struct nominal *n, int year)
{
	unsigned i = (unsigned)(year + 1 - CRON_FIRST_YEAR), word = i / 64;
	uint64_t mask;

	if (i >= YEARS)
		return 0;
	for (mask = n->of.years[word] & from_bit((int)(i % 64)); !mask; mask = n->of.years[word])
		if (++word == 4)
			return 0;
	return CRON_FIRST_YEAR + (int)word * 64 + bit_low(mask);
}

static int
year_prev(const struct nominal *n, int year)
{
	int i = year - 1 - CRON_FIRST_YEAR, word = i / 64;
	uint64_t mask;

	if (i < 0)
		return 0;
	for (mask = n->of.years[word] & to_bit(i % 64); !mask; mask = n->of.years[word])
		if (--word < 0)
			return 0;
	return CRON_FIRST_YEAR + word * 64 + bit_high(mask);
}

/* Goes on to the first month after the one used last that has a day, back to the last before it. */
static bool
month_next(struct nominal *n)
{
	uint64_t months = n->month.months & (from_bit(n->month.month) << 1);
	int year;

	if (!months) {
		year = year_next(n, n->month.year);
		if (!year)
			return false;
		year_set(n, year);
		months = n->month.months;
	}
	month_set(n, bit_low(months));
	return true;
}

static bool
month_prev(struct nominal *n)
{
	uint64_t months = n->month.months & (to_bit(n->month.month) >> 1);
	int year;

	if (!months) {
		year = year_prev(n, n->month.year);
		if (!year)
			return false;
		year_set(n, year);
		months = n->month.months;
	}
	month_set(n, bit_high(months));
	return true;
}

/* ---- times of a day ---- */

static bool
time_next(const struct nominal *n, int time, int *ret)
{
	const struct cron_expr *e = n->expr;
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
			*ret = h * 3600 + bit_low(mask) * 60 + n->first_of_hour % 60;
			return true;
		}
	}
	mask = e->hour & (from_bit(h) << 1);
	if (!mask)
		return false;
	*ret = bit_low(mask) * 3600 + n->first_of_hour;
	return true;
}

static bool
time_prev(const struct nominal *n, int time, int *ret)
{
	const struct cron_expr *e = n->expr;
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
			*ret = h * 3600 + bit_high(mask) * 60 + n->last_of_hour % 60;
			return true;
		}
	}
	mask = e->hour & (to_bit(h) >> 1);
	if (!mask)
		return false;
	*ret = bit_high(mask) * 3600 + n->last_of_hour;
	return true;
}

/* ---- exports ---- */

bool
nominal_next(struct nominal *n, int64_t local, int64_t *ret)
{
	uint64_t days;
	int64_t day;
	int time;

	if (local < 0)
		local = 0;
	if (local >= NOMINAL_END)
		return false;
	day = local / DAY_S;
	month_of_day(n, day);
	days = n->month.days & from_bit((int)(day - n->month.first) + 1);
	if (days) {
		if ((days >> (day - n->month.first + 1) & 1) &&
		    time_next(n, (int)(local - day * DAY_S), &time)) {
			*ret = day * DAY_S + time;
			return true;
		}
		days &= from_bit((int)(day - n->month.first) + 1) << 1;
	}
	if (!days) {
		if (!month_next(n))
			return false;
		days = n->month.days;
	}
	*ret = (n->month.first + bit_low(days) - 1) * DAY_S + n->first_time;
	return true;
}

bool
nominal_prev(struct nominal *n, int64_t local, int64_t *ret)
{
	uint64_t days;
	int64_t day;
	int time;

	if (local < 0)
		return false;
	if (local >= NOMINAL_END)
		local = NOMINAL_END - 1;
	day = local / DAY_S;
	month_of_day(n, day);
	days = n->month.days & to_bit((int)(day - n->month.first) + 1);
	if (days) {
		if ((days >> (day - n->month.first + 1) & 1) &&
		    time_prev(n, (int)(local - day * DAY_S), &time)) {
			*ret = day * DAY_S + time;
			return true;
		}
		days &= to_bit((int)(day - n->month.first) + 1) >> 1;
	}
	if (!days) {
		if (!month_prev(n))
			return false;
		days = n->month.days;
	}
	*ret = (n->month.first + bit_high(days) - 1) * DAY_S + n->last_time;
	return true;
}

/* Which months of each kind of year have a day, and which years. */
static void
find_months(const struct cron_expr *e, struct nominal_days *of)
{
	for (int w = 0; w < 7; w++)
		for (int leap = 0; leap < 2; leap++)
			for (int m = 1; m <= 12; m++) {
				const uint16_t *before = before_month[leap];

				if ((e->month >> m & 1) &&
				    of->days[(w + before[m]) % 7][before[m + 1] - before[m] - 28])
					of->months[w * 2 + leap] |= (uint16_t)(1u << m);
			}
	for (int i = 0; i < YEARS; i++) {
		int year = CRON_FIRST_YEAR + i;

		if ((e->year[i / 64] >> (i % 64) & 1) &&
		    of->months[year_kind(year, year_first(year))])
			of->years[i / 64] |= UINT64_C(1) << (i % 64);
	}
}

/* The fields that decide on days, and what they came to: thousands of schedules share a few. */
static struct known {
	struct day_fields {
		uint64_t year[4];
		uint32_t dom, month, last_day, last_weekday, nearest;
		uint8_t dow, nth[7], both, filled, unused[2]; /* whole, without padding */
	} fields;
	struct nominal_days of;
} known[64];

static void
fields_of(const struct cron_expr *e, struct day_fields *ret)
{
	memset(ret, 0, sizeof(*ret)); /* they are compared as bytes */
	memcpy(ret->year, e->year, sizeof(ret->year));
	ret->dom = e->dom;
	ret->month = e->month;
	ret->last_day = e->last_day;
	ret->last_weekday = e->last_weekday;
	ret->nearest = e->nearest;
	ret->dow = e->dow;
	memcpy(ret->nth, e->nth, sizeof(ret->nth));
	ret->both = e->both || e->dom_star || e->dow_star;
	ret->filled = 1;
}

/* Where they would stand: another may stand there. */
static struct known *
known_place(const struct day_fields *fields)
{
	uint64_t hash = (uint64_t)fields->dom << 13 ^ (uint64_t)fields->month << 45 ^
			fields->last_day ^ (uint64_t)fields->nearest << 7 ^ fields->dow;

	return &known[hash * UINT64_C(0x9e3779b97f4a7c15) >> 58];
}

static const struct nominal_days *
days_of(const struct cron_expr *e)
{
	struct day_fields fields;
	struct known *k;

	fields_of(e, &fields);
	k = known_place(&fields);
	if (!memcmp(&k->fields, &fields, sizeof(fields)))
		return &k->of;
	memset(k, 0, sizeof(*k));
	memcpy(&k->fields, &fields, sizeof(fields));
	for (int w = 0; w < 7; w++)
		for (int i = 0; i < NOMINAL_MONTH_LENGTHS; i++)
			k->of.days[w][i] = month_mask(e, w, 28 + i);
	find_months(e, &k->of);
	return &k->of;
}

void
nominal_init(struct nominal *n, const struct cron_expr *e)
{
	*n = (struct nominal){.expr = e, .of = *days_of(e)};
	n->first_of_hour = bit_low(e->minute) * 60 + bit_low(e->second);
	n->last_of_hour = bit_high(e->minute) * 60 + bit_high(e->second);
	n->first_time = bit_low(e->hour) * 3600 + n->first_of_hour;
	n->last_time = bit_high(e->hour) * 3600 + n->last_of_hour;
}
