/* Growing byte strings: length, NUL, limits and the JSON strings that they write. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/buf.h"

#include "tests/unit/tap.h"

/* The sanitizer would end the process where the C library gives NULL. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static const char *
json_of(struct buf *b, struct str s)
{
	buf_clear(b);
	buf_json_str(b, s);
	return buf_cstr(b);
}

static void
test_growth(void)
{
	IT ("an empty buffer reads as an empty string and is taken as one") {
		AUTO(buf_fini) struct buf b = BUF_INIT;
		CHECK_STR(buf_cstr(&b), "");
		CHECK(buf_str(&b).p != NULL && buf_str(&b).len == 0);
		AUTO(auto_free) char *taken = buf_take(&b);
		CHECK_STR(taken, "");
		buf_truncate(&b, 0);
		buf_consume(&b, 0);
		CHECK(b.data == NULL);
	}
	IT ("a NUL stands behind the last byte at every length") {
		AUTO(buf_fini) struct buf b = BUF_INIT;
		bool kept = true;
		for (size_t i = 0; i < 5000; i++) {
			buf_putc(&b, 'x');
			kept &= b.len == i + 1 && b.cap > b.len && b.data[b.len] == '\0';
		}
		CHECK(kept);
		CHECK_INT(strlen(buf_cstr(&b)), 5000);
	}
	IT ("bytes that are NUL count as any other") {
		AUTO(buf_fini) struct buf b = BUF_INIT;
		buf_add(&b, "a\0b", 3);
		buf_add_str(&b, STR("\0c"));
		CHECK(str_eq(buf_str(&b), STR("a\0b\0c")));
	}
	IT ("strings stand one behind the other") {
		AUTO(buf_fini) struct buf b = BUF_INIT;
		buf_cat(&b, "");
		CHECK(b.data == NULL);
		buf_cat(&b, "a", "", "/", "bc");
		buf_cat(&b, "!");
		CHECK_STR(buf_cstr(&b), "a/bc!");
	}
	IT ("what is consumed at the front leaves the rest in order") {
		AUTO(buf_fini) struct buf b = BUF_INIT;
		buf_puts(&b, "hello world");
		buf_consume(&b, 6);
		CHECK_STR(buf_cstr(&b), "world");
		buf_consume(&b, 5);
		CHECK_STR(buf_cstr(&b), "");
		buf_puts(&b, "again");
		CHECK_STR(buf_cstr(&b), "again");
	}
	IT ("a taken string leaves a buffer that starts anew") {
		AUTO(buf_fini) struct buf b = BUF_INIT;
		buf_puts(&b, "one");
		AUTO(auto_free) char *taken = buf_take(&b);
		buf_puts(&b, "two");
		CHECK_STR(taken, "one");
		CHECK_STR(buf_cstr(&b), "two");
	}
	IT ("a size that cannot be is refused and harms nothing") {
		AUTO(buf_fini) struct buf b = BUF_INIT;
		buf_puts(&b, "kept");
		CHECK(!buf_try_reserve(&b, SIZE_MAX));
		CHECK(!buf_try_reserve(&b, SIZE_MAX - 4));
		CHECK(!buf_try_reserve(&b, SIZE_MAX / 2));
		CHECK_STR(buf_cstr(&b), "kept");
		CHECK(buf_try_reserve(&b, 100000));
		CHECK(b.cap > 100004);
	}
}

static void
test_printf(void)
{
	IT ("a formatted text longer than the room is whole") {
		AUTO(buf_fini) struct buf b = BUF_INIT;
		buf_printf(&b, "%0*d|", 63, 7);
		buf_printf(&b, "%0*d|", 64, 7);
		buf_printf(&b, "%0*d", 10000, 7);
		CHECK_INT(b.len, 64 + 65 + 10000);
		CHECK_INT(strlen(b.data), b.len);
		CHECK(b.data[63] == '|' && b.data[128] == '|' && b.data[b.len - 1] == '7');
	}
}

static void
test_json(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	IT ("quotes, backslashes and control characters are escaped") {
		CHECK_STR(json_of(&b, STR("a\"b\\c")), "\"a\\\"b\\\\c\"");
		CHECK_STR(json_of(&b, STR("\b\f\n\r\t")), "\"\\b\\f\\n\\r\\t\"");
		CHECK_STR(json_of(&b, STR("\0\x01\x1b\x1f")), "\"\\u0000\\u0001\\u001b\\u001f\"");
		CHECK_STR(json_of(&b, STR("")), "\"\"");
		CHECK_STR(json_of(&b, STR("a/b")), "\"a/b\"");
	}
	IT ("well-formed UTF-8 stays as it is") {
		CHECK_STR(json_of(&b, STR("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x9d")),
			  "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x9d\"");
	}
	IT ("every byte that is not UTF-8 becomes U+FFFD") {
		CHECK_STR(json_of(&b, STR("a\xff"
					  "b")),
			  "\"a\xef\xbf\xbd"
			  "b\"");
		CHECK_STR(json_of(&b, STR("\xc3")), "\"\xef\xbf\xbd\"");
		CHECK_STR(json_of(&b, STR("\xed\xa0\x80")),
			  "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
		CHECK_STR(json_of(&b, STR("\xc3\"")), "\"\xef\xbf\xbd\\\"\"");
	}
	IT ("no string is null") {
		buf_clear(&b);
		buf_json_cstr(&b, NULL);
		buf_json_cstr(&b, "x");
		CHECK_STR(buf_cstr(&b), "null\"x\"");
	}
}

int
main(void)
{
	test_growth();
	test_printf();
	test_json();
	return tap_done();
}
