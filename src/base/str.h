/* Slices of bytes that belong to someone else. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_BASE_STR_H
#define ROUSE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t len;
};

#define STR(lit) ((struct str){("" lit), sizeof(lit) - 1})
#define STR_NONE ((struct str){NULL, 0})
#define STR_ARG(s) (int)(s).len, (s).p /* for "%.*s" */

static inline struct str
str_of(const char *s)
{
	return (struct str){s, s ? strlen(s) : 0};
}

static inline struct str
str_make(const void *p, size_t len)
{
	return (struct str){p, len};
}

bool str_eq(struct str a, struct str b);
bool str_eq_cstr(struct str a, const char *b);
bool str_eq_nocase(struct str a, struct str b); /* ASCII */
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s); /* SP HTAB CR LF at both ends */
/* Cuts at the first sep: *ret_head is what stands before; returns the rest (p NULL at the end). */
struct str str_split(struct str s, char sep, struct str *ret_head);
char *str_dup(struct str s); /* owned, NUL-terminated */

/* The place of name (NULL: none) among names; -1: it is not there. */
int str_place(const char *const *names, size_t count, const char *name);

/* Whole slice a decimal number, digits only, no sign; false on anything else or overflow. */
bool str_to_u64(struct str s, uint64_t *ret);
bool str_to_i64(struct str s, int64_t *ret); /* one leading '-' allowed */

bool str_is_utf8(struct str s); /* well-formed, no surrogates, no overlong form */
/* Bytes (1 to 4) of the well-formed character at the front, its code point in *ret_code (which may
 * be NULL); 0 when there is none. */
size_t str_utf8_next(struct str s, uint32_t *ret_code);

/* Edit distance for suggestions, capped at 4. */
unsigned str_distance(const char *a, const char *b);

/* Of one hexadecimal digit, either case; -1: it is none. */
int hex_value(char c);

#endif
