/* Tests of CSV, read strictly. */
/* SPDX-License-Identifier: MIT */
#include "pure/csv.h"

#include "tests/unit/tap.h"

#define FIELD_MAX 20
#define RECORD_MAX 50

/* Records in pieces of step bytes: fields joined by '|', records ended by '/', an error as
 * "!sentence". */
static void
read_in(const char *text, size_t len, size_t step, struct buf *out)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	enum csv_got got = CSV_MORE;
	struct csv csv;

	buf_clear(out);
	csv_init(&csv, ',', FIELD_MAX, RECORD_MAX);
	for (size_t at = 0; at < len && got != CSV_BAD; at += step) {
		AUTO(auto_free)
		char *copy = mem_memdup(text + at, len - at < step ? len - at : step);
		struct str piece = str_make(copy, len - at < step ? len - at : step);

		while ((got = csv_next(&csv, &piece, &err)) == CSV_RECORD) {
			for (size_t i = 0; i < csv_count(&csv); i++) {
				buf_puts(out, i ? "|" : "");
				buf_add_str(out, csv_field(&csv, i));
			}
			buf_putc(out, '/');
		}
	}
	if (got != CSV_BAD && csv_end(&csv, &err) == CSV_RECORD) {
		for (size_t i = 0; i < csv_count(&csv); i++) {
			buf_puts(out, i ? "|" : "");
			buf_add_str(out, csv_field(&csv, i));
		}
		buf_putc(out, '$');
	}
	if (err.code != E_OK)
		buf_cat(out, "!", err_text(&err));
	csv_fini(&csv);
}

static void
check_text(const char *text, size_t len, const char *want)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;

	for (size_t step = 1; step <= len + 1; step++) {
		read_in(text, len, step, &out);
		CHECK_STR(buf_cstr(&out), want);
	}
}

static void
check_begins(const char *text, const char *want)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;

	read_in(text, strlen(text), 3, &out);
	if (!CHECK(strstr(buf_cstr(&out), want) != NULL))
		printf("#   got:  %s\n#   want: ...%s...\n", buf_cstr(&out), want);
}

#define READS(text, want) check_text(text, sizeof(text) - 1, want)

static void
good(void)
{
	IT ("reads records of fields, whatever pieces they come in") {
		READS("a,b\n1,2\n", "a|b/1|2/");
		READS("a,b\r\n1,2\r\n", "a|b/1|2/");
		READS("a,b\n1,2", "a|b/1|2$");
		READS("a,,\n,,\n", "a||/||/");
	}
	IT ("reads what quotes hold together") {
		READS("\"a,b\",\"c\"\"d\"\n", "a,b|c\"d/");
		READS("\"a\r\nb\n\"\n", "a\r\nb\n/");
		READS("\"\"\n", "/");
		READS("\"\",\"\"", "|$");
	}
	IT ("passes over lines that are empty") {
		READS("", "");
		READS("\n\r\n\na\n\r\n", "a/");
	}
}

static void
bad(void)
{
	IT ("says in which line and field a quote is wrong") {
		check_begins("a,b\n1,x\"y\n", "a|b/!line 2, field 2: a quote within a field");
		check_begins("a\n\"1\"x\n", "a/!line 2, field 1: something stands behind");
		check_begins("a\n1,\"2\n3\n",
			     "a/!line 2, field 2: the quote that opens there is never");
	}
	IT ("says in which line a byte is wrong") {
		READS("a\nb\0c\n",
		      "a/!line 2, field 1: a NUL byte; expected text (UTF-16 has such: "
		      "convert the file to UTF-8)");
		check_begins("a\nb\rc\n", "a/!line 2, field 1: a carriage return without");
		check_begins("a\n\rc\n", "a/!line 2, field 1: a carriage return without");
		check_begins("a\nb,\xff\n", "a/!line 2, field 2: it is not UTF-8");
	}
	IT ("bounds fields, records and how many there are") {
		check_begins("a\n\"12345\n6789012345678901\"\n",
			     "line 3, field 1: it has more than 20 bytes (it begins in line 2)");
		check_begins("a\n123456789012345,123456789012345,123456789012345,123456\n",
			     "line 2: the record that begins in line 2 has more than 50 bytes");
		AUTO(buf_fini) struct buf many = BUF_INIT;
		for (int i = 0; i < CSV_FIELDS_MAX + 1; i++)
			buf_putc(&many, ',');
		check_begins(buf_cstr(&many), "line 1, field 4097: a record has at most 4096");
	}
}

static void
places(void)
{
	static const char text[] = "id,x\n1,\"a\nb\"\n\n2,c\n";
	struct csv csv;
	struct str bytes = str_make(text, sizeof(text) - 1);
	uint64_t offset, line;

	csv_init(&csv, ',', FIELD_MAX, RECORD_MAX);
	csv_next(&csv, &bytes, NULL);
	csv_next(&csv, &bytes, NULL);
	offset = csv.next_offset;
	line = csv.next_line;
	IT ("knows where a record begins, and where the next would") {
		CHECK_INT(csv.record_line, 2);
		CHECK_INT(offset, 13);
		CHECK_INT(line, 4);
	}
	csv_begin(&csv, offset, line);
	bytes = str_make(text + offset, sizeof(text) - 1 - offset);
	IT ("goes on from there") {
		CHECK_INT(csv_next(&csv, &bytes, NULL), CSV_RECORD);
		CHECK_INT(csv.record_line, 5);
		CHECK(str_eq(csv_field(&csv, 0), STR("2")));
	}
	csv_fini(&csv);
}

int
main(void)
{
	good();
	bad();
	places();
	return tap_done();
}
