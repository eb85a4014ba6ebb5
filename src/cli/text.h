/* Text for people: strangers' bytes made harmless, and how many columns they take. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_TEXT_H
#define ROUSE_CLI_TEXT_H

#include "base/buf.h"

/* The code point at the front of s and its length; a byte that is no UTF-8 gives -1 and 1. */
int32_t text_decode(struct str s, size_t *ret_len);

/* Columns of a code point on a terminal: 0, 1 or 2. */
unsigned text_point_width(int32_t point);
/* Columns of well-formed text without control characters. */
unsigned text_width(struct str s);

/* s with every control character, bidi control, invisible or separating character and stray byte
 * as an escape (\n \t \r \u001b \u202e), so that it can neither move the cursor nor
 * reorder what stands beside it. Inside a JSON string the result means the same. */
void text_escape(struct buf *out, struct str s);
/* The same, but line feeds stay. */
void text_escape_lines(struct buf *out, struct str s);

/* At most columns of s; an ellipsis stands for what was cut. */
void text_cut(struct buf *out, struct str s, unsigned columns);

/* Valid JSON without the white space between its tokens: one line. */
void text_json_compact(struct buf *out, struct str json);
/* Calls each with every element of a valid JSON array, as a slice of it; false: each said no. */
bool text_json_elements(struct str array, bool (*each)(void *arg, struct str element), void *arg);

#endif
