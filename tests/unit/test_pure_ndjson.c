/* Tests of the splitter of lines. */
/* SPDX-License-Identifier: MIT */
#include "pure/ndjson.h"

#include "tests/unit/tap.h"

/* Feeds text in pieces of step bytes; all lines joined by '|', a cut one with '~' behind. */
static void
split(const char *text, size_t len, size_t step, size_t max, struct buf *out)
{
	struct ndjson n;
	struct ndjson_line line;
	struct str piece;

	buf_clear(out);
	ndjson_init(&n, max, 0);
	for (size_t at = 0; at < len; at += step) {
		/* a copy of exact size, so that a sanitizer sees a byte read too far */
		AUTO(auto_free)
		char *copy = mem_memdup(text + at, len - at < step ? len - at : step);

		piece = str_make(copy, len - at < step ? len - at : step);
		while (ndjson_next(&n, &piece, &line)) {
			buf_add_str(out, line.text);
			buf_puts(out, line.cut ? "~|" : "|");
		}
	}
	if (ndjson_end(&n, &line)) {
		buf_add_str(out, line.text);
		buf_puts(out, line.cut ? "~$" : "$");
	}
	if (ndjson_offset(&n) != len)
		buf_puts(out, " offset wrong");
	ndjson_fini(&n);
}

static void
check_splits(const char *text, size_t len, size_t max, const char *want)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;

	for (size_t step = 1; step <= len + 1; step++) {
		split(text, len, step, max, &out);
		if (!CHECK(str_eq_cstr(buf_str(&out), want)))
			printf("# in steps of %zu: %s\n", step, buf_cstr(&out));
	}
}

int
main(void)
{
	IT ("yields the same lines however the bytes arrive") {
		check_splits("a\nbc\n\nd\n", 8, 10, "a|bc||d|");
		check_splits("", 0, 10, "");
		check_splits("\n", 1, 10, "|");
	}
	IT ("yields a last line without an end only at the end") {
		check_splits("a\nbc", 4, 10, "a|bc$");
		check_splits("abc", 3, 10, "abc$");
	}
	IT ("takes CR LF as one end, and leaves any other CR alone") {
		check_splits("a\r\nb\rc\n\r\n\r\r\n", 12, 10, "a|b\rc||\r|");
		check_splits("a\r", 2, 10, "a\r$");
	}
	IT ("cuts a line beyond the cap, says so, and skips its rest") {
		check_splits("abcd\nabcde\nabcdefgh\nx\n", 22, 4, "abcd|abcd~|abcd~|x|");
		check_splits("abcd\r\nabcde\r\n", 13, 4, "abcd|abcd~|");
		check_splits("abcdef", 6, 4, "abcd~$");
		check_splits("abc\r\r\nabcd\r\r\n", 13, 4, "abc\r|abcd~|");
	}
	IT ("keeps a NUL as a byte of the line") {
		AUTO(buf_fini) struct buf out = BUF_INIT;

		split("a\0b\n\0\n", 6, 2, 10, &out);
		CHECK(str_eq(buf_str(&out), str_make("a\0b|\0|", 6)));
	}
	IT ("keeps no more than the cap of a line that never ends") {
		struct ndjson n;
		struct ndjson_line line;
		static const char block[65536] = {'x'};
		struct str piece;

		ndjson_init(&n, 100, 0);
		for (int i = 0; i < 1600; i++) {
			piece = str_make(block, sizeof(block));
			CHECK(!ndjson_next(&n, &piece, &line));
		}
		CHECK(n.part.cap < 4096);
		piece = STR("\nb\n");
		CHECK(ndjson_next(&n, &piece, &line) && line.cut && line.text.len == 100);
		CHECK_INT(ndjson_offset(&n), 1600 * 65536 + 1);
		CHECK(ndjson_next(&n, &piece, &line) && str_eq(line.text, STR("b")));
		CHECK_INT(ndjson_offset(&n), 1600 * 65536 + 3);
		ndjson_fini(&n);
	}
	IT ("goes on counting from the offset at which it was begun") {
		struct ndjson n;
		struct ndjson_line line;
		struct str piece = STR("ab\nc");

		ndjson_init(&n, 100, 1000);
		CHECK(ndjson_next(&n, &piece, &line));
		CHECK(!ndjson_next(&n, &piece, &line));
		CHECK_INT(ndjson_offset(&n), 1003);
		ndjson_fini(&n);
	}
	IT ("takes ten megabytes byte by byte without slowing down") {
		struct ndjson n;
		struct ndjson_line line;
		struct str piece;
		int lines = 0;

		ndjson_init(&n, 1 << 20, 0);
		for (int i = 0; i < 10 << 20; i++) {
			piece = (i & 0xfffff) == 0xfffff ? STR("\n") : STR("x");
			lines += ndjson_next(&n, &piece, &line);
		}
		CHECK_INT(lines, 10);
		ndjson_fini(&n);
	}
	return tap_done();
}
