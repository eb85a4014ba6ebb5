/* Fuzz target: a text and a unified diff for it, or another text, with a NUL between them. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "pure/textdiff.h"
#include "pure/textpatch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is refused leaves nothing behind. */
static void
patch_try(struct str text, struct str patch)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	bool sound = textpatch_check(patch, NULL), fits;

	buf_puts(&out, "before");
	fits = textpatch_apply(text, patch, &out, &err);
	assert(str_starts(buf_str(&out), STR("before")));
	assert(fits ? sound : err.code != E_OK && out.len == strlen("before"));
}

/* Lines that stand in a difference as they are: few letters, so that many are alike. */
static void
plain(struct str text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++)
		buf_putc(out, text.p[i] == '\n' ? '\n' : (char)('a' + ((uint8_t)text.p[i] & 3)));
	if (text.len && text.p[text.len - 1] != '\n')
		buf_putc(out, '\n');
}

/* A difference, applied to what it was made from, gives what it was made to. */
static void
diff_try(struct str before, struct str after, unsigned context)
{
	AUTO(buf_fini) struct buf patch = BUF_INIT, made = BUF_INIT;

	if (!textdiff_print(before, after, context, "", &patch)) {
		assert(str_eq(before, after));
		return;
	}
	assert(textpatch_check(buf_str(&patch), NULL));
	assert(textpatch_apply(before, buf_str(&patch), &made, NULL));
	assert(str_eq(buf_str(&made), after));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_fini) struct buf before = BUF_INIT, after = BUF_INIT;
	struct str text, patch = str_split(str_make(data, size), '\0', &text);

	if (!patch.p)
		return 0;
	patch_try(text, patch);
	plain(text, &before);
	plain(patch, &after);
	diff_try(buf_str(&before), buf_str(&after), 1 + size % 4);
	return 0;
}
