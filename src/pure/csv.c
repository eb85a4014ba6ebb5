/* CSV, read strictly (RFC 4180, in UTF-8). */
/* SPDX-License-Identifier: MIT */
#include "pure/csv.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	AT_START, /* of a record */
	AT_FIELD, /* of a field */
	IN_PLAIN,
	IN_QUOTES,
	AT_QUOTE, /* behind a quote within quotes: doubled, or the last */
	AT_CR,	  /* a LF must follow */
	AT_EMPTY, /* likewise, on a line of nothing else */
};

void
csv_init(struct csv *csv, char delimiter, size_t field_max, size_t record_max)
{
	*csv = (struct csv){.delimiter = delimiter,
			    .field_max = field_max,
			    .record_max = record_max,
			    .bytes = BUF_INIT};
	csv_begin(csv, 0, 1);
}

void
csv_fini(struct csv *csv)
{
	buf_fini(&csv->bytes);
	free(csv->ends);
}

void
csv_begin(struct csv *csv, uint64_t offset, uint64_t line)
{
	buf_clear(&csv->bytes);
	csv->offset = csv->record_offset = csv->next_offset = offset;
	csv->line = csv->record_line = csv->next_line = csv->field_line = line;
	csv->count = csv->field_from = 0;
	csv->state = AT_START;
	csv->given = false;
}

static enum csv_got
bad(const struct csv *csv, struct err *err, enum err_code code, const char *what)
{
	err_set(err, code, "line %" PRIu64 ", field %zu: %s", csv->line, csv->count + 1, what);
	return CSV_BAD;
}

static enum csv_got
field_end(struct csv *csv, struct err *err)
{
	struct str field = str_make((csv->bytes.data ? csv->bytes.data : "") + csv->field_from,
				    csv->bytes.len - csv->field_from);

	if (csv->count == CSV_FIELDS_MAX)
		return bad(csv, err, E_TOO_LARGE,
			   "a record has at most 4096 fields; is the delimiter another character?");
	if (!str_is_utf8(field))
		return bad(csv, err, E_INVALID,
			   "it is not UTF-8; convert the file, as with iconv -f latin1 -t utf-8");
	if (csv->count == csv->room) {
		csv->room = csv->room ? csv->room * 2 : 32;
		csv->ends = mem_realloc(csv->ends, csv->room * sizeof(*csv->ends));
	}
	csv->ends[csv->count++] = csv->bytes.len;
	csv->field_from = csv->bytes.len;
	csv->field_line = csv->line;
	return CSV_MORE;
}

/* The byte that ends it is taken. */
static enum csv_got
record_end(struct csv *csv, struct err *err)
{
	if (csv->state != AT_START && csv->state != AT_EMPTY && field_end(csv, err) == CSV_BAD)
		return CSV_BAD;
	csv->line++;
	csv->offset++;
	csv->next_offset = csv->offset;
	csv->next_line = csv->line;
	csv->state = AT_START;
	if (!csv->count) {
		csv_begin(csv, csv->offset, csv->line);
		return CSV_MORE;
	}
	csv->given = true;
	return CSV_RECORD;
}

static enum csv_got
byte_keep(struct csv *csv, char c, struct err *err)
{
	if (csv->bytes.len - csv->field_from >= csv->field_max) {
		err_set(err, E_TOO_LARGE,
			"line %" PRIu64 ", field %zu: it has more than %zu bytes (it begins in "
			"line %" PRIu64 "); expected less, or is a closing quote missing there?",
			csv->line, csv->count + 1, csv->field_max, csv->field_line);
		return CSV_BAD;
	}
	if (csv->bytes.len >= csv->record_max) {
		err_set(err, E_TOO_LARGE,
			"line %" PRIu64 ": the record that begins in line %" PRIu64
			" has more than %zu bytes; expected less",
			csv->line, csv->record_line, csv->record_max);
		return CSV_BAD;
	}
	buf_putc(&csv->bytes, c);
	return CSV_MORE;
}

static enum csv_got
plain_byte(struct csv *csv, char c, struct err *err)
{
	if (c == '"')
		return bad(
			csv, err, E_INVALID,
			"a quote within a field that does not begin with one; put the field into "
			"quotes and write the quote twice");
	csv->state = IN_PLAIN;
	return byte_keep(csv, c, err);
}

/* What no quotes hold together. */
static enum csv_got
open_byte(struct csv *csv, char c, struct err *err)
{
	if (c == csv->delimiter) {
		if (field_end(csv, err) == CSV_BAD)
			return CSV_BAD;
		csv->state = AT_FIELD;
		return CSV_MORE;
	}
	if (c == '\r') {
		csv->state = csv->state == AT_START ? AT_EMPTY : AT_CR;
		return CSV_MORE;
	}
	if (csv->state == AT_QUOTE)
		return bad(csv, err, E_INVALID,
			   "something stands behind a closing quote; expected the delimiter or the "
			   "end of the line (a quote within quotes is written twice)");
	if (c == '"' && csv->state != IN_PLAIN) {
		csv->state = IN_QUOTES;
		return CSV_MORE;
	}
	return plain_byte(csv, c, err);
}

static enum csv_got
byte_take(struct csv *csv, char c, struct err *err)
{
	if (!c)
		return bad(
			csv, err, E_INVALID,
			"a NUL byte; expected text (UTF-16 has such: convert the file to UTF-8)");
	if (csv->state == IN_QUOTES) {
		if (c == '"') {
			csv->state = AT_QUOTE;
			return CSV_MORE;
		}
		if (c == '\n')
			csv->line++;
		return byte_keep(csv, c, err);
	}
	if (csv->state == AT_CR || csv->state == AT_EMPTY)
		return bad(csv, err, E_INVALID,
			   "a carriage return without a line feed; lines end in LF or CR LF");
	if (csv->state == AT_QUOTE && c == '"') {
		csv->state = IN_QUOTES;
		return byte_keep(csv, c, err);
	}
	return open_byte(csv, c, err);
}

enum csv_got
csv_next(struct csv *csv, struct str *bytes, struct err *err)
{
	if (csv->given)
		csv_begin(csv, csv->offset, csv->line);
	while (bytes->len) {
		char c = *bytes->p;
		enum csv_got got;

		bytes->p++;
		bytes->len--;
		if (c == '\n' && csv->state != IN_QUOTES) {
			got = record_end(csv, err);
		} else {
			got = byte_take(csv, c, err);
			csv->offset++;
		}
		if (got != CSV_MORE)
			return got;
	}
	return CSV_MORE;
}

enum csv_got
csv_end(struct csv *csv, struct err *err)
{
	if (csv->given)
		csv_begin(csv, csv->offset, csv->line);
	if (csv->state == AT_START || csv->state == AT_EMPTY)
		return CSV_MORE;
	if (csv->state == IN_QUOTES) {
		err_set(err, E_INVALID,
			"line %" PRIu64 ", field %zu: the quote that opens there is never closed; "
			"close it, or is the file cut off?",
			csv->field_line, csv->count + 1);
		return CSV_BAD;
	}
	if (field_end(csv, err) == CSV_BAD)
		return CSV_BAD;
	csv->next_offset = csv->offset;
	csv->next_line = csv->line;
	csv->state = AT_START;
	csv->given = true;
	return CSV_RECORD;
}
