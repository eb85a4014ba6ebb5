/* JSON: what is refused and how it is said, and that what is written reads back the same. */
/* SPDX-License-Identifier: MIT */
#include <locale.h>
#include <math.h>
#include <stdlib.h>

#include "base/json.h"

#include "tests/unit/tap.h"

/* The text after reading and writing; NULL when it was refused. */
static const char *
again(struct buf *b, const char *text)
{
	AUTO(json_auto_decref) json_t *v = NULL;
	buf_clear(b);
	if (!json_read(str_of(text), &v, NULL))
		return NULL;
	json_write(b, v);
	return buf_cstr(b);
}

static bool
refused(struct str text, enum err_code code, const char *part)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	json_t *v = NULL;
	bool ok = !json_read(text, &v, &err) && !v && err.code == code &&
		  strstr(err_text(&err), part);
	if (!ok)
		printf("# %.*s gave: %s\n", STR_ARG(text), err_text(&err));
	json_decref(v);
	return ok;
}

static void
nest(struct buf *b, int depth, const char *open, const char *close)
{
	buf_clear(b);
	for (int i = 0; i < depth; i++)
		buf_puts(b, open);
	buf_puts(b, "1");
	for (int i = 0; i < depth; i++)
		buf_puts(b, close);
}

static void
test_read(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	IT ("any one value is a text") {
		static const char *const texts[] = {
			"1",
			"-1",
			"0",
			"true",
			"false",
			"null",
			"\"\"",
			"[]",
			"{}",
			"[[],{}]",
			"{\"b\":1,\"a\":[1,2,{\"c\":null}]}",
			"\"\\u0000\"",
			"1.5",
			"-0.0",
			"9223372036854775807",
			"-9223372036854775808",
		};
		for (size_t i = 0; i < ARRAY_LEN(texts); i++)
			CHECK_STR(again(&b, texts[i]), texts[i]);
		CHECK_STR(again(&b, " \t\r\n{ \"a\" : 1 } \n"), "{\"a\":1}");
	}
	IT ("what is not JSON is refused with line and column") {
		CHECK(refused(STR("{\"a\":1,\n \"b\":}"), E_INVALID, "line 2, column 6"));
		CHECK(refused(STR("[1,]"), E_INVALID, "line 1, column 4"));
		CHECK(refused(STR("[1"), E_INVALID, "cut short"));
		CHECK(refused(STR("1 2"), E_INVALID, "nothing behind it"));
		CHECK(refused(STR("{} x"), E_INVALID, "nothing behind it"));
		CHECK(refused(STR(""), E_INVALID, "nothing"));
		CHECK(refused(STR(" \n"), E_INVALID, "nothing"));
		CHECK(refused(STR_NONE, E_INVALID, "nothing"));
		static const char *const bad[] = {
			"nul",	       "'a'",	      "{a:1}",
			"01",	       "1.",	      ".5",
			"+1",	       "--1",	      "1e",
			"NaN",	       "Infinity",    "[1 2]",
			"{\"a\" 1}",   "{\"a\":1,}",  "\"a",
			"\"\\x\"",     "\"\\u12\"",   "\"\n\"",
			"\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"",
			"// x\n1",     "[1}",	      "{1]",
			"]",	       "}",	      "\xef\xbb\xbf{}",
			"\\",
		};
		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			CHECK(refused(str_of(bad[i]), E_INVALID, "not JSON: line 1, column "));
	}
	IT ("a byte that is not UTF-8 is refused") {
		CHECK(refused(STR("\"a\xff\""), E_INVALID, "UTF-8"));
		CHECK(refused(STR("\"\xed\xa0\x80\""), E_INVALID, "UTF-8"));
		CHECK(refused(STR("\"\xc0\xaf\""), E_INVALID, "UTF-8"));
	}
	IT ("a NUL byte does not end a text, and hides nothing behind it") {
		CHECK(refused(STR("1\0"), E_INVALID, "line 1, column 2: a NUL"));
		CHECK(refused(STR("{}\0{\"a\":1}"), E_INVALID, "column 3"));
		CHECK(refused(STR("{\"a\":1,\n\0\"b\":2}"), E_INVALID, "line 2, column 1"));
		CHECK(refused(STR("\"a\0b\""), E_INVALID, "column 3"));
		CHECK(refused(STR("\0"), E_INVALID, "column 1"));
	}
	IT ("a name that comes twice is refused, however it is spelled") {
		CHECK(refused(STR("{\"a\":1,\"a\":2}"), E_INVALID, "once"));
		CHECK(refused(STR("{\"a\":1,\"\\u0061\":2}"), E_INVALID, "once"));
		CHECK(refused(STR("[{\"x\":{\"b\":1,\"b\":1}}]"), E_INVALID, "once"));
		CHECK(refused(STR("{\"\\u0000\":1}"), E_INVALID, "\\u0000"));
	}
	IT ("no sentence repeats what would command a terminal") {
		AUTO(err_fini) struct err err = ERR_INIT;
		CHECK(!json_check(STR("[\"x\" \x1b[31m]"), &err));
		CHECK(!strchr(err_text(&err), '\x1b'));
		CHECK(!json_check(STR("[\"x\x1b[31m\"]"), &err));
		CHECK(!strchr(err_text(&err), '\x1b'));
	}
}

