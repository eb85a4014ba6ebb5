/* The Gregorian calendar in whole days since 1970-01-01, without libc's time functions. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_CIVIL_H
#define ROUSE_PURE_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

#define DAY_S 86400

struct civil {
	int year, month, day; /* month and day from 1 */
};

static inline int64_t
civil_floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static inline bool
civil_is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static inline int
civil_month_days(int year, int month)
{
	return month == 2 ? 28 + civil_is_leap(year) : 30 + ((month + month / 8) & 1);
}

/* Years begin in March here, so that the leap day is a year's last. */
static inline int64_t
civil_days(int year, int month, int day)
{
	int64_t y = year - (month < 3), era = civil_floor_div(y, 400), of_era = y - era * 400;
	int from_march = month < 3 ? month + 9 : month - 3;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	       (153 * from_march + 2) / 5 + day - 1 - 719468;
}

static inline struct civil
civil_of_days(int64_t days)
{
	int64_t shifted = days + 719468, era = civil_floor_div(shifted, 146097);
	unsigned of_era = (unsigned)(shifted - era * 146097);
	unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
	unsigned from_march = (5 * of_year + 2) / 153;
	int month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);

	return (struct civil){(int)(era * 400) + (int)year + (month < 3), month,
			      (int)(of_year - (153 * from_march + 2) / 5) + 1};
}

/* 0 is Sunday. */
static inline int
civil_weekday(int64_t days)
{
	int w = (int)((days + 4) % 7);

	return w < 0 ? w + 7 : w;
}

#endif
