/* Tests of quantities as people write them. */
/* SPDX-License-Identifier: MIT */
#include "pure/duration.h"
#include "tests/unit/tap.h"

static int64_t
duration_of(const char *s)
{
	int64_t ms = -1;

	return duration_parse(str_of(s), &ms, NULL) ? ms : -1;
}

static int64_t
size_of(const char *s)
{
	int64_t n = -1;

	return size_parse(str_of(s), &n, NULL) ? n : -1;
}

static int64_t
money_of(const char *s)
{
	int64_t n = -1;

	return money_parse(str_of(s), &n, NULL) ? n : -1;
}

static double
ratio_of(const char *s)
{
	double n = -1;

	return ratio_parse(str_of(s), &n, NULL) ? n : -1;
}

static bool
printed(void (*print)(int64_t, struct buf *), int64_t n, const char *want)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;

	print(n, &b);
	return str_eq_cstr(buf_str(&b), want);
}

static void
test_duration(void)
{
	IT ("reads a duration of each unit") {
		CHECK_INT(duration_of("250ms"), 250);
		CHECK_INT(duration_of("30s"), 30000);
		CHECK_INT(duration_of("15m"), 900000);
		CHECK_INT(duration_of("24h"), 86400000);
		CHECK_INT(duration_of("7d"), 604800000);
		CHECK_INT(duration_of("0"), 0);
		CHECK_INT(duration_of("0ms"), 0);
		CHECK_INT(duration_of("007s"), 7000);
	}
	IT ("reads sums from large to small") {
		CHECK_INT(duration_of("1h30m"), 5400000);
		CHECK_INT(duration_of("1d2h3m4s5ms"), 93784005);
	}
	IT ("refuses a duration that is not exactly one") {
		static const char *const bad[] = {"",	   "5",	   "s",	   "-5s",   "5 s",
						  " 5s",   "5s ",  "1.5h", "30m1h", "1s1s",
						  "5S",	   "5sec", "5ms5", "5smm",  "0x5s",
						  "1h-2m", "+5s",  "1e3s", "00",    "5s\n"};

		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			if (!CHECK(duration_of(bad[i]) == -1))
				printf("# %s\n", bad[i]);
		CHECK(duration_of(NULL) == -1);
	}
	IT ("refuses a duration beyond int64 instead of wrapping") {
		CHECK_INT(duration_of("9223372036854775807ms"), INT64_MAX);
		CHECK_INT(duration_of("9223372036854775808ms"), -1);
		CHECK_INT(duration_of("106751991168d"), -1);
		CHECK_INT(duration_of("9223372036854775s808ms"), -1);
		CHECK_INT(duration_of("99999999999999999999999s"), -1);
	}
	IT ("prints what it reads back") {
		CHECK(printed(duration_print, 0, "0s"));
		CHECK(printed(duration_print, 90000, "1m30s"));
		CHECK(printed(duration_print, 604800000, "7d"));
		CHECK(printed(duration_print, 93784005, "1d2h3m4s5ms"));
		for (int64_t n = 1; n < INT64_MAX / 11; n = n * 11 + 7) {
			AUTO(buf_fini) struct buf b = BUF_INIT;

			duration_print(n, &b);
			CHECK_INT(duration_of(buf_cstr(&b)), n);
		}
	}
	IT ("says what was expected, with the value cut") {
		struct err err = ERR_INIT;
		int64_t ms;
		char longer[101];

		CHECK(!duration_parse(STR("5"), &ms, &err));
		CHECK_INT(err.code, E_INVALID);
		CHECK_STR(err_text(&err),
			  "'5' is not a duration; expected a whole number and a unit of ms, s, m, "
			  "h or d, as in 250ms, 30s, 24h or 1h30m");
		memset(longer, 'x', 100);
		longer[100] = '\0';
		CHECK(!duration_parse(str_of(longer), &ms, &err));
		CHECK(strstr(err_text(&err), "xxx...'") && strlen(err_text(&err)) < 200);
		err_fini(&err);
	}
}

