/* Slices: comparison, cutting, numbers, UTF-8, distance and globs. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"

#include "tests/unit/tap.h"

static void
test_compare(void)
{
	IT ("slices are equal by bytes, NULs too, and nothing equals nothing") {
		CHECK(str_eq(STR("a\0b"), STR("a\0b")));
		CHECK(!str_eq(STR("a\0b"), STR("a\0c")));
		CHECK(!str_eq(STR("a"), STR("ab")));
		CHECK(str_eq(STR_NONE, STR("")));
		CHECK(str_eq_cstr(STR_NONE, ""));
		CHECK(str_eq_nocase(STR("Content-TYPE"), STR("content-type")));
		CHECK(!str_eq_nocase(STR("@"), STR("`")));
		CHECK(!str_eq_nocase(STR("\xc4"), STR("\xe4")));
	}
	IT ("a prefix longer than the slice is none") {
		CHECK(str_starts(STR("bearer x"), STR("bearer ")));
		CHECK(!str_starts(STR("be"), STR("bearer ")));
		CHECK(str_starts_nocase(STR("Bearer x"), STR("bearer ")));
		CHECK(str_starts(STR_NONE, STR("")));
		CHECK(str_ends(STR("a.conf"), STR(".conf")));
		CHECK(!str_ends(STR("conf"), STR(".conf")));
		CHECK(str_ends(STR_NONE, STR_NONE));
	}
}

static void
test_cut(void)
{
	IT ("white space goes at both ends only") {
		CHECK(str_eq(str_trim(STR(" \t\r\na b\n ")), STR("a b")));
		CHECK(str_eq(str_trim(STR(" \n ")), STR("")));
		CHECK(str_eq(str_trim(STR("\va")), STR("\va")));
		CHECK_INT(str_trim(STR_NONE).len, 0);
	}
	IT ("a slice is cut at every separator, empty parts included") {
		struct str head, rest = str_split(STR("a,,b"), ',', &head);
		CHECK(str_eq(head, STR("a")));
		rest = str_split(rest, ',', &head);
		CHECK(head.len == 0 && head.p && rest.p);
		rest = str_split(rest, ',', &head);
		CHECK(str_eq(head, STR("b")));
		CHECK(rest.p == NULL);
		rest = str_split(STR("a,"), ',', &head);
		CHECK(rest.p != NULL && rest.len == 0);
		rest = str_split(STR_NONE, ',', &head);
		CHECK(rest.p == NULL && head.len == 0);
	}
	IT ("a copy is owned") {
		AUTO(auto_free) char *copy = str_dup(STR("abc"));
		CHECK_STR(copy, "abc");
	}
}

static bool
u64_is(const char *text, uint64_t want)
{
	uint64_t n;
	return str_to_u64(str_of(text), &n) && n == want;
}

static bool
i64_is(const char *text, int64_t want)
{
	int64_t n;
	return str_to_i64(str_of(text), &n) && n == want;
}

static void
test_numbers(void)
{
	IT ("decimal numbers are read to the edges of their types") {
		CHECK(u64_is("0", 0) && u64_is("007", 7));
		CHECK(u64_is("18446744073709551615", UINT64_MAX));
		CHECK(i64_is("9223372036854775807", INT64_MAX));
		CHECK(i64_is("-9223372036854775808", INT64_MIN));
		CHECK(i64_is("-0", 0));
	}
	IT ("anything else is refused and leaves the output alone") {
		static const char *const bad[] = {
			"",
			"-",
			"+1",
			" 1",
			"1 ",
			"1x",
			"0x1",
			"1.0",
			"--1",
			"1-",
			"1_",
			"1e3",
			"\xd9\xa1",
			"18446744073709551616",
			"99999999999999999999",
		};
		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			uint64_t u = 42;
			int64_t s = 42;
			CHECK(!str_to_u64(str_of(bad[i]), &u) && u == 42);
			CHECK(!str_to_i64(str_of(bad[i]), &s) && s == 42);
		}
		int64_t s = 42;
		uint64_t u;
		CHECK(!str_to_i64(STR("9223372036854775808"), &s));
		CHECK(!str_to_i64(STR("-9223372036854775809"), &s) && s == 42);
		CHECK(!str_to_u64(STR("-1"), &u));
		CHECK(!str_to_u64(STR("1\0"), &u));
	}
}

static void
test_utf8(void)
{
	IT ("the first and last characters of each length are well-formed") {
		CHECK(str_is_utf8(STR("\0\x7f")));
		CHECK(str_is_utf8(STR("\xc2\x80\xdf\xbf")));
		CHECK(str_is_utf8(STR("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf")));
		CHECK(str_is_utf8(STR("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
		CHECK(str_is_utf8(STR_NONE));
	}
	IT ("overlong forms, surrogates, stray and cut bytes are not") {
		CHECK(!str_is_utf8(STR("\xc0\x80")));
		CHECK(!str_is_utf8(STR("\xc1\xbf")));
		CHECK(!str_is_utf8(STR("\xe0\x9f\xbf")));
		CHECK(!str_is_utf8(STR("\xed\xa0\x80")));
		CHECK(!str_is_utf8(STR("\xed\xbf\xbf")));
		CHECK(!str_is_utf8(STR("\xf0\x8f\xbf\xbf")));
		CHECK(!str_is_utf8(STR("\xf4\x90\x80\x80")));
		CHECK(!str_is_utf8(STR("\xf5\x80\x80\x80")));
		CHECK(!str_is_utf8(STR("\x80")));
		CHECK(!str_is_utf8(STR("\xe2\x82")));
		CHECK(!str_is_utf8(STR("\xe2\x82\x28")));
		CHECK(!str_is_utf8(STR("a\xff")));
	}
	IT ("every code point comes out of its own bytes") {
		uint32_t code = 0;
		CHECK_INT(str_utf8_next(STR("A"), &code), 1);
		CHECK_INT(code, 'A');
		CHECK_INT(str_utf8_next(STR("\xc3\xbc"), &code), 2);
		CHECK_INT(code, 0xfc);
		CHECK_INT(str_utf8_next(STR("\xe2\x82\xac"), &code), 3);
		CHECK_INT(code, 0x20ac);
		CHECK_INT(str_utf8_next(STR("\xf0\x9f\x90\x9d"), &code), 4);
		CHECK_INT(code, 0x1f41d);
		CHECK_INT(str_utf8_next(STR_NONE, NULL), 0);
	}
}

static void
test_distance(void)
{
	IT ("the distance of a typing error is small, of another word four") {
		CHECK_INT(str_distance("timeout", "timeout"), 0);
		CHECK_INT(str_distance("timeuot", "timeout"), 1);
		CHECK_INT(str_distance("timout", "timeout"), 1);
		CHECK_INT(str_distance("timeoutt", "timeout"), 1);
		CHECK_INT(str_distance("tumeuut", "timeout"), 2);
		CHECK_INT(str_distance("", "abc"), 3);
		CHECK_INT(str_distance("", "abcdef"), 4);
		CHECK_INT(str_distance("schedule", "webhook"), 4);
	}
	IT ("a name of any length is survived") {
		AUTO(auto_free) char *longer = mem_alloc(100001);
		memset(longer, 'a', 100000);
		CHECK_INT(str_distance(longer, "a"), 4);
		CHECK_INT(str_distance(longer, longer), 0);
	}
}

static void
test_place(void)
{
	static const char *const names[] = {"queued", "running"};

	IT ("a name has its place among others, or none") {
		CHECK_INT(str_place(names, 2, "running"), 1);
		CHECK_INT(str_place(names, 2, "runnin"), -1);
		CHECK_INT(str_place(names, 1, "running"), -1);
		CHECK_INT(str_place(names, 2, NULL), -1);
	}
}

int
main(void)
{
	test_compare();
	test_cut();
	test_numbers();
	test_utf8();
	test_distance();
	test_place();
	return tap_done();
}
