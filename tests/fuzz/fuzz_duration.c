/* Fuzz target: quantities as people write them; what is printed reads back the same. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "pure/duration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str s = str_make(data, size);
	int64_t n, again;
	struct rate rate;
	double ratio;
	bool yes;

	if (duration_parse(s, &n, NULL)) {
		duration_print(n, &text);
		assert(n >= 0 && duration_parse(buf_str(&text), &again, NULL) && again == n);
	}
	buf_clear(&text);
	if (size_parse(s, &n, NULL)) {
		size_print(n, &text);
		assert(n >= 0 && size_parse(buf_str(&text), &again, NULL) && again == n);
	}
	buf_clear(&text);
	if (money_parse(s, &n, NULL)) {
		money_print(n, &text);
		assert(n >= 0 && money_parse(buf_str(&text), &again, NULL) && again == n);
	}
	if (rate_parse(s, &rate, NULL))
		assert(rate.count > 0 && rate.per_ms > 0);
	if (ratio_parse(s, &ratio, NULL))
		assert(ratio >= 0 && ratio <= 1);
	bool_parse(s, &yes, NULL);
	return 0;
}
