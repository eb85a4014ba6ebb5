/* Fuzz target: JSON in one pass takes nothing that the parser refuses. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Without escapes and exponents nothing but many names or digits is left to the parser. */
static bool
is_usual(struct str text)
{
	return text.len < 200 && !memchr(text.p, '\\', text.len) &&
	       !memchr(text.p, 'e', text.len) && !memchr(text.p, 'E', text.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(json_auto_decref) json_t *value = NULL;
	struct str text = str_make(data, size);
	bool scan = json_scan(text), read = json_read(text, &value, NULL);

	assert(read || !scan);
	assert(scan || !read || !is_usual(text));
	return 0;
}
