/* Fuzz target: JSON, what is read and what is written again. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(json_auto_decref) json_t *value = NULL, *again = NULL;
	AUTO(buf_fini) struct buf text = BUF_INIT, found = BUF_INIT;
	struct json_step steps[] = {{STR("a"), 0}, {STR_NONE, 1}};
	struct str raw, input = str_make(data, size);
	bool ok = json_read(input, &value, NULL);

	assert(ok == json_check(input, NULL));
	if (!ok)
		return 0;
	if (json_raw_find(input, steps, 2, &raw))
		json_raw_string(raw, &found);
	json_write_sorted(&text, value);
	assert(json_read(buf_str(&text), &again, NULL));
	return 0;
}
