/* Patches: JSON ones (RFC 6902, its own examples too) and unified diffs. */
/* SPDX-License-Identifier: MIT */
#include "pure/jsonpatch.h"
#include "pure/textpatch.h"
#include "tests/unit/tap.h"

/* What patch makes of target, compact; the error's name where it fails. Static. */
static const char *
json_patched(const char *target, const char *patch)
{
	static struct buf out;
	AUTO(json_auto_decref) json_t *was = NULL;
	AUTO(json_auto_decref) json_t *operations = NULL;
	AUTO(json_auto_decref) json_t *is = NULL;
	AUTO(json_auto_decref) json_t *copy = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;

	buf_clear(&out);
	json_read(str_of(target), &was, NULL);
	json_read(str_of(patch), &operations, NULL);
	copy = json_deep_copy(was);
	if (jsonpatch_apply(was, operations, &is, &err))
		json_write(&out, is);
	else
		buf_puts(&out, err_name(err.code));
	if (!json_equal(copy, was))
		buf_puts(&out, " (and the target was changed)");
	return buf_cstr(&out);
}

static const char *
text_patched(const char *text, const char *patch)
{
	static struct buf out;
	AUTO(err_fini) struct err err = ERR_INIT;

	buf_clear(&out);
	if (!textpatch_apply(str_of(text), str_of(patch), &out, &err)) {
		buf_clear(&out);
		buf_puts(&out, err_name(err.code));
		printf("# %s\n", err_text(&err));
	}
	return buf_cstr(&out);
}

