/* Fuzz target: dates and delays of HTTP headers; what is taken is in range. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "pure/http_date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size);
	struct wall now = {1795253777000}, at;
	int64_t ms;

	if (http_date_parse(text, now, &at))
		assert(at.ms >= -30610224000000 && at.ms < 253402300800000);
	if (retry_after_parse(text, now, 86400000, &ms))
		assert(ms >= 0 && ms <= 86400000);
	return 0;
}
