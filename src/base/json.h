/* JSON: jansson with our limits, and paths over raw text that keep every number exact. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_BASE_JSON_H
#define ROUSE_BASE_JSON_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

#define JSON_DEPTH_MAX 64

/* Parses one whole JSON text: no duplicate keys, well-formed UTF-8, at most JSON_DEPTH_MAX deep.
 * Integers beyond int64 are kept as reals in the tree (the raw text stays the truth).
 * E_INVALID with line and column. *ret is a new reference. */
bool json_read(struct str text, json_t **ret, struct err *err);
/* The same checks without keeping the tree; of most texts without building one. */
bool json_check(struct str text, struct err *err);
/* True: json_read takes this text. False: it may not; escaped names, numbers that may be too large
 * and objects of hundreds of names are left to it. Needs no memory. */
bool json_scan(struct str text);

/* Compact, in the order of insertion; sorted: keys in order, for digests. */
void json_write(struct buf *out, const json_t *value);
void json_write_sorted(struct buf *out, const json_t *value);
void json_write_pretty(struct buf *out, const json_t *value);

/* Members; NULL/def when absent or of another type. Borrowed. */
const char *json_str(const json_t *obj, const char *key);
int64_t json_int(const json_t *obj, const char *key, int64_t def);
double json_num(const json_t *obj, const char *key, double def);
bool json_bool(const json_t *obj, const char *key, bool def);
/* A member of any type as compact JSON, owned; NULL when absent. */
char *json_member_text(const json_t *obj, const char *key);
/* obj[key] = string, left out when value is NULL. */
void json_put_str(json_t *obj, const char *key, const char *value);
void json_put_wall(json_t *obj, const char *key, int64_t wall_ms); /* null when INT64_MIN */

/* Walks valid JSON text to a member: path is names and indexes, "a\0" "0\0" ... as raw slices.
 * Yields the raw slice of the value; false when there is none. Text must have passed json_read. */
struct json_step {
	struct str name; /* p NULL: index */
	size_t index;
};
bool json_raw_find(struct str text, const struct json_step *steps, size_t count, struct str *ret);
/* Walks the members of a valid JSON object's text, in its order. Name: raw, without its quotes. */
struct json_member_walk {
	struct str rest;
};
void json_members(struct str object, struct json_member_walk *ret);
bool json_member_next(struct json_member_walk *walk, struct str *ret_name, struct str *ret_value);
/* Likewise the elements of a valid JSON array's text. */
void json_elements(struct str array, struct json_member_walk *ret);
bool json_element_next(struct json_member_walk *walk, struct str *ret_value);
/* A raw string slice ("..." with quotes) unescaped; false when it is not a string. */
bool json_raw_string(struct str raw, struct buf *out);

/* The first byte or escape of a string's inside (s not empty): bytes used, 0 when it is not JSON,
 * and the bytes that it stands for. A byte of UTF-8 stands for itself, unchecked. */
size_t json_unescape_next(struct str s, char out[4], size_t *ret_len);

void json_auto_decref(json_t **value); /* AUTO(json_auto_decref) json_t *v = NULL */

#endif
