/* Fuzz target: signature headers and bodies of strangers, for every scheme. */
/* SPDX-License-Identifier: MIT */
#include "pure/signature.h"

/* One text stands for every header; the rest of the input is the body. */
struct input {
	struct str header, body;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str
input_header(void *arg, const char *name, size_t index)
{
	const struct input *in = arg;

	if (index)
		return STR_NONE;
	return strstr(name, "timestamp") ? STR("1700000000") : in->header;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct signature_scheme *scheme;
	const struct str secret = STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
	struct input in = {STR_NONE, STR_NONE};

	in.body = str_split(str_make(data, size), '\n', &in.header);
	for (size_t i = 0; (scheme = signature_at(i)); i++) {
		AUTO(signature_auto_free) struct signature *s = NULL;
		struct signature_request request = {.method = STR("POST"),
						    .url = in.header,
						    .body = in.body,
						    .header = input_header,
						    .arg = &in};

		if (!signature_new(scheme, NULL, &s, NULL))
			continue;
		signature_verify(s, &secret, 1, &request, (struct wall){INT64_C(1700000000000)},
				 NULL, NULL);
		signature_delivery_id(s, &request);
		signature_is_ping(s, &request);
	}
	return 0;
}