static const struct {
	const char *what, *target, *patch, *want;
} cases[] = {
	{"A.1 adds a member", "{\"foo\":\"bar\"}",
	 "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]",
	 "{\"foo\":\"bar\",\"baz\":\"qux\"}"},
	{"A.2 adds an element", "{\"foo\":[\"bar\",\"baz\"]}",
	 "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":\"qux\"}]",
	 "{\"foo\":[\"bar\",\"qux\",\"baz\"]}"},
	{"A.3 removes a member", "{\"baz\":\"qux\",\"foo\":\"bar\"}",
	 "[{\"op\":\"remove\",\"path\":\"/baz\"}]", "{\"foo\":\"bar\"}"},
	{"A.4 removes an element", "{\"foo\":[\"bar\",\"qux\",\"baz\"]}",
	 "[{\"op\":\"remove\",\"path\":\"/foo/1\"}]", "{\"foo\":[\"bar\",\"baz\"]}"},
	{"A.5 replaces a value", "{\"baz\":\"qux\",\"foo\":\"bar\"}",
	 "[{\"op\":\"replace\",\"path\":\"/baz\",\"value\":\"boo\"}]",
	 "{\"baz\":\"boo\",\"foo\":\"bar\"}"},
	{"A.6 moves a value",
	 "{\"foo\":{\"bar\":\"baz\",\"waldo\":\"fred\"},\"qux\":{\"corge\":\"grault\"}}",
	 "[{\"op\":\"move\",\"from\":\"/foo/waldo\",\"path\":\"/qux/thud\"}]",
	 "{\"foo\":{\"bar\":\"baz\"},\"qux\":{\"corge\":\"grault\",\"thud\":\"fred\"}}"},
	{"A.7 moves an element", "{\"foo\":[\"all\",\"grass\",\"cows\",\"eat\"]}",
	 "[{\"op\":\"move\",\"from\":\"/foo/1\",\"path\":\"/foo/3\"}]",
	 "{\"foo\":[\"all\",\"cows\",\"eat\",\"grass\"]}"},
	{"A.8 tests", "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}",
	 "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"qux\"},{\"op\":\"test\",\"path\":\"/foo/"
	 "1\",\"value\":2}]",
	 "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}"},
	{"A.9 fails a test", "{\"baz\":\"qux\"}",
	 "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"bar\"}]", "drift"},
	{"A.10 adds a nested member", "{\"foo\":\"bar\"}",
	 "[{\"op\":\"add\",\"path\":\"/child\",\"value\":{\"grandchild\":{}}}]",
	 "{\"foo\":\"bar\",\"child\":{\"grandchild\":{}}}"},
	{"A.11 overlooks members it does not know", "{\"foo\":\"bar\"}",
	 "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\",\"xyz\":123}]",
	 "{\"foo\":\"bar\",\"baz\":\"qux\"}"},
	{"A.12 adds nothing to what is not there", "{\"foo\":\"bar\"}",
	 "[{\"op\":\"add\",\"path\":\"/baz/bat\",\"value\":\"qux\"}]", "drift"},
	{"A.14 decodes ~", "{\"/\":9,\"~1\":10}",
	 "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10}]", "{\"/\":9,\"~1\":10}"},
	{"A.15 tells a text from a number", "{\"/\":9,\"~1\":10}",
	 "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":\"10\"}]", "drift"},
	{"A.16 adds an array to an array", "{\"foo\":[\"bar\"]}",
	 "[{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":[\"abc\",\"def\"]}]",
	 "{\"foo\":[\"bar\",[\"abc\",\"def\"]]}"},
	{"replaces the whole", "{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":[1]}]",
	 "[1]"},
	{"copies", "{\"a\":[1]}",
	 "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"},{\"op\":\"add\",\"path\":\"/b/"
	 "0\",\"value\":0}]",
	 "{\"a\":[1],\"b\":[0,1]}"},
	{"adds in place of what is there", "{\"a\":1}",
	 "[{\"op\":\"add\",\"path\":\"/a\",\"value\":null}]", "{\"a\":null}"},
	{"does nothing for an empty list", "{\"a\":1}", "[]", "{\"a\":1}"},
	{"knows the empty name", "{\"\":1}", "[{\"op\":\"replace\",\"path\":\"/\",\"value\":2}]",
	 "{\"\":2}"},
	{"moves nothing into itself", "{\"a\":{\"b\":1}}",
	 "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]", "drift"},
	{"moves onto itself", "{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a\"}]",
	 "{\"a\":1}"},
	{"takes no index with zeros before it", "[1,2]", "[{\"op\":\"remove\",\"path\":\"/01\"}]",
	 "drift"},
	{"takes no index beyond the end", "[1]", "[{\"op\":\"add\",\"path\":\"/2\",\"value\":2}]",
	 "drift"},
	{"removes no element behind the last", "[1]", "[{\"op\":\"remove\",\"path\":\"/-\"}]",
	 "drift"},
	{"removes not the whole", "[1]", "[{\"op\":\"remove\",\"path\":\"\"}]", "drift"},
	{"undoes all of what fails at its end", "{\"a\":1}",
	 "[{\"op\":\"remove\",\"path\":\"/a\"},{\"op\":\"remove\",\"path\":\"/a\"}]", "drift"},
	{"refuses another op", "{}", "[{\"op\":\"spam\",\"path\":\"/a\"}]", "invalid"},
	{"refuses an op without path", "{}", "[{\"op\":\"remove\"}]", "invalid"},
	{"refuses a path without slash", "{}", "[{\"op\":\"remove\",\"path\":\"a\"}]", "invalid"},
	{"refuses a ~ that means nothing", "{}", "[{\"op\":\"remove\",\"path\":\"/~2\"}]",
	 "invalid"},
	{"refuses an add without value", "{}", "[{\"op\":\"add\",\"path\":\"/a\"}]", "invalid"},
	{"refuses a move without from", "{}", "[{\"op\":\"move\",\"path\":\"/a\"}]", "invalid"},
	{"refuses what is no list", "{}", "{\"op\":\"remove\"}", "invalid"},
	{"refuses operations that are no objects", "{}", "[1]", "invalid"},
};

#define THREE "one\ntwo\nthree\n"

