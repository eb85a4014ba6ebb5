/* Lines in front of inih: what it would cut, skip or misread is refused before it sees it. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CONF_READ_H
#define ROUSE_CONF_READ_H

#include "base/buf.h"

#define READ_LINE_MAX 199 /* as Debian's inih holds them */
#define READ_HEADER_MAX 49
#define READ_KEY_MAX 49

/* What is found, in order of the lines. */
struct read_sink {
	/* header: between the brackets, trimmed. */
	void (*on_section)(void *ctx, struct str header, int line);
	/* A header that was refused: what follows belongs nowhere. */
	void (*on_no_section)(void *ctx, int line);
	/* value NULL: there, but refused. */
	void (*on_key)(void *ctx, const char *key, const char *value, int line);
	/* A line that continues the last key; blanks: empty lines before it. */
	void (*on_more)(void *ctx, const char *text, size_t blanks, int line);
	/* in_key: the last key's value is not whole. */
	void (*on_error)(void *ctx, int line, bool in_key, const char *text);
};

void read_ini(struct str text, const struct read_sink *sink, void *ctx);

#endif
