/* Fuzz target: lines cut from a stream, the same however the stream was split. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "pure/ndjson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
lines(struct str input, size_t piece, struct buf *out)
{
	AUTO(ndjson_fini) struct ndjson n;
	struct ndjson_line line;

	ndjson_init(&n, 16, 0);
	while (input.len) {
		size_t len = piece && piece < input.len ? piece : input.len;
		struct str bytes = str_make(input.p, len);

		while (ndjson_next(&n, &bytes, &line))
			buf_printf(out, "%zu%c", line.text.len, line.cut ? '+' : ' ');
		input = str_make(input.p + len, input.len - len);
	}
	if (ndjson_end(&n, &line))
		buf_printf(out, "%zu%c.", line.text.len, line.cut ? '+' : ' ');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_fini) struct buf whole = BUF_INIT, split = BUF_INIT;

	lines(str_make(data, size), 0, &whole);
	lines(str_make(data, size), size ? data[0] % 7 + 1u : 1, &split);
	assert(str_eq(buf_str(&whole), buf_str(&split)));
	return 0;
}
