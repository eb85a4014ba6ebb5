/* Fuzz target: what vouches does so for one domain, and only with the name that is trusted. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "pure/authres.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_fini) struct buf domain = BUF_INIT;
	struct str message = str_make(data, size);

	if (authres_vouches(message, STR("mx.ours.net"), &domain))
		assert(domain.len && !memchr(domain.data, '@', domain.len));
	assert(!authres_vouches(message, STR("a name\n that nobody has"), NULL));
	return 0;
}
