/* Fuzz target: templates, and values that must not break out of a header. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "pure/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
lookup(void *arg, struct str name, struct buf *ret, struct err *err)
{
	(void)arg;
	if (!name.len)
		return err_set(err, E_INVALID, "a name is empty");
	buf_add_str(ret, name);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(template_auto_free) struct template *t = NULL;
	AUTO(buf_fini) struct buf out = BUF_INIT;

	if (!size || !template_parse(str_make(data + 1, size - 1), &t, NULL))
		return 0;
	template_render(t, (enum template_escape)(data[0] % 3), lookup, NULL, &out, NULL);
	return 0;
}
