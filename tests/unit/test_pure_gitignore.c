/* Files that git does not look at: the rules of one .gitignore. */
/* SPDX-License-Identifier: MIT */
#include "pure/gitignore.h"

#include "tests/unit/tap.h"

static enum gitignore
says(const char *rules, const char *path, bool is_folder)
{
	return gitignore_match(str_of(rules), str_of(path), is_folder);
}

static bool
ignores(const char *rules, const char *path)
{
	return says(rules, path, false) == GITIGNORE_IGNORED;
}

int
main(void)
{
	IT ("holds a rule without a slash against the last name, any other against the whole "
	    "path") {
		CHECK(ignores("*.o", "a.o") && ignores("*.o", "x/y/a.o"));
		CHECK(ignores("/a.o", "a.o") && !ignores("/a.o", "x/a.o"));
		CHECK(ignores("x/a.o", "x/a.o") && !ignores("x/a.o", "y/x/a.o"));
		CHECK(ignores("**/z/a.o", "x/y/z/a.o"));
	}
	IT ("lets the last rule that matches decide") {
		CHECK_INT(says("*.o\n!a.o", "a.o", false), GITIGNORE_KEPT);
		CHECK_INT(says("!a.o\n*.o", "a.o", false), GITIGNORE_IGNORED);
		CHECK_INT(says("*.o\n!a.o", "b.c", false), GITIGNORE_SILENT);
	}
	IT ("takes a slash at the end for folders alone") {
		CHECK_INT(says("build/", "build", true), GITIGNORE_IGNORED);
		CHECK_INT(says("build/", "build", false), GITIGNORE_SILENT);
		CHECK_INT(says("build/", "x/build", true), GITIGNORE_IGNORED);
	}
	IT ("skips comments, empty lines and blanks at the end, but not those behind a backslash") {
		CHECK(!ignores("#a\n\n   \n", "#a") && ignores("\\#a", "#a"));
		CHECK(ignores("a  \r\nb", "a") && ignores("a  \r\nb", "b"));
		CHECK(ignores("a\\ ", "a ") && !ignores("a\\ ", "a"));
		CHECK(ignores("\\!a", "!a"));
		CHECK(ignores("\xef\xbb\xbf"
			      "a",
			      "a"));
	}
	IT ("takes what is no rule for none") {
		CHECK(!ignores("[a\n\\\n!\n/\n!/\n", "a"));
		CHECK(!ignores("", "a") && !ignores("\n", "a"));
	}
	return tap_done();
}
