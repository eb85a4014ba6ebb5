/* Time: dates of every kind there and back, and all that is none. */
/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "base/clock.h"

#include "tests/unit/tap.h"

static int64_t
parsed(const char *text)
{
	struct wall w = {-1};
	return wall_parse(str_of(text), &w) ? w.ms : INT64_MIN;
}

static const char *
formatted(struct buf *b, int64_t ms)
{
	buf_clear(b);
	wall_format((struct wall){ms}, b);
	return buf_cstr(b);
}

static void
test_there_and_back(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	IT ("known moments are written as everyone writes them") {
		CHECK_STR(formatted(&b, 0), "1970-01-01T00:00:00.000Z");
		CHECK_STR(formatted(&b, -1), "1969-12-31T23:59:59.999Z");
		CHECK_STR(formatted(&b, 951782400123), "2000-02-29T00:00:00.123Z");
		CHECK_STR(formatted(&b, 1795167000123), "2026-11-20T09:30:00.123Z");
		CHECK_STR(formatted(&b, 253402300799999), "9999-12-31T23:59:59.999Z");
		CHECK_STR(formatted(&b, -62167219200000), "0000-01-01T00:00:00.000Z");
		CHECK_STR(formatted(&b, INT64_MIN), "-");
	}
	IT ("every day of eight centuries is the one that the C library says") {
		int wrong = 0;
		for (int64_t day = -135140; day < 157060; day++) {
			time_t t = (time_t)(day * 86400 + 45296);
			struct tm tm;
			AUTO(buf_fini) struct buf want = BUF_INIT;
			gmtime_r(&t, &tm);
			buf_printf(&want, "%04d-%02d-%02dT%02d:%02d:%02d.000Z", tm.tm_year + 1900,
				   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
			const char *got = formatted(&b, (int64_t)t * 1000);
			wrong += strcmp(got, buf_cstr(&want)) || parsed(got) != (int64_t)t * 1000;
		}
		CHECK_INT(wrong, 0);
	}
	IT ("the ends of int64 are written without a fault") {
		CHECK(strlen(formatted(&b, INT64_MAX)) > 20);
		CHECK(strlen(formatted(&b, INT64_MIN + 1)) > 20);
	}
}

static void
test_parse(void)
{
	const int64_t moment = 1795167000000;
	IT ("all forms of RFC 3339 name one moment") {
		CHECK_INT(parsed("2026-11-20T09:30:00Z"), moment);
		CHECK_INT(parsed("2026-11-20 09:30:00Z"), moment);
		CHECK_INT(parsed("2026-11-20t09:30:00z"), moment);
		CHECK_INT(parsed("2026-11-20T10:30:00+01:00"), moment);
		CHECK_INT(parsed("2026-11-19T23:45:00-09:45"), moment);
		CHECK_INT(parsed("2026-11-20T09:30:00-00:00"), moment);
		CHECK_INT(parsed("2026-11-20"), 1795132800000);
	}
	IT ("a fraction of any length is cut to milliseconds") {
		CHECK_INT(parsed("2026-11-20T09:30:00.1Z"), moment + 100);
		CHECK_INT(parsed("2026-11-20T09:30:00.12Z"), moment + 120);
		CHECK_INT(parsed("2026-11-20T09:30:00.1239999999999999999999Z"), moment + 123);
		CHECK_INT(parsed("1969-12-31T23:59:59.5Z"), -500);
	}
	IT ("days that months do not have are refused") {
		CHECK(parsed("2024-02-29") != INT64_MIN);
		CHECK(parsed("2000-02-29") != INT64_MIN);
		static const char *const bad[] = {
			"2023-02-29", "1900-02-29", "2026-04-31", "2026-00-01",
			"2026-13-01", "2026-01-00", "2026-01-32", "2026-02-30",
		};
		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			CHECK_INT(parsed(bad[i]), INT64_MIN);
	}
	IT ("what is cut, longer or loose is refused, the output left alone") {
		static const char *const bad[] = {
			"",
			"2026",
			"2026-11",
			"2026-11-2",
			"2026-11-20T",
			"2026-11-20T09:30Z",
			"2026-11-20T09:30:00",
			"2026-11-20T09:30:00.Z",
			"2026-11-20T09:30:00,5Z",
			"2026-11-20T24:00:00Z",
			"2026-11-20T09:60:00Z",
			"2026-11-20T23:59:60Z",
			"2026-11-20T09:30:00+24:00",
			"2026-11-20T09:30:00+01:60",
			"2026-11-20T09:30:00+0100",
			"2026-11-20T09:30:00+01",
			"2026-11-20T09:30:00 Z",
			"2026-11-20T09:30:00ZZ",
			" 2026-11-20",
			"2026-11-20 ",
			"2026-11-20Z",
			"20261120",
			"+2026-11-20",
			"-026-11-20",
			"12026-11-20",
			"2026/11/20",
			"2026-11-20T9:30:00Z",
			"2026-11-20_09:30:00Z",
			"2026-11-20T09:30:0xZ",
		};
		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			struct wall w = {42};
			CHECK(!wall_parse(str_of(bad[i]), &w) && w.ms == 42);
		}
		struct wall w;
		CHECK(!wall_parse(STR("2026-11-20\0"), &w));
		CHECK(!wall_parse(STR("2026-11-20T09:30:00\0"), &w));
		CHECK(!wall_parse(STR_NONE, &w));
	}
}

static void
test_system(void)
{
	IT ("the system's clocks run") {
		struct clock *c = clock_system();
		struct mono first = clock_mono(c), second = clock_mono(c);
		CHECK(second.ms >= first.ms && first.ms > 0);
		CHECK(clock_wall(c).ms / 1000 - (int64_t)time(NULL) <= 1);
		CHECK(wall_is_set(clock_wall(c)) && !wall_is_set(WALL_NONE));
	}
}

int
main(void)
{
	test_there_and_back();
	test_parse();
	test_system();
	return tap_done();
}
