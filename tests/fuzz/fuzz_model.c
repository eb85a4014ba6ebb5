/* Fuzz target: requests to models and their answers; what is forwarded reads as what was asked for.
 */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "pure/model_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
request_try(enum model_dialect dialect, struct str text)
{
	AUTO(buf_fini) struct buf body = BUF_INIT;
	struct model_request request, again;

	if (model_request_read(dialect, text, &request, NULL)) {
		assert(request.input_estimate > 0);
		assert(model_request_body(&request, text, &body));
		assert(model_request_read(dialect, buf_str(&body), &again, NULL));
		assert(!strcmp(request.model, again.model) && request.stream == again.stream);
		assert(!again.hides_usage && request.output_max == again.output_max);
		model_request_fini(&again);
	}
	model_request_fini(&request);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;
	struct model_request request = {.dialect = MODEL_CHAT};
	struct model_stream stream;
	struct model_usage usage;
	struct str text;

	if (size < 2)
		return 0;
	request.dialect = (enum model_dialect)(data[0] % MODEL_DIALECTS);
	request.hides_usage = data[1] & 1;
	text = str_make(data + 2, size - 2);
	request_try(request.dialect, text);
	model_answer_read(request.dialect, text, &usage);
	model_stream_init(&stream, &request);
	for (size_t at = 0, step = 1 + data[1] % 17; at < text.len; at += step)
		assert(model_stream_take(
			&stream, str_make(text.p + at, text.len - at < step ? text.len - at : step),
			&out, NULL));
	model_stream_end(&stream, &out);
	usage = model_stream_estimate(&stream, 5);
	assert(usage.input >= 0 && usage.output >= 0 && out.len <= text.len + 2);
	model_stream_fini(&stream);
	return 0;
}
