/* HTML: text of strangers on a page, as it is. */
/* SPDX-License-Identifier: MIT */
#include "pure/html.h"

#include "pure/unseen.h"

static const char *
entity_of(uint32_t code)
{
	static const struct {
		uint32_t code;
		const char *entity;
	} entities[] = {
		{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};

	for (size_t i = 0; i < ARRAY_LEN(entities); i++)
		if (entities[i].code == code)
			return entities[i].entity;
	return NULL;
}

void
html_text(struct buf *out, struct str s, bool plain)
{
	while (s.len) {
		uint32_t code = 0;
		size_t len = str_utf8_next(s, &code);
		const char *entity = len ? entity_of(code) : "\xef\xbf\xbd";

		if (entity)
			buf_puts(out, entity);
		else if (!char_is_unseen(code) || (!plain && (code == '\n' || code == '\t')))
			buf_add(out, s.p, len);
		else
			buf_printf(out, plain ? "U+%04X" : "<i>U+%04X</i>", (unsigned)code);
		len = len ? len : 1;
		s = str_make(s.p + len, s.len - len);
	}
}
