/* Tests of plain jq programs without jq: each expected result is what jq 1.6 says. */
/* SPDX-License-Identifier: MIT */
#include "pure/path.h"

#include "base/json.h"
#include "tests/unit/tap.h"

static const char event[] =
	"{ \"a\": {\"b\": [1, {\"x y\": \"\\u00e9\\u007f\\\"\\/\\b\"}, 3], \"\": \"empty\"},\n"
	"  \"id\": 12345678901234567890, \"near\": 12345678901234567891, \"f\": 1.0, \"e\": 1e2,\n"
	"  \"s\": \"text\", \"yes\": true, \"no\": false, \"n\": null, \"and\": 7, \"z\": -0,\n"
	"  \"o\": {\"k\" : [ ] , \"l\":\t\"a b\"}, \"big\": \"12345678901234567890\" }";

/* The result as JSON, "error: ..." or "not plain". The buffer lives as long as the process. */
static const char *
eval_with(const char *program, const char *json, bool as_text)
{
	static struct buf out;
	AUTO(path_auto_free) struct path *path = NULL;
	struct err err = ERR_INIT;

	buf_clear(&out);
	if (!path_compile(str_of(program), &path))
		return "not plain";
	if (as_text ? !path_eval_text(path, str_of(json), &out, &err)
		    : !path_eval(path, str_of(json), &out, &err)) {
		if (out.len || err.code != E_MAPPING)
			printf("# a failure left something behind\n");
		buf_printf(&out, "error: %s", err_text(&err));
	}
	err_fini(&err);
	return buf_cstr(&out);
}

static const char *
eval(const char *program)
{
	return eval_with(program, event, false);
}

static const char *
text(const char *program)
{
	return eval_with(program, event, true);
}

static void
test_paths(void)
{
	IT ("walks names, quoted names and indexes") {
		CHECK_STR(eval(".s"), "\"text\"");
		CHECK_STR(eval("  .a.b[0]\n"), "1");
		CHECK_STR(eval(".a[\"b\"][ 2 ]"), "3");
		CHECK_STR(eval(".[\"a\"].\"b\"[1].\"x y\""), "\"\\u00e9\\u007f\\\"\\/\\b\"");
		CHECK_STR(eval(".a.\"\""), "\"empty\"");
		CHECK_STR(eval(".and"), "7");
		CHECK_STR(eval(".\"\\u0061\".b[0]"), "1");
		CHECK_STR(eval_with(".", " [1, 2] ", false), "[1, 2]");
		CHECK_STR(eval_with(".[1]", "[1, 2]", false), "2");
	}
	IT ("keeps all digits of a number") {
		CHECK_STR(eval(".id"), "12345678901234567890");
		CHECK_STR(eval(".f"), "1.0");
		CHECK_STR(text(".e"), "1e2");
	}
	IT ("finds null where nothing is") {
		CHECK_STR(eval(".x"), "null");
		CHECK_STR(eval(".x.y[3].z"), "null");
		CHECK_STR(eval(".n.x"), "null");
		CHECK_STR(eval(".a.b[9]"), "null");
		CHECK_STR(eval_with(".[0].a", "null", false), "null");
	}
	IT ("fails with jq's words when a value cannot be indexed") {
		CHECK_STR(eval(".s.x"), "error: Cannot index string with string \"x\"");
		CHECK_STR(eval(".id.x"), "error: Cannot index number with string \"x\"");
		CHECK_STR(eval(".yes[\"x\"]"), "error: Cannot index boolean with string \"x\"");
		CHECK_STR(eval(".s[0]"), "error: Cannot index string with number");
		CHECK_STR(eval(".a[0]"), "error: Cannot index object with number");
		CHECK_STR(eval(".a.b.x"), "error: Cannot index array with string \"x\"");
	}
}

static void
test_logic(void)
{
	IT ("compares a path with a constant") {
		CHECK_STR(eval(".s == \"text\""), "true");
		CHECK_STR(eval(".s==\"te\\u0078t\""), "true");
		CHECK_STR(eval(".s != \"text\""), "false");
		CHECK_STR(eval(".yes == true"), "true");
		CHECK_STR(eval(".n == null"), "true");
		CHECK_STR(eval(".missing == null"), "true");
		CHECK_STR(eval(".no == null"), "false");
		CHECK_STR(eval(".f == 1"), "true");
		CHECK_STR(eval(".e == 100"), "true");
		CHECK_STR(eval(".z == 0"), "true");
		CHECK_STR(eval(".f == \"1\""), "false");
		CHECK_STR(eval(".o == null"), "false");
		CHECK_STR(eval(".f == -1"), "false");
	}
	IT ("compares long integers by their digits") {
		CHECK_STR(eval(".id == 12345678901234567890"), "true");
		CHECK_STR(eval(".near == 12345678901234567890"), "false");
		CHECK_STR(eval(".near != 12345678901234567890"), "true");
	}
	IT ("joins terms with and before or") {
		CHECK_STR(eval(".yes and .s == \"text\""), "true");
		CHECK_STR(eval(".no and .yes or .yes"), "true");
		CHECK_STR(eval(".yes or .no and .no"), "true");
		CHECK_STR(eval(".no or .n"), "false");
		CHECK_STR(eval(".s and .id"), "true");
	}
	IT ("looks at the other side only when it matters") {
		CHECK_STR(eval(".no and .s.x"), "false");
		CHECK_STR(eval(".yes or .s.x"), "true");
		CHECK_STR(eval(".yes and .s.x"), "error: Cannot index string with string \"x\"");
		CHECK_STR(eval(".s.x or .yes"), "error: Cannot index string with string \"x\"");
	}
	IT ("tests whether a result is neither false nor null") {
		static const struct {
			const char *program;
			bool want;
		} cases[] = {{".yes", true},	     {".no", false}, {".n", false},
			     {".missing", false},    {".z", true},   {"\"\"", true},
			     {".s == \"x\"", false}, {".a", true}};

		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			AUTO(path_auto_free) struct path *path = NULL;
			bool got = !cases[i].want;

			CHECK(path_compile(str_of(cases[i].program), &path));
			CHECK(path_test(path, str_of(event), &got, NULL));
			CHECK(got == cases[i].want);
		}
	}
}

