/* Unit tests of pure/worddiff.h. */
/* SPDX-License-Identifier: MIT */
#include "pure/worddiff.h"

#include "tests/unit/tap.h"

static struct buf was = BUF_INIT, is = BUF_INIT;

static bool
mark(const char *before, const char *after, size_t elide)
{
	buf_clear(&was);
	buf_clear(&is);
	return worddiff_mark(str_of(before), str_of(after), "[", "]", elide, &was, &is);
}

static bool
gives(const char *before, const char *after)
{
	bool same = !strcmp(buf_cstr(&was), before) && !strcmp(buf_cstr(&is), after);

	if (!same)
		printf("# %s\n# %s\n", buf_cstr(&was), buf_cstr(&is));
	return same;
}

static char *
repeat(const char *word, size_t times)
{
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < times; i++)
		buf_puts(&text, word);
	return buf_take(&text);
}

int
main(void)
{
	IT ("marks the words of each that the other has not") {
		CHECK(mark("the quick brown fox", "the slow brown fox", 0));
		CHECK(gives("the [quick] brown fox", "the [slow] brown fox"));
		CHECK(mark("price: 10.50 EUR", "price: 10.75 EUR", 0));
		CHECK(gives("price: 10.[50] EUR", "price: 10.[75] EUR"));
	}
	IT ("marks what only one side has") {
		CHECK(mark("one two three", "one three", 0));
		CHECK(gives("one [two ]three", "one three"));
		CHECK(mark("one three", "one three four", 0));
		CHECK(gives("one three", "one three[ four]"));
	}
	IT ("takes blanks between changed words along") {
		CHECK(mark("keep this old text here", "keep this new words here", 0));
		CHECK(gives("keep this [old text] here", "keep this [new words] here"));
	}
	IT ("says nothing of lines that have little in common") {
		CHECK(!mark("abc def ghi", "rst uvw xyz", 0));
		CHECK(!was.len && !is.len);
		CHECK(!mark("", "", 0));
		CHECK(!mark("something", "", 0));
		CHECK(!mark("   ", "  ", 0));
	}
	IT ("leaves equal lines as they are") {
		CHECK(mark("the same", "the same", 0));
		CHECK(gives("the same", "the same"));
	}
	IT ("never cuts a character, neither at a word's end nor where it elides") {
		AUTO(auto_free) char *much = repeat("ä", 100);
		AUTO(buf_fini) struct buf before = BUF_INIT, after = BUF_INIT;

		CHECK(mark("größe klein und so weiter", "größe groß und so weiter", 0));
		CHECK(gives("größe [klein] und so weiter", "größe [groß] und so weiter"));
		buf_cat(&before, much, " old");
		buf_cat(&after, much, " new");
		CHECK(mark(buf_cstr(&before), buf_cstr(&after), 31));
		for (size_t i = 0; i + 1 < was.len; i++)
			CHECK((unsigned char)was.data[i] != 0xc3 ||
			      ((unsigned char)was.data[i + 1] & 0xc0) == 0x80);
		CHECK(strstr(buf_cstr(&was), "…") && was.len < 60);
	}
	IT ("finds one word among a hundred thousand in bounded time, and shows it") {
		AUTO(auto_free) char *much = repeat("word ", 100000);
		AUTO(buf_fini) struct buf before = BUF_INIT, after = BUF_INIT;

		buf_cat(&before, "old ", much);
		buf_cat(&after, "new ", much);
		CHECK(mark(buf_cstr(&before), buf_cstr(&after), 240));
		CHECK(str_starts(buf_str(&was), STR("[old] word")) &&
		      str_starts(buf_str(&is), STR("[new] word")) && was.len < 400);
		buf_clear(&before);
		buf_clear(&after);
		buf_cat(&before, much, "old");
		buf_cat(&after, much, "new");
		CHECK(mark(buf_cstr(&before), buf_cstr(&after), 240));
		CHECK(str_ends(buf_str(&was), STR("word [old]")) &&
		      str_ends(buf_str(&is), STR("word [new]")) && was.len < 400);
	}
	IT ("takes any bytes") {
		char odd[300];

		for (int i = 0; i < 255; i++)
			odd[i] = (char)(i + 1);
		odd[255] = '\0';
		CHECK(mark(odd, odd, 10));
		mark("\xff\xfe\xc3", "\xc3\xff a", 3);
	}
	buf_fini(&was);
	buf_fini(&is);
	return tap_done();
}
