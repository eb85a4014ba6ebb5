/* HTML: text of strangers on a page, as it is. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_HTML_H
#define ROUSE_PURE_HTML_H

#include "base/buf.h"

/* Appends s so that a browser shows its characters and takes none for markup, in an element or in a
 * quoted attribute. Characters that are not seen stand as <i>U+202E</i> (in an attribute, where
 * `plain`, as U+202E); line ends and tabs stay in elements. Bytes that are not UTF-8 become U+FFFD.
 */
void html_text(struct buf *out, struct str s, bool plain);

#endif
