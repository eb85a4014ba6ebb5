/* Diff: what its files share. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_DIFF_INSIDE_H
#define ROUSE_CLI_DIFF_INSIDE_H

#include "cli/diff.h"
#include "cli/fields.h"

/* --- diff_value.c --- */

/* Of '+', '-' and '~'. */
enum print_style diff_style(char sign);
/* text on as many lines as it needs, each behind lead; the rest of a very long one is counted. */
void diff_put_wrapped(struct print *print, const char *lead, enum print_style style,
		      struct str text);
/* A unified diff, each line in its colour. */
void diff_put_patch(struct print *print, const char *patch);
/* A field before and after: on one line where it fits, by lines where it is a text of lines. */
void diff_put_field(struct print *print, const struct field *field);
/* As JSON, safe for a terminal. */
void diff_value_text(const json_t *value, struct buf *out);

#endif
