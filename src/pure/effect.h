/* Effects: what a change does to each field, read from the JSON text itself, fast enough for
 * hundreds of thousands in a row. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_EFFECT_H
#define ROUSE_PURE_EFFECT_H

#include "base/buf.h"

#define EFFECT_FIELDS 64   /* told apart of one change; the rest counts as one more, "…" */
#define EFFECT_MEMBERS 128 /* of one object; a larger one is one field */

struct effect_field {
	size_t path, path_len;	  /* in effect.paths: a.b, "" for a value that is no object */
	char kind;		  /* '+' '-' '~' */
	struct str before, after; /* raw JSON, slices of the change's texts; p NULL: none */
};

struct effect {
	struct effect_field fields[EFFECT_FIELDS];
	size_t count;
	struct buf paths; /* kept from one effect_read() to the next */
};
#define EFFECT_INIT                                                                                \
	{                                                                                          \
		.count = 0                                                                         \
	}
void effect_fini(struct effect *effect);

struct effect_of {
	const char *target, *op;
	const char *before, *after, *patch; /* JSON texts that have passed json_read; NULL: none */
};

/* Fields in the order of their paths. Lists are compared as wholes; of a deletion no field is
 * named, of a creation or a call all. A patch that is an object is read as a merge patch (RFC
 * 7396), any other is one field, "patch". Slices live as long as the texts of `of`. */
void effect_read(struct effect *effect, const struct effect_of *of);

/* Changes with equal keys are alike: same target, same op, same fields. */
void effect_key(const struct effect *effect, const struct effect_of *of, struct buf *out);
/* The name of a key: 32 hex digits of its SHA-256. */
void effect_key_name(struct str key, char ret[33]);

static inline struct str
effect_path(const struct effect *effect, const struct effect_field *field)
{
	return str_make(buf_cstr(&effect->paths) + field->path, field->path_len);
}

#endif
