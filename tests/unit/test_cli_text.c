/* Unit tests of cli/text.h. */
/* SPDX-License-Identifier: MIT */
#include "cli/text.h"
#include "tests/unit/tap.h"

static struct buf got = BUF_INIT;

static const char *
escaped(struct str s)
{
	buf_clear(&got);
	text_escape(&got, s);
	return buf_cstr(&got);
}

static const char *
cut(const char *s, unsigned columns)
{
	buf_clear(&got);
	text_cut(&got, str_of(s), columns);
	return buf_cstr(&got);
}

static const char *
compact(const char *s)
{
	buf_clear(&got);
	text_json_compact(&got, str_of(s));
	return buf_cstr(&got);
}

static bool
collect(void *arg, struct str element)
{
	buf_printf(arg, "<%.*s>", STR_ARG(element));
	return element.len != 4;
}

static const char *
elements(const char *s)
{
	buf_clear(&got);
	text_json_elements(str_of(s), collect, &got);
	return buf_cstr(&got);
}

int
main(void)
{
	IT ("plain text stays as it is, in every script") {
		CHECK_STR(escaped(STR("héllo 世界 \\ \"x\"")), "héllo 世界 \\ \"x\"");
		CHECK_STR(escaped(STR("")), "");
	}
	IT ("what moves the cursor is escaped") {
		CHECK_STR(escaped(STR("\033[2J\r\n\t\a")), "\\u001b[2J\\r\\n\\t\\u0007");
		CHECK_STR(escaped(STR("a\0b")), "a\\u0000b");
		CHECK_STR(escaped(STR("\x7f")), "\\u007f");
		CHECK_STR(escaped(STR("\xc2\x9b")), "\\u009b");
	}
	IT ("what reorders or hides its neighbours is escaped") {
		CHECK_STR(escaped(STR("\xe2\x80\xaetxt.exe")), "\\u202etxt.exe");
		CHECK_STR(escaped(STR("\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf")),
			  "\\u2066\\u200b\\ufeff");
		CHECK_STR(escaped(STR("\xf3\xa0\x81\x81")), "\\udb40\\udc41");
		CHECK_STR(escaped(STR("\xe2\x80\xa8")), "\\u2028");
	}
	IT ("bytes that are no UTF-8 are shown as replaced, one by one") {
		CHECK_STR(escaped(STR("a\xff\xc0\xaf"
				      "b")),
			  "a\\ufffd\\ufffd\\ufffdb");
		CHECK_STR(escaped(STR("\xe4\xb8")), "\\ufffd\\ufffd");
		CHECK_STR(escaped(STR("\xed\xa0\x80")), "\\ufffd\\ufffd\\ufffd");
		CHECK_STR(escaped(STR("\xf4\x90\x80\x80")), "\\ufffd\\ufffd\\ufffd\\ufffd");
	}
	IT ("lines can be kept") {
		buf_clear(&got);
		text_escape_lines(&got, STR("a\nb\033"));
		CHECK_STR(buf_cstr(&got), "a\nb\\u001b");
	}
	IT ("width counts columns, not bytes") {
		CHECK_INT(text_width(STR("abc")), 3);
		CHECK_INT(text_width(STR("世界")), 4);
		CHECK_INT(text_width(STR("e\xcc\x81")), 1);
	}
	IT ("text is cut between characters, with an ellipsis") {
		CHECK_STR(cut("abcdef", 6), "abcdef");
		CHECK_STR(cut("abcdef", 4), "abc…");
		CHECK_STR(cut("世界世界", 4), "世…");
		CHECK_STR(cut("abc", 0), "");
		CHECK_STR(cut("e\xcc\x81"
			      "bc",
			      2),
			  "e\xcc\x81…");
	}
	IT ("JSON loses the white space between its tokens, and no other") {
		CHECK_STR(compact("{ \"a b\" :\n [ 1,\t\" \\\" \" ] }\r\n"),
			  "{\"a b\":[1,\" \\\" \"]}");
	}
	IT ("an array falls into its elements") {
		CHECK_STR(elements(" [ 1 , {\"a\":[1,2]} ,\"x,]y\\\"\"] "),
			  "<1><{\"a\":[1,2]}><\"x,]y\\\"\">");
		CHECK_STR(elements("[]"), "");
		CHECK_STR(elements("[1]"), "<1>");
		CHECK_STR(elements("[1,true,3]"), "<1><true>");
	}
	buf_fini(&got);
	return tap_done();
}
