/* Fuzz target: responses of a mail server, the same however the stream was split, and their items.
 */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "pure/imap_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
items(struct str list, struct buf *out)
{
	struct imap_value value;
	struct str name;

	while (imap_item_next(&list, &name, &value)) {
		size_t before = out->len;

		buf_add_str(out, name);
		imap_value_text(&value, out);
		assert(out->len - before <= name.len + value.raw.len);
	}
}

static void
responses(struct str input, size_t piece, struct buf *out)
{
	struct imap_reader reader;
	struct imap_response r;
	struct err err = ERR_INIT;
	enum imap_read got = IMAP_READ_MORE;

	imap_reader_init(&reader, 200, 100);
	while (input.len && got != IMAP_READ_BROKEN) {
		size_t len = piece && piece < input.len ? piece : input.len;

		assert(imap_reader_feed(&reader, str_make(input.p, len), &err));
		while ((got = imap_reader_next(&reader, &r, &err)) == IMAP_READ_RESPONSE) {
			struct str set = r.args, args = r.args;
			struct imap_value value;
			uint64_t from, to;

			buf_printf(out, "%d%d %zu %zu %zu\n", r.kind, r.status, r.text.len,
				   r.code.len, r.args.len);
			while (imap_range_next(&set, &from, &to))
				assert(from && from <= to);
			while (imap_value_next(&args, &value))
				if (value.kind == IMAP_LIST)
					items(value.raw, out);
		}
		input = str_make(input.p + len, input.len - len);
	}
	buf_puts(out, err_name(err.code));
	err_fini(&err);
	imap_reader_fini(&reader);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_fini) struct buf whole = BUF_INIT, split = BUF_INIT;

	responses(str_make(data, size), 0, &whole);
	responses(str_make(data, size), size ? data[0] % 7 + 1u : 1, &split);
	assert(str_eq(buf_str(&whole), buf_str(&split)));
	return 0;
}
