/* Fuzz target: globs (first line) over paths (the rest). */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "pure/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str pattern, path = str_split(str_make(data, size), '\n', &pattern);

	if (!path.p)
		path = STR("a/b.c");
	glob_check(pattern, NULL);
	glob_match(pattern, path);
	glob_match_path(pattern, path);
	assert(!path.len || glob_match(STR("**"), path));
	return 0;
}
