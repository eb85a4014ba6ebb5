/* Differences of two lines, word by word: which words of each are not in the other. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_WORDDIFF_H
#define ROUSE_PURE_WORDDIFF_H

#include "base/buf.h"

#define WORDDIFF_WORDS 1000 /* of one line; a longer one has its middle as one */

/* Appends each line as it is, with `open` before and `close` behind every stretch of it that the
 * other does not have: runs of letters and digits are words, a blank or a mark is one by itself,
 * and what stands between two changed words is changed with them where it is only blanks. Equal
 * stretches of more than `elide` bytes keep some of both their ends, around "…"; 0: all of them.
 * False, with nothing appended, where the two have so little in common that marking it would say
 * nothing. Time and memory are bounded. */
bool worddiff_mark(struct str before, struct str after, const char *open, const char *close,
		   size_t elide, struct buf *ret_before, struct buf *ret_after);

#endif
