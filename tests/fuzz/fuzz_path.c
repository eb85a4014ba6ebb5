/* Fuzz target: plain jq programs (first line) over events (the rest). */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "base/json.h"
#include "pure/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char event[] =
		"{\"a\":{\"b\":[1,{\"c d\":\"x\\u00e9\\n\"}],\"n\":null},\"s\":\"t\","
		"\"id\":12345678901234567890,\"f\":1.50,\"t\":true}";
	AUTO(path_auto_free) struct path *path = NULL;
	AUTO(buf_fini) struct buf out = BUF_INIT;
	AUTO(json_auto_decref) json_t *result = NULL;
	struct str program, json = str_split(str_make(data, size), '\n', &program);
	bool yes;

	if (!path_compile(program, &path))
		return 0;
	if (!json.len || !json_check(json, NULL))
		json = str_of(event);
	if (path_eval(path, json, &out, NULL) &&
	    (buf_cstr(&out)[0] == '{' || buf_cstr(&out)[0] == '['))
		assert(json_read(buf_str(&out), &result, NULL));
	buf_clear(&out);
	path_eval_text(path, json, &out, NULL);
	path_test(path, json, &yes, NULL);
	return 0;
}
