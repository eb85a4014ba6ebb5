/* rouse-jq: what must be done to JSON text before jq may see it. */
/* SPDX-License-Identifier: MIT */
#include "io/jail_wire.h"
#include "jq_parts.h"

static const char exact_max[] =
	"9007199254740992"; /* 2^53: doubles hold every integer up to here */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits only, no leading zero. */
static bool
beyond_doubles(struct str digits)
{
	size_t len = sizeof(exact_max) - 1;
	return digits.len > len || (digits.len == len && memcmp(digits.p, exact_max, len) > 0);
}

/* The end of the string that begins at p. */
static const char *
string_end(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\' && p + 1 < end)
			p++;
	return p < end ? p + 1 : end;
}

/* The end of the number that begins at p; *ret_whole: it has neither fraction nor exponent. */
static const char *
number_end(const char *p, const char *end, bool *ret_whole)
{
	*ret_whole = true;
	for (; p < end && (is_digit(*p) || strchr("+-.eE", *p)); p++)
		*ret_whole &= *p != '.' && *p != 'e' && *p != 'E';
	return p;
}

static void
number_copy(const char *p, const char *end, bool whole, struct buf *out)
{
	struct str number = str_make(p, (size_t)(end - p));
	size_t sign = *p == '-';
	bool quote = whole && beyond_doubles(str_make(p + sign, number.len - sign));
	if (quote)
		buf_putc(out, '"');
	buf_add_str(out, number);
	if (quote)
		buf_putc(out, '"');
}

bool
input_guard(struct str text, struct buf *out, struct err *err)
{
	const char *p = text.p, *end = text.p + text.len, *plain = p;
	unsigned depth = 0;
	bool whole;
	if (!buf_try_reserve(out, text.len + text.len / 8))
		return err_set(err, E_FULL, "no memory for an input of %zu bytes", text.len);
	while (p < end) {
		if (*p == '"') {
			p = string_end(p, end);
		} else if (is_digit(*p) || *p == '-') {
			buf_add(out, plain, (size_t)(p - plain));
			plain = number_end(p, end, &whole);
			number_copy(p, plain, whole, out);
			p = plain;
		} else {
			depth += *p == '[' || *p == '{';
			depth -= (*p == ']' || *p == '}') && depth;
			if (depth > JAIL_DEPTH_MAX)
				return err_set(err, E_MAPPING,
					       "the input is nested more than %d deep",
					       JAIL_DEPTH_MAX);
			p++;
		}
	}
	buf_add(out, plain, (size_t)(end - plain));
	return true;
}
