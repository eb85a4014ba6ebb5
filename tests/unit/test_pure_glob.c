/* Tests of globs over paths. */
/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "pure/glob.h"
#include "tests/unit/tap.h"

static bool
m(const char *pattern, const char *path)
{
	return glob_match(str_of(pattern), str_of(path));
}

static bool
p(const char *pattern, const char *path)
{
	return glob_match_path(str_of(pattern), str_of(path));
}

static bool
refused(const char *pattern, const char *word)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	return !glob_check(str_of(pattern), &err) && err.code == E_INVALID &&
	       strstr(err_text(&err), word);
}

int
main(void)
{
	IT ("takes plain characters as they are") {
		CHECK(m("a/b.c", "a/b.c") && !m("a/b.c", "a/bxc") && !m("a", "ab") &&
		      !m("ab", "a"));
		CHECK(m("", "") && !m("", "a") && !m("a", ""));
	}
	IT ("lets a star cross anything but a slash") {
		CHECK(m("*", "") && m("*", ".x") && !m("*", "a/b") && m("*.c", ".c"));
		CHECK(m("a*b*c", "aXbYbZc") && !m("a*b*c", "aXbY") && !m("a*c", "a/c"));
		CHECK(m("*/*", "a/b") && !m("*/*", "a/b/c") && m("refs/heads/*", "refs/heads/x") &&
		      !m("refs/heads/*", "refs/heads/x/y"));
	}
	IT ("lets two stars cross segments, none too") {
		CHECK(m("**/x", "x") && m("**/x", "a/x") && m("**/x", "a/b/x") && !m("**/x", "ax"));
		CHECK(m("a/**/b", "a/b") && m("a/**/b", "a/x/y/b") && !m("a/**/b", "ab") &&
		      !m("a/**/b", "a/xb"));
		CHECK(m("a/**", "a/b") && m("a/**", "a/b/c") && !m("a/**", "a") &&
		      !m("a/**", "a/"));
		CHECK(m("**", "a/b/c") && m("**", "a") && !m("**", ""));
		CHECK(m("**/a*/**/*.c", "x/ab/y/z.c") && !m("**/a*/**/*.c", "x/b/y/z.c"));
		CHECK(m("**/**/a", "a") && m("**/a/**/a", "a/a") && !m("**/a/**/a", "a"));
	}
	IT ("takes two stars within a segment for one") {
		CHECK(m("a**c", "abc") && !m("a**c", "a/c") && m("**.c", "x.c") &&
		      !m("**.c", "a/x.c"));
		CHECK(!m("a**/c", "a/b/c") && m("a**/c", "ab/c"));
	}
	IT ("takes one character for a question mark, not a slash") {
		CHECK(m("?", "a") && !m("?", "") && !m("?", "ab") && !m("?", "/"));
		CHECK(m("?", "\xc3\xa9") && m("?", "\xff") && !m("?", "\xff\xff"));
	}
	IT ("knows classes, ranges, others, and a bracket that comes first") {
		CHECK(m("[a-c]x", "bx") && !m("[a-c]x", "dx") && m("[!a-c]", "d") &&
		      m("[^a]", "b"));
		CHECK(m("[]]", "]") && m("[!]]", "a") && m("[a-]", "-") && !m("[!a]", "/"));
		CHECK(m("[\\]]", "]") && m("[\xc3\xa0-\xc3\xbc]", "\xc3\xa9"));
		CHECK(!m("[a-z]", "\xff"));
	}
	IT ("takes what follows a backslash as it is") {
		CHECK(m("\\*", "*") && !m("\\*", "a") && m("a\\?b", "a?b") && m("\\[x]", "[x]"));
	}
	IT ("takes names that are no text") {
		CHECK(m("*.csv", "\xff\xfe\n.csv") && m("new\nline", "new\nline"));
		CHECK(glob_match(STR("a*"), STR("a\0b")));
	}
	IT ("holds a pattern without a slash against the name, others against the path") {
		CHECK(p("*.swp", "a/b/x.swp") && p("*.swp", "x.swp") && !p("*.swp", "x.swp/y"));
		CHECK(p(".git", "a/.git") && p(".git/", ".git") && !p("a/*.c", "b/a/x.c"));
		CHECK(p("/top", "top") && !p("/top", "a/top") && p("in/**/*.csv", "in/a/b.csv"));
	}
	IT ("says what is wrong with a pattern") {
		CHECK(refused("", "empty") && refused("a[b", "place 2") && refused("x\\", "\\\\"));
		CHECK(refused("[]", "not closed") && refused("[!]", "not closed"));
		CHECK(glob_check(STR("a/**/[!x-z]?\\[*"), NULL));
	}
	IT ("matches what is not closed by its own characters") {
		CHECK(m("a[b", "a[b") && m("x\\", "x\\") && !m("[", "a"));
	}
	IT ("ends soon on patterns made to take long") {
		AUTO(buf_fini) struct buf pattern = BUF_INIT, path = BUF_INIT;

		for (int i = 0; i < 60; i++)
			buf_puts(&pattern, "**/a*a*a*/");
		for (int i = 0; i < 1000; i++)
			buf_puts(&path, "aaaaaaa/");
		buf_puts(&pattern, "b");
		CHECK(!glob_match(buf_str(&pattern), buf_str(&path)));
	}
	return tap_done();
}
