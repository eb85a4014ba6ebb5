/* Members found in the text itself. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/json.h"

#include "tests/unit/tap.h"

#define NAME(s) ((struct json_step){.name = STR(s)})
#define INDEX(i) ((struct json_step){.index = (i)})
#define FIND(text, ...)                                                                            \
	found(&b, STR(text), (const struct json_step[]){__VA_ARGS__},                              \
	      sizeof((const struct json_step[]){__VA_ARGS__}) / sizeof(struct json_step))

static const char *
found(struct buf *b, struct str text, const struct json_step *steps, size_t n)
{
	struct str slice;
	buf_clear(b);
	if (!json_raw_find(text, steps, n, &slice))
		return NULL;
	buf_add_str(b, slice);
	return buf_cstr(b);
}

static void
test_find(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	IT ("a member is found as it was written") {
		CHECK_STR(FIND("{\"id\":12345678901234567890123}", NAME("id")),
			  "12345678901234567890123");
		CHECK_STR(FIND("{\"a\":1.50,\"b\":2}", NAME("a")), "1.50");
		CHECK_STR(FIND(" { \"a\" : { \"b\" : [ 1 , -2.0e5 ] } } ", NAME("a"), NAME("b"),
			       INDEX(1)),
			  "-2.0e5");
		CHECK_STR(FIND("{\"a\":[{\"x\":\"}]\\\"{\"},{\"y\":[ true ]}]}", NAME("a"),
			       INDEX(1), NAME("y")),
			  "[ true ]");
		CHECK_STR(FIND("[[],{},\"\",null\t]", INDEX(3)), "null");
		CHECK_STR(FIND("[[],{},\"\",null\t]", INDEX(1)), "{}");
		CHECK_STR(FIND("{\"\":1}", NAME("")), "1");
	}
	IT ("no step is the whole text without its margins") {
		CHECK_STR(found(&b, STR("\n {\"a\": 1} \t"), NULL, 0), "{\"a\": 1}");
		CHECK_STR(found(&b, STR(" 12 "), NULL, 0), "12");
		CHECK_STR(found(&b, STR("\"x\""), NULL, 0), "\"x\"");
		CHECK(!found(&b, STR("  "), NULL, 0));
	}
	IT ("names are compared as they mean, not as they are spelled") {
		CHECK_STR(FIND("{\"caf\\u00e9\":1}", NAME("caf\xc3\xa9")), "1");
		CHECK_STR(FIND("{\"\\ud83d\\udc1d\":2}", NAME("\xf0\x9f\x90\x9d")), "2");
		CHECK_STR(FIND("{\"a\\\"b\\\\\\/\\n\":3}", NAME("a\"b\\/\n")), "3");
		CHECK(!FIND("{\"a\\u0062c\":1}", NAME("ab")));
		CHECK(!FIND("{\"a\\u0062\":1}", NAME("abc")));
		CHECK(!FIND("{\"a\\\\\":1}", NAME("a\\\\")));
	}
	IT ("names inside of other values are not members") {
		CHECK(!FIND("{\"x\":{\"a\":1},\"y\":\"\\\"a\\\":2\"}", NAME("a")));
		CHECK_STR(FIND("{\"x\":\"a\",\"a\":7}", NAME("a")), "7");
		CHECK_STR(FIND("{\"x\":[[{\"a\":1}]],\"a\":8}", NAME("a")), "8");
	}
	IT ("what is not there is not found") {
		CHECK(!FIND("{}", NAME("a")));
		CHECK(!FIND("[]", INDEX(0)));
		CHECK(!FIND("[1,2]", INDEX(2)));
		CHECK(!FIND("[1,2]", NAME("0")));
		CHECK(!FIND("{\"0\":1}", INDEX(0)));
		CHECK(!FIND("1", NAME("a")));
		CHECK(!FIND("\"{\\\"a\\\":1}\"", NAME("a")));
		CHECK(!FIND("{\"a\":null}", NAME("a"), NAME("b")));
	}
}

static void
test_agreement(void)
{
	IT ("what is found is what the parser finds") {
		const char *text =
			"{ \"a\" : [ 1 , { \"k\\u0065y\" : \"v\\n\" , \"n\" : -0.5 } , [ ] ] ,\n"
			"\"b\" : { \"c\" : { \"d\" : [ [ [ 42 ] ] ] } } , \"e\" : false }";
		const struct json_step path[] = {NAME("a"), INDEX(1), NAME("key")};
		const struct json_step deep[] = {NAME("b"), NAME("c"), NAME("d"),
						 INDEX(0),  INDEX(0),  INDEX(0)};
		AUTO(buf_fini) struct buf b = BUF_INIT;
		CHECK(json_check(str_of(text), NULL));
		CHECK_STR(found(&b, str_of(text), path, 3), "\"v\\n\"");
		CHECK_STR(found(&b, str_of(text), deep, 6), "42");
		CHECK_STR(found(&b, str_of(text), &NAME("e"), 1), "false");
	}
	IT ("a text that is cut or wrong at any byte is survived") {
		const char *text = "{\"a\\u0062\":[1,{\"x\":\"\\\\\"},[]],\"b\":{\"c\":[[2]]}}";
		const struct json_step path[] = {NAME("b"), NAME("c"), INDEX(0), INDEX(0)};
		const char wrong[] = "\\\"[]{},:\0 x";
		size_t len = strlen(text);
		int slices = 0;
		for (size_t cut = 0; cut <= len; cut++) {
			/* Exactly as long as it is, so that the sanitizer sees a byte too far. */
			char *copy = malloc(cut ? cut : 1);
			struct str slice;
			memcpy(copy, text, cut);
			slices += json_raw_find(str_make(copy, cut), path, 4, &slice);
			for (size_t i = 0; i < cut * sizeof(wrong); i++) {
				size_t at = i / sizeof(wrong);
				copy[at] = wrong[i % sizeof(wrong)];
				if (json_raw_find(str_make(copy, cut), path, 4, &slice))
					slices += slice.p < copy || slice.p + slice.len > copy + cut
							  ? 100000
							  : 0;
				copy[at] = text[at];
			}
			free(copy);
		}
		CHECK(slices >= 1 && slices < 100);
	}
}

