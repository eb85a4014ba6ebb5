/* HTML: text of strangers on a page, as it is. */
/* SPDX-License-Identifier: MIT */
#include "pure/html.h"
#include "pure/unseen.h"
#include "tests/unit/tap.h"

static const char *
shown(const char *s, size_t len, bool plain)
{
	static struct buf out;

	buf_clear(&out);
	html_text(&out, str_make(s, len), plain);
	return buf_cstr(&out);
}

#define SHOWN(lit) shown("" lit, sizeof(lit) - 1, false)

int
main(void)
{
	IT ("nothing in a text is markup") {
		CHECK_STR(SHOWN("<b a='\"&'>"), "&lt;b a=&#39;&quot;&amp;&#39;&gt;");
	}
	IT ("what is not seen is shown, what turns others round too") {
		CHECK_STR(SHOWN("a\u202e\u200bb\0c\x7f"),
			  "a<i>U+202E</i><i>U+200B</i>b<i>U+0000</i>c<i>U+007F</i>");
		CHECK_STR(SHOWN("\xf3\xa0\x81\x81"), "<i>U+E0041</i>");
		CHECK_STR(shown("\u202e", 3, true), "U+202E");
	}
	IT ("lines stay lines, in an element") {
		CHECK_STR(SHOWN("a\n\tb"), "a\n\tb");
		CHECK_STR(shown("a\n", 2, true), "aU+000A");
	}
	IT ("letters of any script stay") {
		CHECK_STR(SHOWN("Zoë 東京 🙂"), "Zoë 東京 🙂");
	}
	IT ("broken bytes break nothing") {
		CHECK_STR(SHOWN("\xc3("), "\xef\xbf\xbd(");
		CHECK_STR(SHOWN("\xf0\x9f"), "\xef\xbf\xbd\xef\xbf\xbd");
		CHECK_STR(SHOWN(""), "");
	}
	IT ("every code point has an answer") {
		CHECK(!char_is_unseen('a') && !char_is_unseen(' ') && !char_is_unseen(0x4e00));
		CHECK(char_is_unseen(0) && char_is_unseen(0x10ffff) && char_is_unseen(0xfeff));
	}
	shown("", 0, false);
	return tap_done();
}
