/* Time: two kinds that the compiler refuses to mix, from one clock that is passed in. */
/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { DAY_MS = 86400000, DAYS_400Y = 146097, EPOCH_FROM_0000_03_01 = 719468 };

static int64_t
clock_read_ms(clockid_t id)
{
	struct timespec ts;
	int rc = clock_gettime(id, &ts);
	assert(rc == 0);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct wall
system_wall(struct clock *c UNUSED)
{
	return (struct wall){clock_read_ms(CLOCK_REALTIME)};
}

static struct mono
system_mono(struct clock *c UNUSED)
{
	return (struct mono){clock_read_ms(CLOCK_BOOTTIME)};
}

struct clock *
clock_system(void)
{
	static struct clock system = {system_wall, system_mono};
	return &system;
}

int64_t
clock_boot(void)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[9] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	return n == sizeof(text) - 1 ? (int64_t)strtoull(text, NULL, 16) : 0;
}

static int64_t
div_floor(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Years are counted from March, so that the day of a leap year is the last of its year. */
static int64_t
days_from_civil(int64_t year, int month, int day)
{
	year -= month < 3;
	int64_t cycle = div_floor(year, 400);
	int64_t y = year - cycle * 400;
	int64_t m = (month + 9) % 12;
	int64_t day_of_year = (153 * m + 2) / 5 + day - 1;
	int64_t day_of_cycle = y * 365 + y / 4 - y / 100 + day_of_year;
	return cycle * DAYS_400Y + day_of_cycle - EPOCH_FROM_0000_03_01;
}

static void
civil_from_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
	days += EPOCH_FROM_0000_03_01;
	int64_t cycle = div_floor(days, DAYS_400Y);
	int64_t d = days - cycle * DAYS_400Y;
	/* The leap days that passed before day d of the cycle are taken out, then years are even.
	 */
	int64_t y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
	int64_t day_of_year = d - (y * 365 + y / 4 - y / 100);
	int64_t m = (5 * day_of_year + 2) / 153;
	*ret_day = (int)(day_of_year - (153 * m + 2) / 5 + 1);
	*ret_month = (int)(m < 10 ? m + 3 : m - 9);
	*ret_year = cycle * 400 + y + (*ret_month < 3);
}

/* The last n digits, at most four, and what stands behind them. Every event is written with a time.
 */
static void
put_digits(struct buf *out, int64_t value, size_t n, char behind)
{
	char text[5];
	text[n] = behind;
	for (size_t i = n; i--; value /= 10)
		text[i] = (char)('0' + value % 10);
	buf_add(out, text, n + 1);
}

void
wall_format(struct wall w, struct buf *out)
{
	if (!wall_is_set(w)) {
		buf_puts(out, "-");
		return;
	}
	int64_t days = div_floor(w.ms, DAY_MS);
	/* Not by taking the days away: at the ends of int64 they overflow. */
	int64_t ms = w.ms % DAY_MS;
	ms += ms < 0 ? DAY_MS : 0;
	int64_t year;
	int month, day;
	civil_from_days(days, &year, &month, &day);
	if (year >= 0 && year <= 9999)
		put_digits(out, year, 4, '-');
	else
		buf_printf(out, "%04lld-", (long long)year);
	put_digits(out, month, 2, '-');
	put_digits(out, day, 2, 'T');
	put_digits(out, ms / 3600000, 2, ':');
	put_digits(out, ms / 60000 % 60, 2, ':');
	put_digits(out, ms / 1000 % 60, 2, '.');
	put_digits(out, ms % 1000, 3, 'Z');
}

/* Takes exactly n digits off the front of s. */
static bool
take_digits(struct str *s, size_t n, int *ret)
{
	int value = 0;
	if (s->len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		value = value * 10 + (s->p[i] - '0');
	}
	*s = str_make(s->p + n, s->len - n);
	*ret = value;
	return true;
}

static bool
take_one_of(struct str *s, const char *set, char *ret)
{
	if (!s->len || !s->p[0] || !strchr(set, s->p[0]))
		return false;
	*ret = s->p[0];
	*s = str_make(s->p + 1, s->len - 1);
	return true;
}

static bool
take_date(struct str *s, int64_t *ret_days)
{
	static const unsigned char month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year, month, day;
	char c;
	if (!take_digits(s, 4, &year) || !take_one_of(s, "-", &c) || !take_digits(s, 2, &month) ||
	    !take_one_of(s, "-", &c) || !take_digits(s, 2, &day))
		return false;
	if (month < 1 || month > 12 || day < 1)
		return false;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (day > month_days[month - 1] + (month == 2 && leap))
		return false;
	*ret_days = days_from_civil(year, month, day);
	return true;
}

static bool
take_time(struct str *s, int64_t *ret_ms)
{
	int hour, minute, second, ms = 0, digit;
	char c;
	if (!take_digits(s, 2, &hour) || !take_one_of(s, ":", &c) || !take_digits(s, 2, &minute) ||
	    !take_one_of(s, ":", &c) || !take_digits(s, 2, &second))
		return false;
	if (hour > 23 || minute > 59 || second > 59)
		return false;
	if (take_one_of(s, ".", &c)) {
		if (!take_digits(s, 1, &digit))
			return false;
		ms = digit * 100;
		for (int unit = 10; take_digits(s, 1, &digit); unit /= 10)
			ms += digit * unit;
	}
	*ret_ms = ((int64_t)hour * 60 + minute) * 60000 + (int64_t)second * 1000 + ms;
	return true;
}

static bool
take_offset(struct str *s, int64_t *ret_ms)
{
	int hour, minute;
	char sign, c;
	if (take_one_of(s, "Zz", &c)) {
		*ret_ms = 0;
		return true;
	}
	if (!take_one_of(s, "+-", &sign) || !take_digits(s, 2, &hour) || !take_one_of(s, ":", &c) ||
	    !take_digits(s, 2, &minute) || hour > 23 || minute > 59)
		return false;
	*ret_ms = (sign == '-' ? -1 : 1) * ((int64_t)hour * 60 + minute) * 60000;
	return true;
}

bool
wall_parse(struct str s, struct wall *ret)
{
	int64_t days, ms = 0, offset = 0;
	char c;
	if (!take_date(&s, &days))
		return false;
	if (s.len &&
	    (!take_one_of(&s, "Tt ", &c) || !take_time(&s, &ms) || !take_offset(&s, &offset)))
		return false;
	if (s.len)
		return false;
	ret->ms = days * DAY_MS + ms - offset;
	return true;
}
