/* Unified diffs, applied: every line of a hunk must be as it says. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_TEXTPATCH_H
#define ROUSE_PURE_TEXTPATCH_H

#include "base/buf.h"
#include "base/err.h"

/* Is it a unified diff of one file? Lines before the first hunk (---, +++, git's own) are not
 * looked at. E_INVALID names the line that is wrong. */
bool textpatch_check(struct str patch, struct err *err);
/* Appends to out what the patch makes of text. A hunk whose place has moved is found where it fits,
 * if that is one place; nothing is left out or guessed. E_DRIFT: a hunk fits nowhere, or in several
 * places; then out is as it was. */
bool textpatch_apply(struct str text, struct str patch, struct buf *out, struct err *err);

#endif
