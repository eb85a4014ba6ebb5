/* Differences of texts, line by line, in the unified form that everybody reads. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_TEXTDIFF_H
#define ROUSE_PURE_TEXTDIFF_H

#include "base/buf.h"

/* Appends hunks (@@ -1,3 +1,4 @@, then lines with ' ', '-' or '+' before them) that lead from
 * before to after, with context equal lines around; each line of output begins with indent. Returns
 * whether the texts differ. The shortest list of changes, unless they are so many (more than a few
 * hundred lines) that what lies between equal beginnings and ends is shown as replaced whole: time
 * and memory stay bounded. Control characters are shown as \xNN, so that no text can steer a
 * terminal. */
bool textdiff_print(struct str before, struct str after, unsigned context, const char *indent,
		    struct buf *out);

/* Appends UTF-8 text for a terminal: controls (C0 but tab, C1, DEL), marks that turn the reading
 * direction, and bytes that are no UTF-8 as \xNN or \uNNNN. */
void textdiff_add_safe(struct buf *out, struct str text);

#endif
