/* Plain jq programs: what compiling leaves for evaluating. For pure/path*.c. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_PATH_IMPL_H
#define ROUSE_PURE_PATH_IMPL_H

#include "base/json.h"
#include "pure/path.h"

#define TERMS_MAX 64

enum compare { COMPARE_NONE, COMPARE_EQ, COMPARE_NE };

/* A path, what it is compared with, and what stands before it: "and", "or", or text. */
struct term {
	struct json_step *steps; /* names are owned */
	size_t count;
	enum compare compare;
	char *constant; /* raw JSON */
	bool after_or;
	char *literal; /* of a text: what stands before the path */
	size_t literal_len;
	bool literal_only;
};

struct path {
	bool is_text;
	struct term *terms;
	size_t count;
};

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

#endif
