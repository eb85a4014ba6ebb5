/* Tests of differences of texts. */
/* SPDX-License-Identifier: MIT */
#include "pure/textdiff.h"

#include "tests/unit/tap.h"

static const char *
diff(const char *a, const char *b)
{
	static struct buf out;

	buf_clear(&out);
	if (!textdiff_print(str_of(a), str_of(b), 1, "", &out))
		return "same";
	return buf_cstr(&out);
}

static uint64_t state = 42;

static unsigned
draw(unsigned n)
{
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned)(state >> 33) % n;
}

/* Plays a diff with all context back: keeps ' ' and the wanted sign. */
static void
play(struct str diff_text, char sign, struct buf *out)
{
	struct str line;

	buf_clear(out);
	while (diff_text.len) {
		diff_text = str_split(diff_text, '\n', &line);
		if (line.len && (line.p[0] == ' ' || line.p[0] == sign)) {
			buf_add(out, line.p + 1, line.len - 1);
			buf_putc(out, '\n');
		}
	}
}

int
main(void)
{
	IT ("says nothing of equal texts") {
		CHECK_STR(diff("", ""), "same");
		CHECK_STR(diff("a\nb\n", "a\nb\n"), "same");
	}
	IT ("shows changes with what stands around them") {
		CHECK_STR(diff("a\nb\nc\nd\n", "a\nB\nc\nd\n"),
			  "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
		CHECK_STR(diff("a\nb\n", "a\nx\nb\n"), "@@ -1,2 +1,3 @@\n a\n+x\n b\n");
		CHECK_STR(diff("", "a\n"), "@@ -0,0 +1 @@\n+a\n");
		CHECK_STR(diff("a\n", ""), "@@ -1 +0,0 @@\n-a\n");
	}
	IT ("makes two hunks where changes are far from one another, one where they are near") {
		CHECK_STR(diff("a\n1\n2\n3\n4\nb\n", "A\n1\n2\n3\n4\nB\n"),
			  "@@ -1,2 +1,2 @@\n-a\n+A\n 1\n@@ -5,2 +5,2 @@\n 4\n-b\n+B\n");
		CHECK_STR(diff("a\n1\n2\nb\n", "A\n1\n2\nB\n"),
			  "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n-b\n+B\n");
	}
	IT ("says when the last line has no end") {
		CHECK_STR(diff("a", "a\n"), "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
	}
	IT ("shows what could steer a terminal as text") {
		CHECK_STR(diff("a\n", "\x1b[2J\xe2\x80\xae\xff\xc2\x9b\x7f\t\xc3\xa9\n"),
			  "@@ -1 +1 @@\n-a\n+\\x1b[2J\\u202e\\xff\\u009b\\x7f\t\xc3\xa9\n");
	}
	IT ("leads from any text to any other, and back") {
		for (int round = 0; round < 3000; round++) {
			AUTO(buf_fini) struct buf a = BUF_INIT;
			AUTO(buf_fini) struct buf b = BUF_INIT;
			AUTO(buf_fini) struct buf out = BUF_INIT;
			AUTO(buf_fini) struct buf got = BUF_INIT;

			for (unsigned i = draw(12); i > 0; i--)
				buf_printf(&a, "%c\n", 'a' + (char)draw(3));
			for (unsigned i = draw(12); i > 0; i--)
				buf_printf(&b, "%c\n", 'a' + (char)draw(3));
			if (!textdiff_print(buf_str(&a), buf_str(&b), 99, "", &out)) {
				CHECK(str_eq(buf_str(&a), buf_str(&b)));
				continue;
			}
			play(buf_str(&out), '-', &got);
			CHECK(str_eq(buf_str(&got), buf_str(&a)));
			play(buf_str(&out), '+', &got);
			CHECK(str_eq(buf_str(&got), buf_str(&b)));
		}
	}
	IT ("replaces the middle whole when nearly all of many lines differ") {
		AUTO(buf_fini) struct buf a = BUF_INIT;
		AUTO(buf_fini) struct buf b = BUF_INIT;
		AUTO(buf_fini) struct buf out = BUF_INIT;
		AUTO(buf_fini) struct buf got = BUF_INIT;

		for (int i = 0; i < 100000; i++) {
			buf_printf(&a, "a%d\n", i % 5000 ? i : 0);
			buf_printf(&b, "b%d\n", i % 5000 ? i : 0);
		}
		CHECK(textdiff_print(buf_str(&a), buf_str(&b), 3, "", &out));
		play(buf_str(&out), '+', &got);
		CHECK(str_eq(buf_str(&got), buf_str(&b)));
	}
	return tap_done();
}
