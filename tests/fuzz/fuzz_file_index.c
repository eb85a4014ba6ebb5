/* Fuzz target: chunks of the index of files, as a damaged database may have them. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdlib.h>

#include "triggers/file/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_fini) struct buf again = BUF_INIT;
	struct packed *entries = NULL, *same = NULL;
	size_t count = 0, same_count = 0;

	if (!pack_read(str_make(data, size), &entries, &count, NULL))
		return 0;
	for (size_t i = 0; i < count; i++)
		pack_add(&again, &entries[i]);
	/* What was read is what is written. */
	if (count) {
		assert(pack_read(buf_str(&again), &same, &same_count, NULL));
		assert(same_count == count &&
		       str_eq(same[count - 1].name, entries[count - 1].name));
		assert(version_same(&same[0].version, &entries[0].version));
	}
	free(entries);
	free(same);
	return 0;
}