static void
test_text(void)
{
	AUTO(buf_fini) struct buf patch = BUF_INIT, text = BUF_INIT, out = BUF_INIT;

	IT ("applies a diff with its context") {
		CHECK_STR(
			text_patched(THREE,
				     "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"),
			"one\n2\nthree\n");
		CHECK_STR(text_patched(THREE, "@@ -2 +2,2 @@\n-two\n+2\n+zwei\n"),
			  "one\n2\nzwei\nthree\n");
		CHECK_STR(text_patched("", "@@ -0,0 +1,2 @@\n+a\n+b\n"), "a\nb\n");
		CHECK_STR(text_patched("a\nb\n", "@@ -1,2 +0,0 @@\n-a\n-b\n"), "");
	}
	IT ("applies several hunks, and finds those that have moved") {
		CHECK_STR(text_patched("1\n2\n3\n4\n5\n6\n7\n8\n9\n",
				       "@@ -2 +2,2 @@\n-2\n+two\n+zwei\n@@ -8 +9 @@\n-8\n+eight\n"),
			  "1\ntwo\nzwei\n3\n4\n5\n6\n7\neight\n9\n");
		CHECK_STR(text_patched("new\nnew\n" THREE, "@@ -1,2 +1,2 @@\n one\n-two\n+2\n"),
			  "new\nnew\none\n2\nthree\n");
		CHECK_STR(text_patched("x\n1\n2\n3\n4\n",
				       "@@ -1 +1 @@\n-1\n+one\n@@ -4 +4 @@\n-4\n+four\n"),
			  "x\none\n2\n3\nfour\n");
	}
	IT ("keeps and makes texts without a last line end") {
		CHECK_STR(text_patched("a\nb",
				       "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n"
				       "\\ No newline at end of file\n"),
			  "a\nc");
		CHECK_STR(
			text_patched("a\nb", "@@ -2 +2 @@\n-b\n\\ No newline at end of file\n+b\n"),
			"a\nb\n");
		CHECK_STR(text_patched("a\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\n+c"), "a\nc");
	}
	IT ("glues no lines together: an end that a diff lost is put back, one that it takes is "
	    "not "
	    "taken in the middle") {
		CHECK_STR(text_patched("a\nb\nc\n", "@@ -1 +1 @@\n-a\n+x"), "x\nb\nc\n");
		CHECK_STR(text_patched("a\nb\n",
				       "@@ -1 +1 @@\n-a\n+x\n\\ No newline at end of file\n"),
			  "drift");
	}
	IT ("leaves line ends as they are") {
		CHECK_STR(text_patched("a\r\nb\r\n", "@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n"),
			  "a\r\nc\r\n");
		CHECK_STR(text_patched("a\r\nb\r\n", "@@ -1,2 +1,2 @@\n a\n-b\n+c\n"), "drift");
	}
	IT ("guesses nothing: what fits nowhere, or twice elsewhere, is drift") {
		CHECK_STR(text_patched("one\n2\nthree\n",
				       "@@ -1,3 +1,3 @@\n one\n-two\n+II\n three\n"),
			  "drift");
		CHECK_STR(text_patched("x\na\nx\na\n", "@@ -1 +1 @@\n-a\n+b\n"), "drift");
		CHECK_STR(text_patched(THREE, "@@ -1000000 +1000000 @@\n-two\n+2\n"),
			  "one\n2\nthree\n");
		/* Behind a hunk, never before it. */
		CHECK_STR(text_patched("a\nb\n", "@@ -2 +2 @@\n-b\n+B\n@@ -1 +1 @@\n-a\n+A\n"),
			  "drift");
	}
	IT ("refuses what is no diff of one file") {
		static const char *const bad[] = {
			"",
			"hello\n",
			"@@\n",
			"@@ -1 +1\n-a\n+b\n",
			"@@ -1,2 +1 @@\n-a\n",
			"@@ -1 +1 @@\n*a\n",
			"@@ -1 +1 @@\n-a\n",
			"@@ -99999999999999999999 +1 @@\n-a\n+b\n",
			"@@ -x +1 @@\n-a\n+b\n",
			"@@ -1 +1 @@\n-a\n+b\n--- a/g\n+++ b/g\n@@ -1 +1 @@\n-c\n+d\n",
			"@@ -4000000,4000000 +1 @@\n-a\n+b\n"};

		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			CHECK_STR(text_patched("a\nb\n", bad[i]), "invalid");
	}
	IT ("gives up on a diff that is made to be looked for for ever") {
		AUTO(buf_fini) struct buf gone = BUF_INIT;

		for (int i = 0; i < 20000; i++)
			buf_puts(&text, "a\n");
		for (int i = 0; i < 20000; i++)
			buf_printf(&patch, "@@ -%d +1 @@\n-a\n+a\n", 3000000 - i);
		CHECK(!textpatch_apply(buf_str(&text), buf_str(&patch), &gone, NULL));
	}
}

int
main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		IT (cases[i].what)
			CHECK_STR(json_patched(cases[i].target, cases[i].patch), cases[i].want);
	test_text();
	return tap_done();
}
