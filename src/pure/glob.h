/* Globs: patterns over paths and names with slashes in them (files, refs). */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_GLOB_H
#define ROUSE_PURE_GLOB_H

#include "base/err.h"
#include "base/str.h"

/* The grammar, over bytes that need not be UTF-8 (a character is one well-formed UTF-8 character,
 * or else one byte):
 *   *       any characters but '/', none too
 *   **      as a whole segment: any segments, none too ("a/ ** /b" without the blanks matches a/b);
 *           at the end at least one; elsewhere the same as *
 *   ?       one character but '/'
 *   [a-z]   one of these, [!a-z] or [^a-z] one of the others, never '/'; a ']' may come first
 *   \c      the character c itself
 * A leading '.' is nothing special. Time is polynomial in both lengths. */

/* E_INVALID, with a sentence: empty, a '[' that is not closed, a '\' at the end. */
bool glob_check(struct str pattern, struct err *err);
/* Does the whole of path match? A pattern that glob_check() refuses matches nothing it should not,
 * and does no harm. */
bool glob_match(struct str pattern, struct str path);
/* As .gitignore has it: a pattern without '/' (one at the end aside) is held against the last
 * segment of path, another against the whole of it; a '/' at the front only anchors. */
bool glob_match_path(struct str pattern, struct str path);

#endif