static void
test_depth(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	IT ("sixty-four levels are read, sixty-five are not") {
		nest(&b, JSON_DEPTH_MAX, "[", "]");
		CHECK(json_check(buf_str(&b), NULL));
		nest(&b, JSON_DEPTH_MAX, "{\"a\":", "}");
		CHECK(json_check(buf_str(&b), NULL));
		nest(&b, JSON_DEPTH_MAX + 1, "[", "]");
		CHECK(refused(buf_str(&b), E_INVALID, "line 1, column 65: nested more than 64"));
	}
	IT ("a million brackets are refused without a stack") {
		nest(&b, 1000000, "[", "");
		CHECK(refused(buf_str(&b), E_INVALID, "nested"));
		nest(&b, 1000000, "{\"a\":", "");
		CHECK(refused(buf_str(&b), E_INVALID, "nested"));
	}
	IT ("brackets side by side or in strings are not depth") {
		buf_clear(&b);
		buf_puts(&b,
			 "[\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
		buf_puts(&b, "[[[[\\\\\"");
		for (int i = 0; i < 1000; i++)
			buf_puts(&b, ",[]");
		buf_puts(&b, "]");
		CHECK(json_check(buf_str(&b), NULL));
	}
}

static void
test_numbers(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	IT ("integers beyond int64 become reals, and their neighbours stay integers") {
		AUTO(json_auto_decref) json_t *v = NULL;
		CHECK(json_read(STR("{\"big\":9223372036854775808,\"small\":9007199254740993,"
				    "\"low\":-9223372036854775809,\"s\":\"99999999999999999999\","
				    "\"many\":[1,123456789012345678901234567890,2]}"),
				&v, NULL));
		CHECK(json_is_real(json_object_get(v, "big")));
		CHECK(json_real_value(json_object_get(v, "big")) == 9223372036854775808.0);
		CHECK(json_is_real(json_object_get(v, "low")));
		CHECK_INT(json_int(v, "small", 0), 9007199254740993);
		CHECK_STR(json_str(v, "s"), "99999999999999999999");
		const json_t *many = json_object_get(v, "many");
		CHECK(json_is_integer(json_array_get(many, 0)));
		CHECK(json_is_real(json_array_get(many, 1)));
		CHECK(json_is_integer(json_array_get(many, 2)));
	}
	IT ("a number that no double holds is refused, however it is written") {
		CHECK(refused(STR("1e999"), E_INVALID, "1.8e308"));
		CHECK(refused(STR("[-1e999]"), E_INVALID, "1.8e308"));
		CHECK(refused(STR("[99999999999999999999,1e999]"), E_INVALID, "column 27"));
		AUTO(buf_fini) struct buf huge = BUF_INIT;
		for (int i = 0; i < 400; i++)
			buf_putc(&huge, '9');
		CHECK(refused(buf_str(&huge), E_INVALID, "1.8e308"));
		CHECK_STR(again(&b, "1e-999"), "0.0");
	}
	IT ("an error behind large integers keeps its place") {
		CHECK(refused(STR("[99999999999999999999,99999999999999999999,x]"), E_INVALID,
			      "line 1, column 44"));
	}
	IT ("reals are written as short as reads back, and stay reals") {
		CHECK_STR(again(&b, "0.1"), "0.1");
		CHECK_STR(again(&b, "1.0"), "1.0");
		CHECK_STR(again(&b, "100000.0"), "100000.0");
		CHECK_STR(again(&b, "0.30000000000000004"), "0.30000000000000004");
		CHECK_STR(again(&b, "3.141592653589793"), "3.141592653589793");
		CHECK_STR(again(&b, "1e300"), "1e+300");
		CHECK_STR(again(&b, "5e-324"), "4.94065645841247e-324");
	}
	IT ("every double reads back as itself") {
		uint64_t bits = 88172645463325252ULL;
		int wrong = 0;
		for (int i = 0; i < 20000; i++) {
			double x;
			bits ^= bits << 13;
			bits ^= bits >> 7;
			bits ^= bits << 17;
			memcpy(&x, &bits, sizeof(x));
			if (!isfinite(x))
				continue;
			AUTO(json_auto_decref) json_t *v = json_real(x);
			AUTO(json_auto_decref) json_t *back = NULL;
			buf_clear(&b);
			json_write(&b, v);
			wrong += !json_read(buf_str(&b), &back, NULL) || !json_is_real(back) ||
				 json_real_value(back) != x;
		}
		CHECK_INT(wrong, 0);
	}
	IT ("the locale does not touch the decimal point") {
		/* Which is installed differs; without any the test is as good as the last. */
		(void)(setlocale(LC_ALL, "de_DE.UTF-8") || setlocale(LC_ALL, "de_DE"));
		CHECK_STR(again(&b, "[2.5,1e-7]"), "[2.5,1e-07]");
		setlocale(LC_ALL, "C");
	}
}

static void
test_write(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	AUTO(json_auto_decref) json_t *v = NULL;
	IT ("names stand in the order of insertion, or sorted by bytes at every level") {
		CHECK(json_read(
			STR("{\"b\":{\"z\":1,\"y\":2},\"\xc3\xbc\":0,\"a\":[{\"d\":1,\"c\":2}],"
			    "\"aa\":3,\"B\":4,\"\":5}"),
			&v, NULL));
		json_write(&b, v);
		CHECK_STR(buf_cstr(&b),
			  "{\"b\":{\"z\":1,\"y\":2},\"\xc3\xbc\":0,\"a\":[{\"d\":1,\"c\":2}],"
			  "\"aa\":3,\"B\":4,\"\":5}");
		buf_clear(&b);
		json_write_sorted(&b, v);
		CHECK_STR(buf_cstr(&b), "{\"\":5,\"B\":4,\"a\":[{\"c\":2,\"d\":1}],\"aa\":3,"
					"\"b\":{\"y\":2,\"z\":1},\"\xc3\xbc\":0}");
	}
	IT ("a pretty text has a member a line") {
		AUTO(json_auto_decref) json_t *p = NULL;
		CHECK(json_read(STR("{\"a\":[1,{}],\"b\":[]}"), &p, NULL));
		buf_clear(&b);
		json_write_pretty(&b, p);
		CHECK_STR(buf_cstr(&b), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
	}
	IT ("strings keep their NULs and letters") {
		CHECK_STR(again(&b, "\"gr\\u00fcn \\ud83d\\udc1d \\u0000 \\u001b \\/\""),
			  "\"gr\xc3\xbcn \xf0\x9f\x90\x9d \\u0000 \\u001b /\"");
	}
}

static void
test_members(void)
{
	AUTO(json_auto_decref) json_t *v = NULL;
	IT ("members of another type are absent") {
		CHECK(json_read(
			STR("{\"s\":\"x\",\"i\":5,\"r\":5.0,\"h\":5.5,\"t\":true,\"n\":null,"
			    "\"e\":1e300}"),
			&v, NULL));
		CHECK_STR(json_str(v, "s"), "x");
		CHECK(!json_str(v, "i") && !json_str(v, "n") && !json_str(v, "none"));
		CHECK_INT(json_int(v, "i", -1), 5);
		CHECK_INT(json_int(v, "r", -1), 5);
		CHECK_INT(json_int(v, "h", -1), -1);
		CHECK_INT(json_int(v, "e", -1), -1);
		CHECK_INT(json_int(v, "s", -1), -1);
		CHECK(json_num(v, "i", 0) == 5 && json_num(v, "h", 0) == 5.5);
		CHECK(json_num(v, "t", 9) == 9);
		CHECK(json_bool(v, "t", false) && json_bool(v, "i", true) &&
		      !json_bool(v, "n", false));
		CHECK(!json_str(NULL, "a") && json_int(json_array_get(v, 0), "a", 3) == 3);
	}
	IT ("the text of a member is its JSON, of whatever type it is") {
		AUTO(json_auto_decref)
		json_t *object = json_pack("{s:{s:[i,n]},s:s,s:n}", "a", "b", 1, "c", "\"", "d");
		static const struct {
			const char *key, *text;
		} members[] = {
			{"a", "{\"b\":[1,null]}"}, {"c", "\"\\\"\""}, {"d", "null"}, {"e", NULL}};

		for (size_t i = 0; i < ARRAY_LEN(members); i++) {
			AUTO(auto_free) char *text = json_member_text(object, members[i].key);

			CHECK_STR(text, members[i].text);
		}
		CHECK(!json_member_text(NULL, "a"));
	}
	IT ("strings and times are put, nothing is left out, no time is null") {
		AUTO(json_auto_decref) json_t *o = json_object();
		AUTO(buf_fini) struct buf b = BUF_INIT;
		json_put_str(o, "a", "x\xff");
		json_put_str(o, "b", NULL);
		json_put_wall(o, "c", 0);
		json_put_wall(o, "d", INT64_MIN);
		json_write(&b, o);
		CHECK_STR(buf_cstr(&b),
			  "{\"a\":\"x\xef\xbf\xbd\",\"c\":\"1970-01-01T00:00:00.000Z\","
			  "\"d\":null}");
	}
}

int
main(void)
{
	test_read();
	test_depth();
	test_numbers();
	test_write();
	test_members();
	return tap_done();
}
