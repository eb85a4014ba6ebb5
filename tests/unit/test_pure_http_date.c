/* Dates and delays of HTTP headers: the three forms, and what is none. */
/* SPDX-License-Identifier: MIT */
#include "pure/http_date.h"
#include "tests/unit/tap.h"

#define NOW ((struct wall){1795253777000}) /* 2026-11-21 */

static int64_t
date_s(const char *text)
{
	struct wall at = WALL_NONE;

	return http_date_parse(str_of(text), NOW, &at) ? at.ms / 1000 : -1;
}

static int64_t
delay_ms(const char *text)
{
	int64_t ms = -7;

	return retry_after_parse(str_of(text), NOW, 86400000, &ms) ? ms : -1;
}

int
main(void)
{
	IT ("the three forms of RFC 9110 are the same moment") {
		CHECK_INT(date_s("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
		CHECK_INT(date_s("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
		CHECK_INT(date_s("Sun Nov  6 08:49:37 1994"), 784111777);
		CHECK_INT(date_s(" Sun, 06 Nov 1994 08:49:37 GMT "), 784111777);
	}
	IT ("a year of two digits lies no more than 50 years ahead") {
		CHECK_INT(date_s("Friday, 31-Dec-76 00:00:00 GMT"), 3376598400);
		CHECK_INT(date_s("Friday, 31-Dec-77 00:00:00 GMT"), 252374400);
		CHECK_INT(date_s("Saturday, 01-Jan-00 00:00:00 GMT"), 946684800);
	}
	IT ("leap days and leap seconds are dates, days that are not are none") {
		CHECK_INT(date_s("Thu, 29 Feb 2024 00:00:00 GMT"), 1709164800);
		CHECK_INT(date_s("Sat, 31 Dec 2016 23:59:60 GMT"), 1483228799);
		CHECK_INT(date_s("Wed, 29 Feb 2023 00:00:00 GMT"), -1);
		CHECK_INT(date_s("Wed, 00 Feb 2023 00:00:00 GMT"), -1);
	}
	IT ("what is no date is none") {
		static const char *const bad[] = {"",
						  "GMT",
						  "Sun, 06 Nov 1994 08:49:37",
						  "Sun, 06 Nov 1994 08:49:37 UTC",
						  "Sun, 06 Nov 1994 08:49:37 GMT+1",
						  "Sun, 06 nov 1994 08:49:37 GMT",
						  "Sun, 6 Nov 1994 08:49:37 GMT",
						  "Sun, 06 Nov 94 08:49:37 GMT",
						  "Sun, 06 Nov 1994 24:00:00 GMT",
						  "Sun, 06 Nov 1994 08:60:00 GMT",
						  "Sun, 06 Nov 1994 08:49:61 GMT",
						  "Sun, 06 Nov 0994 08:49:37 GMT",
						  "Su, 06 Nov 1994 08:49:37 GMT",
						  "Sun, +6 Nov 1994 08:49:37 GMT",
						  "1994-11-06T08:49:37Z"};

		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			CHECK_INT(date_s(bad[i]), -1);
	}
	IT ("Retry-After is seconds or a date, and capped") {
		CHECK_INT(delay_ms("5"), 5000);
		CHECK_INT(delay_ms(" 0 "), 0);
		CHECK_INT(delay_ms("86401"), 86400000);
		CHECK_INT(delay_ms("1000000000000000000"), 86400000);
		CHECK_INT(delay_ms("99999999999999999999999999"), 86400000);
		CHECK_INT(delay_ms("Sat, 21 Nov 2026 09:36:18 GMT"), 1000);
		CHECK_INT(delay_ms("Fri, 31 Dec 2099 23:59:59 GMT"), 86400000);
		CHECK_INT(delay_ms("Sun, 06 Nov 1994 08:49:37 GMT"), 0);
	}
	IT ("what is neither says nothing") {
		CHECK_INT(delay_ms(""), -1);
		CHECK_INT(delay_ms("-5"), -1);
		CHECK_INT(delay_ms("1.5"), -1);
		CHECK_INT(delay_ms("5 s"), -1);
		CHECK_INT(delay_ms("soon"), -1);
	}
	return tap_done();
}
