/* Fuzz target: answers of rouse-git, which works over what strangers wrote; repositories as they
 * are written. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdlib.h>

#include "triggers/git/git.h"
#include "triggers/git/look.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_make(data, size);
	AUTO(auto_free) char *text = str_dup(rest);
	const char *path;

	for (;;) {
		size_t before = rest.len;
		struct look_line line = look_next(&rest);

		assert(rest.len <= before);
		if (line.kind == LOOK_NONE)
			break;
		assert(rest.len < before);
		if (line.kind == LOOK_CHANGE || line.kind == LOOK_LEARN)
			assert(line.id.len == 40 && line.ref.len && line.ref.len <= 1024);
		if (line.kind == LOOK_CHANGE)
			assert(json_check(line.data, NULL));
	}
	if (git_way_of(text, &path) == GIT_LOCAL)
		assert(path && *path == '/');
	git_has_password(text);
	return 0;
}
