/* Unit tests of cli/print.h: tables and fields. */
/* SPDX-License-Identifier: MIT */
#include "cli/print.h"
#include "tests/unit/tap.h"

static const struct column columns[] = {
	{"NAME", "name", CELL_TEXT}, {"N", "n", CELL_COUNT},	   {"COST", "cost", CELL_MONEY},
	{"WHEN", "at", CELL_TIME},   {"MAY", "may.be", CELL_LIST},
};
#define COLUMNS ARRAY_LEN(columns)

static json_t *
rows_of(const char *text)
{
	json_t *rows = NULL;

	return json_read(str_of(text), &rows, NULL) ? rows : NULL;
}

static void
table(struct print *print, const char *text, unsigned *widths)
{
	json_t *rows = rows_of(text);

	print_table(print, columns, COLUMNS, rows, widths);
	json_decref(rows);
}

static void
fresh(struct print *print)
{
	print_fini(print);
	print_init(print, -1, false, true, (struct wall){INT64_C(1795858200000)});
}

static const char *
age(int64_t ms)
{
	static struct buf out = BUF_INIT;

	buf_clear(&out);
	print_age((struct wall){1000000000 - ms}, (struct wall){1000000000}, &out);
	return buf_cstr(&out);
}

#define ROWS                                                                                       \
	"[{\"name\":\"one\",\"n\":5,\"cost\":0.25,\"at\":\"2026-11-28T09:00:00Z\",\"may\":{"       \
	"\"be\":[\"a\",\"b\"]}},"                                                                  \
	"{\"name\":\"\\u001bevil\\n\",\"n\":12345,\"cost\":null,\"may\":{\"be\":[]}}]"

int
main(void)
{
	struct print print = {.buf = BUF_INIT};

	IT ("a table aligns text left and numbers right, and keeps times as they came") {
		unsigned widths[COLUMNS] = {0};

		fresh(&print);
		table(&print, ROWS, widths);
		CHECK_STR(buf_cstr(&print.buf),
			  "NAME              N    COST  WHEN                  MAY\n"
			  "one               5  0.2500  2026-11-28T09:00:00Z  a, b\n"
			  "\\u001bevil\\n  12345\n");
	}
	IT ("a second page has no titles and the same widths") {
		unsigned widths[COLUMNS] = {0};

		fresh(&print);
		table(&print, "[{\"name\":\"abcdef\",\"n\":1}]", widths);
		buf_clear(&print.buf);
		table(&print, "[{\"name\":\"x\",\"n\":2}]", widths);
		CHECK_STR(buf_cstr(&print.buf), "x       2\n");
	}
	IT ("on a terminal, columns without anything go, and text is cut to the width") {
		unsigned widths[COLUMNS] = {0};

		fresh(&print);
		print.terminal = true;
		print.width = 20;
		table(&print, "[{\"name\":\"abcdefghijklmnopqrstuvwxyz\",\"n\":123456}]", widths);
		CHECK_STR(buf_cstr(&print.buf), "NAME               N\nabcdefghijk…  123456\n");
	}
	IT ("wide characters count twice") {
		unsigned widths[COLUMNS] = {0};

		fresh(&print);
		table(&print, "[{\"name\":\"世界\",\"n\":1},{\"name\":\"abcd\",\"n\":2}]", widths);
		CHECK(strstr(buf_cstr(&print.buf), "世界  1\nabcd  2\n"));
	}
	IT ("no rows print nothing") {
		unsigned widths[COLUMNS] = {0};

		fresh(&print);
		table(&print, "[]", widths);
		CHECK_STR(buf_cstr(&print.buf), "");
	}
	IT ("rows that are no objects, and members of other types, do no harm") {
		unsigned widths[COLUMNS] = {0};

		fresh(&print);
		table(&print, "[1,null,{\"name\":{\"a\":[1]},\"n\":\"x\",\"at\":5,\"may\":7}]",
		      widths);
		CHECK(strstr(buf_cstr(&print.buf), "{\"a\":[1]}"));
	}
	IT ("times are relative on a terminal") {
		CHECK_STR(age(0), "now");
		CHECK_STR(age(59999), "59s ago");
		CHECK_STR(age(3600000), "1h ago");
		CHECK_STR(age(-7200000), "in 2h");
		CHECK_STR(age(86400000 * INT64_C(9)), "9d ago");
	}
	IT ("fields that are not there are left out, and ids stay whole") {
		static const struct column fields[] = {{"id", "id", CELL_ID},
						       {"nothing", "nothing", CELL_TEXT},
						       {"ok", "ok", CELL_TEXT}};
		json_t *object = rows_of("{\"id\":\"0193a000-0000-7000-8000-000000000001\",\"ok\":"
					 "true,\"nothing\":null}");

		fresh(&print);
		print.terminal = true;
		print_fields(&print, fields, ARRAY_LEN(fields), object);
		CHECK_STR(buf_cstr(&print.buf),
			  "id       0193a000-0000-7000-8000-000000000001\nok       yes\n");
		json_decref(object);
	}
	IT ("colour comes only where it was asked for") {
		fresh(&print);
		print_styled(&print, STYLE_RED, "x");
		CHECK_STR(buf_cstr(&print.buf), "x");
		print.colour = true;
		buf_clear(&print.buf);
		print_styled(&print, STYLE_RED, "\033x");
		CHECK_STR(buf_cstr(&print.buf), "\033[31m\\u001bx\033[0m");
	}
	IT ("JSON is one line, harmless on a terminal and untouched elsewhere") {
		fresh(&print);
		print_json(&print, STR("{\n \"a\" : \"\xe2\x80\xae\" }"));
		CHECK_STR(buf_cstr(&print.buf), "{\"a\":\"\xe2\x80\xae\"}\n");
		buf_clear(&print.buf);
		print.terminal = true;
		print_json(&print, STR("{\n \"a\" : \"\xe2\x80\xae\" }"));
		CHECK_STR(buf_cstr(&print.buf), "{\"a\":\"\\u202e\"}\n");
	}
	print_fini(&print);
	return tap_done();
}
