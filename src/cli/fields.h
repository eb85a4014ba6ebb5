/* Fields: what a change does to each of them. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_FIELDS_H
#define ROUSE_CLI_FIELDS_H

#include "pure/jsondiff.h"

struct field {
	char *path;	      /* "a.b[2]", "" for a value that is no object */
	char kind;	      /* '+' '-' '~' */
	const json_t *before; /* lives as long as the change and the fields; NULL for '+' */
	const json_t *after;  /* NULL for '-' */
};

struct fields {
	struct field *items;
	size_t count;
	json_t *made; /* what before and patch give, where there is no after */
	struct jsondiff *diff;
};
#define FIELDS_INIT                                                                                \
	{                                                                                          \
		NULL, 0, NULL, NULL                                                                \
	}
void fields_fini(struct fields *fields);

/* In the order of before, then what after has beside. An object's patch is a JSON merge patch;
 * a text patch gives no fields. ret is to be FIELDS_INIT. */
void fields_of(const json_t *change, struct fields *ret);

/* Paths and kinds: changes with equal texts have like fields. */
void fields_shape(const struct fields *fields, struct buf *out);
/* Paths, kinds and values: changes with equal texts do the same. */
void fields_text(const struct fields *fields, struct buf *out);

#endif
