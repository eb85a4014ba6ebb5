/* JSON in one pass: it takes nothing that the parser refuses, and leaves little to it. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/json.h"

#include "tests/unit/tap.h"

static bool
parser_takes(struct str text)
{
	AUTO(json_auto_decref) json_t *value = NULL;
	return json_read(text, &value, NULL);
}

/* Both take it. */
static bool
taken(struct str text)
{
	bool ok = json_scan(text) && parser_takes(text) && json_check(text, NULL);
	if (!ok)
		printf("# %.*s\n", STR_ARG(text));
	return ok;
}

/* Both refuse it, and the sentence is the parser's. */
static bool
refused(struct str text)
{
	AUTO(err_fini) struct err check = ERR_INIT, read = ERR_INIT;
	AUTO(json_auto_decref) json_t *value = NULL;
	bool ok = !json_scan(text) && !json_read(text, &value, &read) && !json_check(text, &check);
	ok = ok && check.code == read.code && !strcmp(err_text(&check), err_text(&read));
	if (!ok)
		printf("# %.*s\n", STR_ARG(text));
	return ok;
}

/* The scan cannot tell, the parser takes it. */
static bool
left(struct str text)
{
	return !json_scan(text) && parser_takes(text) && json_check(text, NULL);
}

static const struct str valid[] = {
	STR("0"),
	STR("-0"),
	STR("-1.5e+3"),
	STR("1E2"),
	STR("1e-99"),
	STR("0.000"),
	STR("9223372036854775807"),
	STR("9223372036854775808"),
	STR("-123456789012345678901234567890"),
	STR("true"),
	STR("false"),
	STR("null"),
	STR(" \t\r\n{ } \n"),
	STR("[ ]"),
	STR("[1 , 2\n,[3],{}]"),
	STR("\"\""),
	STR("\"12345678\""),
	STR("\"1234567\\\"\""),
	STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\uD83D\\uDE00\""),
	STR("\"\x7f \xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf\""),
	STR("\"\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf\""),
	STR("{\"\":1,\"a\":{\"a\":{\"\":[]}},\"b\":[{\"a\":1},{\"a\":2}]}"),
	STR("{\"a\":1,\"b\":2,\"aa\":3,\"ab\":4,\"ba\":5}"),
	STR("{\"n\xc3\xa4me\":\"wert\"}"),
};

static const struct str invalid[] = {
	STR(""),
	STR(" \n"),
	STR("\xef\xbb\xbf{}"),
	STR("{"),
	STR("["),
	STR("\""),
	STR("]"),
	STR("[1,]"),
	STR("[,1]"),
	STR("[1 2]"),
	STR("[1}"),
	STR("{\"a\":1]"),
	STR("{\"a\"}"),
	STR("{\"a\":}"),
	STR("{\"a\" 1}"),
	STR("{\"a\":1,}"),
	STR("{,}"),
	STR("{1:2}"),
	STR("{a:1}"),
	STR("{} {}"),
	STR("1 1"),
	STR("nul"),
	STR("nulll"),
	STR("True"),
	STR("NaN"),
	STR("Infinity"),
	STR("'a'"),
	STR("/**/1"),
	STR("-"),
	STR("+1"),
	STR("01"),
	STR("-01"),
	STR("1."),
	STR(".5"),
	STR("1e"),
	STR("1e+"),
	STR("0x10"),
	STR("1.e3"),
	STR("--1"),
	STR("1e999"),
	STR("-1e999"),
	STR("\"a\nb\""),
	STR("\"a\tb\""),
	STR("\"12345678\x01\""),
	STR("\"\\\""),
	STR("\"\\x\""),
	STR("\"\\u12\""),
	STR("\"\\u12g4\""),
	STR("\"\\ud800\""),
	STR("\"\\ud800x\""),
	STR("\"\\ud800\\n\""),
	STR("\"\\ud800\\u0041\""),
	STR("\"\\ud800\\ud800\""),
	STR("\"\\udc00\""),
	STR("\"\x80\""),
	STR("\"\xc0\x80\""),
	STR("\"\xc3\""),
	STR("\"\xe0\x9f\xbf\""),
	STR("\"\xed\xa0\x80\""),
	STR("\"\xf4\x90\x80\x80\""),
	STR("\"\xf8\x88\x80\x80\x80\""),
	STR("\"\xff\""),
	STR("[1]\xc3\xa4"),
	STR("\0"),
	STR("[1,\0]"),
	STR("[1]\0"),
	STR("\"a\0b\""),
	STR("{\"a\":1,\"a\":2}"),
	STR("{\"a\":1,\"b\":{\"a\":1},\"a\":2}"),
	STR("{\"\":1,\"\":2}"),
	STR("{\"a\":1,\"\\u0061\":2}"),
	STR("{\"\\u0061\":1,\"a\":2}"),
	STR("{\"\\n\":1,\"\\u000A\":2}"),
	STR("{\"\\u0000\":1}"),
};

static void
test_table(void)
{
	IT ("valid texts are taken at once") {
		for (size_t i = 0; i < ARRAY_LEN(valid); i++)
			CHECK(taken(valid[i]));
	}
	IT ("invalid texts are refused in the parser's words") {
		for (size_t i = 0; i < ARRAY_LEN(invalid); i++)
			CHECK(refused(invalid[i]));
		CHECK(refused(STR_NONE));
	}
	IT ("escaped names and numbers that may be too large are left to the parser") {
		CHECK(left(STR("{\"\\u0061\":1,\"b\":2}")));
		CHECK(left(STR("1e307")));
		CHECK(left(STR("1e0000001")));
		CHECK(left(STR("1e-400")));
	}
	IT ("no beginning of a text is read beyond its end") {
		for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
			for (size_t n = 0; n < valid[i].len; n++) {
				AUTO(auto_free) char *cut = mem_alloc(n ? n : 1);
				memcpy(cut, valid[i].p, n);
				struct str text = str_make(cut, n);
				CHECK(json_scan(text) == parser_takes(text));
			}
		}
	}
}

