/* Fuzz target: mail becomes a document that is JSON, and attachments that fit to it. */
/* SPDX-License-Identifier: MIT */
#include "src/mime_parts.h"

#include <assert.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void cell_output(struct buf *outputs, struct str output);

static size_t outputs_seen;

void
cell_output(struct buf *outputs, struct str output)
{
	if (outputs->len == 0 && output.len && output.p[0] == '{')
		buf_add_str(outputs, output);
	else
		outputs_seen++;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool prepared;
	AUTO(buf_fini) struct buf outputs = BUF_INIT;
	AUTO(json_auto_decref) json_t *document = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!prepared)
		mime_prepare();
	prepared = true;
	outputs_seen = 0;
	if (!mime_message(str_make(data, size), true, &outputs, &err))
		return 0;
	assert(json_read(buf_str(&outputs), &document, NULL));
	return 0;
}
