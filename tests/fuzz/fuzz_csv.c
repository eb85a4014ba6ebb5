/* Fuzz target: records of CSV, the same however the stream was split, and read on from any of them.
 */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "pure/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELD_MAX 64
#define RECORD_MAX 200

static void
record_print(const struct csv *csv, struct buf *out)
{
	buf_printf(out, "%llu@%llu:", (unsigned long long)csv->record_line,
		   (unsigned long long)csv->next_offset);
	for (size_t i = 0; i < csv_count(csv); i++) {
		assert(str_is_utf8(csv_field(csv, i)) && csv_field(csv, i).len <= FIELD_MAX);
		buf_putc(out, '[');
		buf_add_str(out, csv_field(csv, i));
		buf_putc(out, ']');
	}
	buf_putc(out, '\n');
}

/* From offset on; *ret_second: where the second record begins, 0: nowhere. */
static void
records(struct str input, uint64_t offset, uint64_t line, size_t piece, struct buf *out,
	uint64_t *ret_second, uint64_t *ret_line)
{
	struct csv csv;
	enum csv_got got = CSV_MORE;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct str rest = str_make(input.p + offset, input.len - offset);

	csv_init(&csv, ',', FIELD_MAX, RECORD_MAX);
	csv_begin(&csv, offset, line);
	while (rest.len && got != CSV_BAD) {
		size_t len = piece && piece < rest.len ? piece : rest.len;
		struct str bytes = str_make(rest.p, len);

		while ((got = csv_next(&csv, &bytes, &err)) == CSV_RECORD) {
			record_print(&csv, out);
			if (ret_second && !*ret_second) {
				*ret_second = csv.next_offset;
				*ret_line = csv.next_line;
				buf_clear(out);
			}
		}
		rest = str_make(rest.p + len, rest.len - len);
	}
	if (got != CSV_BAD && csv_end(&csv, &err) == CSV_RECORD) {
		record_print(&csv, out);
		if (ret_second && !*ret_second)
			buf_clear(out);
	}
	if (err.code != E_OK)
		buf_printf(out, "%s\n", err_text(&err));
	csv_fini(&csv);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_fini)
	struct buf whole = BUF_INIT, split = BUF_INIT, tail = BUF_INIT, again = BUF_INIT;
	uint64_t second = 0, line = 0;
	struct str input = str_make(data, size);

	records(input, 0, 1, 0, &whole, NULL, NULL);
	records(input, 0, 1, size ? data[0] % 7 + 1u : 1, &split, NULL, NULL);
	assert(str_eq(buf_str(&whole), buf_str(&split)));
	records(input, 0, 1, 0, &tail, &second, &line);
	if (!second)
		return 0;
	records(input, second, line, 3, &again, NULL, NULL);
	assert(str_eq(buf_str(&tail), buf_str(&again)));
	return 0;
}