static void
test_texts(void)
{
	IT ("puts paths into texts, a string as it is and all else as compact JSON") {
		CHECK_STR(text("\"ticket:\\(.id):create\""), "ticket:12345678901234567890:create");
		CHECK_STR(text("\"\\( .s )-\\(.n)-\\(.yes)\""), "text-null-true");
		CHECK_STR(text("\"\\(.o)\""), "{\"k\":[],\"l\":\"a b\"}");
		CHECK_STR(eval("\"\\(.o.l)\""), "\"a b\"");
		CHECK_STR(text("\"plain \\\"\\n\\u00e9\""), "plain \"\n\xc3\xa9");
		CHECK_STR(eval("\"\\(.a.b[1])\""),
			  "\"{\\\"x y\\\":\\\"\xc3\xa9\\\\u007f\\\\\\\"/\\\\b\\\"}\"");
		CHECK_STR(text("\"\""), "");
	}
	IT ("gives keys a string without its quotes") {
		CHECK_STR(text(".s"), "text");
		CHECK_STR(text(".o"), "{\"k\":[],\"l\":\"a b\"}");
		CHECK_STR(text(".yes == true"), "true");
		CHECK_STR(text("\"\\(.s.x)\""), "error: Cannot index string with string \"x\"");
	}
}

static void
test_refusals(void)
{
	IT ("leaves every other program to jq") {
		static const char *const programs[] = {"",
						       " ",
						       "x",
						       ".a.",
						       "..",
						       "..a",
						       ".a..b",
						       ".a.[0]",
						       ".[",
						       ".[]",
						       ".a[]",
						       ".[-1]",
						       ".[1.5]",
						       ".a?",
						       ".a|.b",
						       ".a // 1",
						       "(.a)",
						       ".a == .b",
						       "1 == .a",
						       ".a == 1 == 2",
						       ".a == [1]",
						       ".a == {}",
						       ".a < 1",
						       ".a and",
						       "and .a",
						       ".a and not",
						       ".a or or .b",
						       ".a andx .b",
						       ".a == 01",
						       ".a == 1.",
						       ".a == 1x",
						       ".a == \"\\(.b)\"",
						       ".a == tru",
						       ".a == \"x",
						       "\"\\(.a\"",
						       "\"\\(.a|.b)\"",
						       "\"\\(1)\"",
						       "\"a\" == \"b\"",
						       "\"a\" .b",
						       "\"\\x\"",
						       "\"\\ud800\"",
						       ".\"\\(.a)\"",
						       ".a # c",
						       "$x",
						       ".a[\"b\"",
						       ".a[\"b]",
						       ".[999999999999]",
						       "{a: .b}",
						       "true",
						       "1",
						       "\"",
						       "\\",
						       ".a\x01",
						       ".\xff",
						       ". .",
						       ".a == 1 or",
						       "\"\\(.a)\\",
						       "@base64 \"x\"",
						       ".a;.b"};

		for (size_t i = 0; i < ARRAY_LEN(programs); i++)
			if (!CHECK(!strcmp(eval(programs[i]), "not plain")))
				printf("# %s\n", programs[i]);
	}
	IT ("refuses a program that is huge, deep or has a NUL") {
		AUTO(buf_fini) struct buf b = BUF_INIT;
		AUTO(path_auto_free) struct path *path = NULL;

		for (int i = 0; i < 33; i++)
			buf_puts(&b, ".a");
		CHECK(!path_compile(buf_str(&b), &path));
		buf_truncate(&b, 64);
		CHECK(path_compile(buf_str(&b), &path));
		for (int i = 0; i < 2000; i++)
			buf_puts(&b, " and .a");
		CHECK(!path_compile(buf_str(&b), &(struct path *){NULL}));
		CHECK(!path_compile(str_make(".a\0b", 4), &(struct path *){NULL}));
		CHECK(!path_compile(STR_NONE, &(struct path *){NULL}));
	}
}

int
main(void)
{
	test_paths();
	test_logic();
	test_texts();
	test_refusals();
	return tap_done();
}