static void
nest(struct buf *b, int depth)
{
	buf_clear(b);
	for (int i = 0; i < depth; i++)
		buf_puts(b, i % 2 ? "[" : "{\"a\":");
	buf_puts(b, "1");
	while (depth--)
		buf_puts(b, depth % 2 ? "]" : "}");
}

static void
name_many(struct buf *b, int count)
{
	buf_clear(b);
	for (int i = 0; i < count; i++)
		buf_printf(b, "%s\"name%d\":%d", i ? "," : "{", i, i);
	buf_putc(b, '}');
}

static void
test_limits(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	IT ("64 levels are taken, one more is not") {
		nest(&b, JSON_DEPTH_MAX);
		CHECK(taken(buf_str(&b)));
		nest(&b, JSON_DEPTH_MAX + 1);
		CHECK(refused(buf_str(&b)));
	}
	IT ("a hundred thousand brackets are refused") {
		buf_clear(&b);
		for (int i = 0; i < 100000; i++)
			buf_putc(&b, '[');
		CHECK(refused(buf_str(&b)));
	}
	IT ("an integer's digits count, not its size in bits") {
		for (size_t n = 190; n < 320; n++) {
			buf_clear(&b);
			for (size_t i = 0; i < n; i++)
				buf_putc(&b, '9');
			CHECK(n <= 200 ? taken(buf_str(&b)) : !json_scan(buf_str(&b)));
			CHECK(json_check(buf_str(&b), NULL) == parser_takes(buf_str(&b)));
			buf_puts(&b, "e99");
			CHECK(n <= 200 ? taken(buf_str(&b)) : !json_scan(buf_str(&b)));
		}
	}
	IT ("512 names are taken at once, one more is the parser's, the same again is nobody's") {
		name_many(&b, 512);
		CHECK(taken(buf_str(&b)));
		buf_truncate(&b, b.len - 1);
		buf_puts(&b, ",\"name0\":0}");
		CHECK(refused(buf_str(&b)));
		name_many(&b, 513);
		CHECK(left(buf_str(&b)));
		name_many(&b, 5000);
		CHECK(left(buf_str(&b)));
	}
	IT ("names of objects that are closed do not count") {
		buf_clear(&b);
		for (int i = 0; i < 1000; i++)
			buf_printf(&b, "%s{\"a\":1,\"b\":{\"c\":{}}}", i ? "," : "[");
		buf_putc(&b, ']');
		CHECK(taken(buf_str(&b)));
	}
}

/* The same on every machine. */
static uint32_t
roll(uint64_t *state, size_t below)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((*state >> 33) % below);
}

static void
mutate(struct buf *b, uint64_t *state)
{
	static const struct str pieces[] = {
		STR("\""),	 STR("\\"),	 STR("{"),	 STR("}"),	  STR("["),
		STR("]"),	 STR(","),	 STR(":"),	 STR("\"a\":1,"), STR("\"a\":"),
		STR("\\u"),	 STR("\\ud800"), STR("\\udc00"), STR("0"),	  STR("9"),
		STR("-"),	 STR("."),	 STR("e"),	 STR("E+"),	  STR(" "),
		STR("\n"),	 STR("\xc3"),	 STR("\xa4"),	 STR("\xed"),	  STR("\xf0\x9f"),
		STR("\x98\x80"), STR("null"),	 STR("tru"),	 STR("true"),	  STR("\0"),
		STR("\x1f"),	 STR("\x7f"),	 STR("1e400"),	 STR("12345678"),
	};
	AUTO(buf_fini) struct buf old = BUF_INIT;
	size_t at = roll(state, b->len + 1), cut = roll(state, 4);
	struct str piece = pieces[roll(state, ARRAY_LEN(pieces))];
	buf_add_str(&old, buf_str(b));
	buf_truncate(b, at);
	if (roll(state, 4))
		buf_add_str(b, piece);
	else if (at < old.len)
		buf_putc(b, (char)roll(state, 256));
	cut = cut > old.len - at ? old.len - at : cut;
	if (roll(state, 3))
		buf_add(b, old.data + at + cut, old.len - at - cut);
}

/* An escape in a name, a long number: what the scan may leave though it is valid. */
static bool
may_be_left(struct str text)
{
	return memchr(text.p, '\\', text.len) || memchr(text.p, 'e', text.len) ||
	       memchr(text.p, 'E', text.len);
}

static void
test_mutations(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	uint64_t state = 20240607;
	IT ("what three changes make of valid texts, both judge alike") {
		int wrong = 0, both = 0, neither = 0;
		for (int i = 0; i < 300000; i++) {
			buf_clear(&b);
			buf_add_str(&b, valid[roll(&state, ARRAY_LEN(valid))]);
			for (uint32_t n = roll(&state, 3) + 1; n--;)
				mutate(&b, &state);
			bool scan = json_scan(buf_str(&b)), read = parser_takes(buf_str(&b));
			both += scan && read;
			neither += !scan && !read;
			if (scan != read && (scan || !may_be_left(buf_str(&b)))) {
				printf("# scan %d: %.*s\n", scan, STR_ARG(buf_str(&b)));
				wrong++;
			}
		}
		CHECK_INT(wrong, 0);
		/* The test is worth something only while both happen. */
		CHECK(both > 10000);
		CHECK(neither > 10000);
	}
}

int
main(void)
{
	test_table();
	test_limits();
	test_mutations();
	return tap_done();
}