static const char *
unescaped(struct buf *b, const char *raw)
{
	buf_clear(b);
	buf_puts(b, ">");
	return json_raw_string(str_of(raw), b) ? buf_cstr(b) : NULL;
}

static void
test_string(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	IT ("a raw string loses its quotes and escapes") {
		CHECK_STR(unescaped(&b, "\"\""), ">");
		CHECK_STR(unescaped(&b, "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\""), ">a\"\\/\b\f\n\r\t");
		CHECK_STR(unescaped(&b, "\"\\u0041\\u00FC\\u20ac\\uD83D\\uDC1D\""),
			  ">A\xc3\xbc\xe2\x82\xac\xf0\x9f\x90\x9d");
		buf_clear(&b);
		CHECK(json_raw_string(STR("\"a\\u0000b\""), &b) &&
		      str_eq(buf_str(&b), STR("a\0b")));
	}
	IT ("what is no string is refused whole") {
		static const char *const bad[] = {
			"",
			"1",
			"null",
			"\"",
			"\"a",
			"a\"",
			"\"a\" ",
			" \"a\"",
			"\"a\"b\"",
			"\"a\\\"",
			"\"\\x\"",
			"\"\\u12\"",
			"\"\\u123g\"",
			"\"\\ud800\"",
			"\"\\ud800\\n\"",
			"\"\\udc00\"",
			"\"\\ud800\\ud800\"",
			"\"a\nb\"",
			"[\"a\"]",
		};
		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			CHECK(unescaped(&b, bad[i]) == NULL);
			CHECK_STR(buf_cstr(&b), ">");
		}
	}
}

int
main(void)
{
	test_find();
	test_agreement();
	test_string();
	return tap_done();
}
