/* JSON as it was written: members found in the text itself, so that every number stays exact. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include "base/digest.h"

static struct str
skip_space(struct str s)
{
	while (s.len && (*s.p == ' ' || *s.p == '\t' || *s.p == '\n' || *s.p == '\r'))
		s = str_make(s.p + 1, s.len - 1);
	return s;
}

static struct str
skip_bytes(struct str s, size_t n)
{
	return n < s.len ? str_make(s.p + n, s.len - n) : str_make(s.p + s.len, 0);
}

/* Bytes of the string with its quotes at the front of s. */
static size_t
string_len(struct str s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return s.len;
}

/* Bytes of the value at the front of s. The text is known to be valid: brackets need only be
 * counted. Of a text that is not, it yields some slice within it. */
static size_t
value_len(struct str s)
{
	size_t depth = 0, i = 0;
	while (i < s.len) {
		char c = s.p[i];
		if (c == '"') {
			i += string_len(str_make(s.p + i, s.len - i));
		} else if (c == '{' || c == '[') {
			depth++;
			i++;
			continue;
		} else if (c == '}' || c == ']') {
			if (!depth)
				return i;
			depth--;
			i++;
		} else if (!depth) {
			while (i < s.len && !strchr(",]} \t\r\n", s.p[i]))
				i++;
		} else {
			i++;
			continue;
		}
		if (!depth)
			return i;
	}
	return i;
}

static bool
read_hex4(struct str s, uint32_t *ret)
{
	uint32_t value = 0;
	if (s.len < 4)
		return false;
	for (size_t i = 0; i < 4; i++) {
		int digit = hex_value(s.p[i]);
		if (digit < 0)
			return false;
		value = value << 4 | (uint32_t)digit;
	}
	*ret = value;
	return true;
}

static size_t
utf8_write(uint32_t code, char out[4])
{
	static const unsigned char heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = len; i-- > 1; code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)(heads[len] | code);
	return len;
}

/* A \u escape, s behind the 'u'. Bytes used, 0 when it is none. */
static size_t
unescape_code(struct str s, uint32_t *ret)
{
	uint32_t code, low;
	if (!read_hex4(s, &code) || (code >= 0xdc00 && code <= 0xdfff))
		return 0;
	if (code < 0xd800 || code > 0xdbff) {
		*ret = code;
		return 4;
	}
	if (s.len < 10 || s.p[4] != '\\' || s.p[5] != 'u' ||
	    !read_hex4(str_make(s.p + 6, s.len - 6), &low) || low < 0xdc00 || low > 0xdfff)
		return 0;
	*ret = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	return 10;
}

size_t
json_unescape_next(struct str s, char out[4], size_t *ret_len)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (*s.p != '\\') {
		out[0] = *s.p;
		*ret_len = 1;
		return *s.p != '"' && (unsigned char)*s.p >= 0x20;
	}
	if (s.len < 2)
		return 0;
	if (s.p[1] == 'u') {
		uint32_t code;
		size_t used = unescape_code(str_make(s.p + 2, s.len - 2), &code);
		if (!used)
			return 0;
		*ret_len = utf8_write(code, out);
		return used + 2;
	}
	const char *at = memchr(from, s.p[1], sizeof(from) - 1);
	if (!at)
		return 0;
	out[0] = to[at - from];
	*ret_len = 1;
	return 2;
}

/* raw: a string with its quotes. */
static bool
name_is(struct str raw, struct str name)
{
	struct str in = str_make(raw.p + 1, raw.len - 2);
	if (!memchr(in.p, '\\', in.len))
		return str_eq(in, name);
	while (in.len) {
		char text[4];
		size_t len, used = json_unescape_next(in, text, &len);
		if (!used || name.len < len || memcmp(name.p, text, len) != 0)
			return false;
		in = skip_bytes(in, used);
		name = skip_bytes(name, len);
	}
	return !name.len;
}

/* s stands on '{' or '['. Yields the rest of the text from the member's value on. */
static bool
find_member(struct str s, const struct json_step *step, struct str *ret)
{
	bool object = *s.p == '{';
	if (object != (step->name.p != NULL))
		return false;
	s = skip_space(skip_bytes(s, 1));
	for (size_t i = 0; s.len && *s.p != '}' && *s.p != ']'; i++) {
		bool found = i == step->index;
		if (object) {
			size_t n = *s.p == '"' ? string_len(s) : 0;
			if (n < 2)
				return false;
			found = name_is(str_make(s.p, n), step->name);
			/* The colon. */
			s = skip_space(skip_bytes(skip_space(skip_bytes(s, n)), 1));
		}
		if (found) {
			*ret = s;
			return s.len > 0;
		}
		size_t used = value_len(s);
		s = skip_space(skip_bytes(s, used));
		if (!s.len || *s.p != ',')
			return false;
		s = skip_space(skip_bytes(s, 1));
	}
	return false;
}

bool
json_raw_find(struct str text, const struct json_step *steps, size_t count, struct str *ret)
{
	struct str s = skip_space(text);
	for (size_t i = 0; i < count; i++)
		if (!s.len || (*s.p != '{' && *s.p != '[') || !find_member(s, &steps[i], &s))
			return false;
	size_t len = value_len(s);
	if (!len)
		return false;
	*ret = str_make(s.p, len);
	return true;
}

void
json_members(struct str object, struct json_member_walk *ret)
{
	object = skip_space(object);
	ret->rest = object.len && *object.p == '{' ? skip_space(skip_bytes(object, 1)) : STR_NONE;
}

bool
json_member_next(struct json_member_walk *walk, struct str *ret_name, struct str *ret_value)
{
	struct str s = walk->rest;
	size_t n = s.len && *s.p == '"' ? string_len(s) : 0, used;
	if (n < 2)
		return false;
	*ret_name = str_make(s.p + 1, n - 2);
	/* The colon. */
	s = skip_space(skip_bytes(skip_space(skip_bytes(s, n)), 1));
	used = value_len(s);
	if (!used)
		return false;
	*ret_value = str_make(s.p, used);
	s = skip_space(skip_bytes(s, used));
	walk->rest = s.len && *s.p == ',' ? skip_space(skip_bytes(s, 1)) : STR_NONE;
	return true;
}

void
json_elements(struct str array, struct json_member_walk *ret)
{
	array = skip_space(array);
	ret->rest = array.len && *array.p == '[' ? skip_space(skip_bytes(array, 1)) : STR_NONE;
}

bool
json_element_next(struct json_member_walk *walk, struct str *ret_value)
{
	struct str s = walk->rest;
	size_t used = s.len && *s.p != ']' ? value_len(s) : 0;
	if (!used)
		return false;
	*ret_value = str_make(s.p, used);
	s = skip_space(skip_bytes(s, used));
	walk->rest = s.len && *s.p == ',' ? skip_space(skip_bytes(s, 1)) : STR_NONE;
	return true;
}

bool
json_raw_string(struct str raw, struct buf *out)
{
	size_t start = out->len;
	if (raw.len < 2 || raw.p[0] != '"' || string_len(raw) != raw.len ||
	    raw.p[raw.len - 1] != '"' || !buf_try_reserve(out, raw.len))
		return false;
	struct str in = str_make(raw.p + 1, raw.len - 2);
	while (in.len) {
		char text[4];
		size_t len, used = json_unescape_next(in, text, &len);
		if (!used) {
			buf_truncate(out, start);
			return false;
		}
		buf_add(out, text, len);
		in = skip_bytes(in, used);
	}
	return true;
}
