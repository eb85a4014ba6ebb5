/* Fuzz target: requests, parsed the same however their bytes were split. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "http/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything that parsing said, as text. */
static void story(struct str input, size_t piece, struct buf *out)
{
	AUTO(parse_fini) struct parse p = {.max_head = 0};
	struct str in = STR_NONE, body;
	enum parse_event event;
	size_t bodies = 0;

	parse_reset(&p, PARSE_HEAD_MIN, 4096);
	for (;;) {
		event = parse_next(&p, &in, &body);
		if (event == PARSE_BODY) {
			bodies += body.len;
		} else if (event == PARSE_HEAD) {
			buf_add_str(out, parse_str(&p, p.method));
			buf_add_str(out, parse_str(&p, p.path));
			buf_add_str(out, parse_str(&p, p.query));
			for (unsigned i = 0; i < p.field_count; i++)
				buf_add_str(out, parse_str(&p, p.fields[i].value));
		} else if (event == PARSE_DONE) {
			buf_printf(out, " done %zu;", bodies);
			bodies = 0;
			parse_reset(&p, PARSE_HEAD_MIN, 4096);
		} else if (event == PARSE_REFUSED) {
			buf_printf(out, " refused %d;", parse_refusal_status(p.refusal));
			return;
		} else if (input.len) {
			size_t len = piece && piece < input.len ? piece : input.len;

			in = str_make(input.p, len);
			input = str_make(input.p + len, input.len - len);
		} else {
			return;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_fini) struct buf whole = BUF_INIT, split = BUF_INIT;

	story(str_make(data, size), 0, &whole);
	story(str_make(data, size), size ? data[0] % 7 + 1u : 1, &split);
	assert(str_eq(buf_str(&whole), buf_str(&split)));
	return 0;
}
