/* Differences of JSON values, for people and as merge patches (RFC 7396). */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_JSONDIFF_H
#define ROUSE_PURE_JSONDIFF_H

#include "base/json.h"

enum jsondiff_op { JSONDIFF_ADD, JSONDIFF_REMOVE, JSONDIFF_REPLACE, JSONDIFF_OPS };

struct jsondiff_item {
	enum jsondiff_op op;
	char *pointer; /* RFC 6901; of an array's element: in before, when added in after */
	char *path; /* for people: a.b[2], and by their keys elements that have them, a[id=x].b */
	json_t *before, *after; /* NULL where there is none; owned */
};

struct jsondiff {
	struct jsondiff_item *items;
	size_t count;
};

/* What leads from before to after, NULL standing for nothing there. Members in before's order, new
 * ones last. Lists whose elements are objects, each with an id (key, name, uuid, code, slug) of its
 * own, are compared by that; others element by element between equal beginnings and ends. Both must
 * have passed json_read (which bounds their depth). Never NULL. */
struct jsondiff *jsondiff_new(const json_t *before, const json_t *after);
void jsondiff_free(struct jsondiff *diff);
void jsondiff_auto_free(struct jsondiff **diff); /* AUTO(jsondiff_auto_free) */

const char *jsondiff_op_name(enum jsondiff_op op); /* add remove replace */

/* One line an item, `~ name: "a" → "b"`, `+ name: 1`, `- name: 1`, cut to width columns; what does
 * not fit on one line stands on two, around the first difference; texts of several lines as their
 * line difference. Nothing in the values can steer a terminal. */
void jsondiff_print(const struct jsondiff *diff, unsigned width, struct buf *out);

/* RFC 7396. A new reference; target (NULL: nothing there) is left as it is. */
json_t *jsondiff_merge_apply(const json_t *target, const json_t *patch);
/* The patch that makes after of before, a new reference. False when none can: after has a null
 * member that is new, which a merge patch takes for "remove". */
bool jsondiff_merge_create(const json_t *before, const json_t *after, json_t **ret);

#endif
