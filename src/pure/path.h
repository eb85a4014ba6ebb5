/* Plain jq programs answered without jq: paths, comparisons with constants, texts with paths. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_PATH_H
#define ROUSE_PURE_PATH_H

#include "base/buf.h"
#include "base/err.h"

/* A program of one of these shapes, with jq's meaning:
 *   PATH                      .  .a.b  .a[0]["x"]."x y"
 *   TERM and|or TERM ...      TERM: PATH, PATH == CONST, PATH != CONST; CONST: a JSON scalar
 *   "text \(PATH) text"       a value that is no string stands as compact JSON
 * Evaluated over the raw text, so that numbers keep all their digits. */
struct path;

/* False when the program is anything else: then jq itself has to say what it means. */
bool path_compile(struct str program, struct path **ret);
void path_free(struct path *path);
void path_auto_free(struct path **path); /* AUTO(path_auto_free) struct path *p = NULL */

/* Each takes JSON text that has passed json_read, appends to ret, and fails with E_MAPPING and
 * jq's own words (Cannot index number with string "a"); ret is then as it was. */

/* The result as JSON; a value found in the text is copied as it is written there. */
bool path_eval(const struct path *path, struct str json, struct buf *ret, struct err *err);
/* The same for keys: a string without quotes and escapes, all else as compact JSON. */
bool path_eval_text(const struct path *path, struct str json, struct buf *ret, struct err *err);
/* Whether the result is neither false nor null. */
bool path_test(const struct path *path, struct str json, bool *ret, struct err *err);

#endif