static void
test_size(void)
{
	IT ("reads sizes in steps of 1024") {
		CHECK_INT(size_of("0"), 0);
		CHECK_INT(size_of("512"), 512);
		CHECK_INT(size_of("64K"), 65536);
		CHECK_INT(size_of("1M"), 1048576);
		CHECK_INT(size_of("2G"), INT64_C(2147483648));
		CHECK_INT(size_of("3T"), INT64_C(3298534883328));
	}
	IT ("refuses sizes that are none or too large") {
		static const char *const bad[] = {
			"",    "K",   "1k",   "1 K", "-1",	 "1.5M",
			"1KB", "1KK", "64KM", "0x1", "8388608T", "9223372036854775808"};

		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			if (!CHECK(size_of(bad[i]) == -1))
				printf("# %s\n", bad[i]);
		CHECK_INT(size_of("8388607T"), INT64_C(8388607) << 40);
	}
	IT ("prints the largest unit that divides a size") {
		CHECK(printed(size_print, 0, "0"));
		CHECK(printed(size_print, 65536, "64K"));
		CHECK(printed(size_print, 65537, "65537"));
		CHECK(printed(size_print, INT64_C(1) << 31, "2G"));
	}
}

static bool
rate_is(const char *s, int64_t count, int64_t per_ms)
{
	struct rate r = {0, 0};

	return rate_parse(str_of(s), &r, NULL) && r.count == count && r.per_ms == per_ms;
}

static void
test_rate(void)
{
	IT ("reads a rate over a unit") {
		CHECK(rate_is("10/s", 10, 1000));
		CHECK(rate_is("100/m", 100, 60000));
		CHECK(rate_is("5/h", 5, 3600000));
		CHECK(rate_is("100/10s", 100, 10000));
	}
	IT ("refuses rates that never pass anything or lack a side") {
		static const char *const bad[] = {"",	   "10",    "/s",    "10/",
						  "0/s",   "10/0s", "10/x",  "10 /s",
						  "10/ s", "-1/s",  "1/s/s", "10/5"};
		struct rate r;

		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			if (!CHECK(!rate_parse(str_of(bad[i]), &r, NULL)))
				printf("# %s\n", bad[i]);
	}
}

static void
test_ratio_money_bool(void)
{
	IT ("reads a ratio as a fraction or in percent") {
		CHECK(ratio_of("0.5") == 0.5);
		CHECK(ratio_of("50%") == 0.5);
		CHECK(ratio_of("0") == 0);
		CHECK(ratio_of("1") == 1);
		CHECK(ratio_of("100%") == 1);
		CHECK(ratio_of("0.000000001") == 1e-9);
		CHECK(ratio_of("12.5%") == 0.125);
	}
	IT ("refuses a ratio outside 0 to 1") {
		static const char *const bad[] = {
			"",    "%",    "1.1",  "101%",	       "-0.1",
			".5",  "0.",   "50%%", "0,5",	       "1e-1",
			"nan", "0.5 ", "50 %", "0.0000000001", "9223372036854775807"};

		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			if (!CHECK(ratio_of(bad[i]) == -1))
				printf("# %s\n", bad[i]);
	}
	IT ("reads money without rounding") {
		CHECK_INT(money_of("0.25"), 250000);
		CHECK_INT(money_of("20"), 20000000);
		CHECK_INT(money_of("0.000001"), 1);
		CHECK_INT(money_of("0.1"), 100000);
		CHECK_INT(money_of("1.10"), 1100000);
		CHECK_INT(money_of("9223372036854.775807"), INT64_MAX);
	}
	IT ("refuses money that cannot be counted exactly") {
		static const char *const bad[] = {"",	 "$1",	 "-1",
						  "1.",	 ".5",	 "0.0000001",
						  "1,5", "1e3",	 "9223372036854.775808",
						  "1 ",	 "1.-5", "1.5.5"};

		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			if (!CHECK(money_of(bad[i]) == -1))
				printf("# %s\n", bad[i]);
	}
	IT ("prints money with at least two decimals") {
		CHECK(printed(money_print, 250000, "0.25"));
		CHECK(printed(money_print, 20000000, "20.00"));
		CHECK(printed(money_print, 1, "0.000001"));
		CHECK(printed(money_print, 1100000, "1.10"));
		CHECK(printed(money_print, -1500000, "-1.50"));
		CHECK(printed(money_print, INT64_MIN, "-9223372036854.775808"));
	}
	IT ("reads six words as yes or no") {
		bool v = false;

		CHECK(bool_parse(STR("yes"), &v, NULL) && v);
		CHECK(bool_parse(STR("off"), &v, NULL) && !v);
		CHECK(bool_parse(STR("true"), &v, NULL) && v);
		CHECK(bool_parse(STR("no"), &v, NULL) && !v);
		CHECK(!bool_parse(STR("Yes"), &v, NULL));
		CHECK(!bool_parse(STR("1"), &v, NULL));
		CHECK(!bool_parse(STR(""), &v, NULL));
		CHECK(!v);
	}
}

int
main(void)
{
	test_duration();
	test_size();
	test_rate();
	test_ratio_money_bool();
	return tap_done();
}
