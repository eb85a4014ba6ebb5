/* JSON: jansson with our limits, and paths over raw text that keep every number exact. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

/* Trees that are built here wrap what was read, so they may be deeper than JSON_DEPTH_MAX; deeper
 * than this they hold themselves. */
enum { JSON_WRITE_DEPTH_MAX = 1024 };

static const struct {
	enum json_error_code code;
	const char *expected;
} json_expectations[] = {
	{json_error_premature_end_of_input,
	 "expected the text to go on; it may have been cut short"},
	{json_error_end_of_input_expected, "expected one JSON value and nothing behind it"},
	{json_error_invalid_utf8, "expected well-formed UTF-8"},
	{json_error_duplicate_key, "expected every name of an object once"},
	{json_error_null_byte_in_key, "expected names without \\u0000"},
	{json_error_numeric_overflow, "expected numbers of a magnitude below 1.8e308"},
};

/* --- before the parser: depth, and integers that only a real can hold --- */

/* The byte behind the string that begins at i; the text's length when it has no end. */
static size_t
skip_string(struct str text, size_t i)
{
	for (i++; i < text.len; i++) {
		if (text.p[i] == '\\')
			i++;
		else if (text.p[i] == '"')
			return i + 1;
	}
	return text.len;
}

/* Where the text becomes too deep; its length when it does not. Closing brackets of the wrong kind
 * are the parser's to refuse. */
static size_t
find_too_deep(struct str text)
{
	size_t depth = 0, i = 0;
	while (i < text.len) {
		char c = text.p[i];
		if (c == '"') {
			i = skip_string(text, i);
			continue;
		}
		if (c == '{' || c == '[') {
			if (++depth > JSON_DEPTH_MAX)
				return i;
		} else if ((c == '}' || c == ']') && depth) {
			depth--;
		}
		i++;
	}
	return text.len;
}

static bool
is_number_char(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* The end of the first integer at or behind *at that int64 cannot hold; 0 when there is none. */
static size_t
next_big_integer(struct str text, size_t at)
{
	while (at < text.len) {
		char c = text.p[at];
		if (c == '"') {
			at = skip_string(text, at);
			continue;
		}
		if (c != '-' && (c < '0' || c > '9')) {
			at++;
			continue;
		}
		size_t start = at;
		bool integer = true;
		for (at++; at < text.len && is_number_char(text.p[at]); at++)
			integer &= text.p[at] >= '0' && text.p[at] <= '9';
		int64_t n;
		if (integer && at - start >= 19 &&
		    !str_to_i64(str_make(text.p + start, at - start), &n))
			return at;
	}
	return 0;
}

/* The same text with "e0" behind every integer beyond int64: jansson then reads exactly those as
 * reals, and leaves all others what they are. */
static bool
mark_big_integers(struct str text, struct buf *out, struct err *err)
{
	size_t done = 0, count = 0;
	for (size_t end = 0; (end = next_big_integer(text, end));)
		count++;
	if (!buf_try_reserve(out, text.len + 2 * count))
		return err_set(err, E_FULL, "no memory for %zu bytes of JSON; try again later",
			       text.len);
	for (size_t end = 0; (end = next_big_integer(text, end)); done = end) {
		buf_add(out, text.p + done, end - done);
		buf_puts(out, "e0");
	}
	buf_add(out, text.p + done, text.len - done);
	return true;
}

/* The place in text of a place in its marked copy. */
static size_t
unmark_position(struct str text, size_t position)
{
	size_t marks = 0;
	for (size_t end = 0; (end = next_big_integer(text, end)) && end + 2 * marks < position;)
		marks++;
	return position - 2 * marks;
}

/* --- reading --- */

static bool
json_refuse(struct str text, size_t position, const char *what, const char *expected,
	    struct err *err)
{
	size_t line = 1, column = 1;
	for (size_t i = 0; i < position && i < text.len; i++) {
		if (text.p[i] == '\n') {
			line++;
			column = 0;
		}
		/* Bytes inside a character are not columns of their own. */
		column += ((unsigned char)text.p[i] & 0xc0) != 0x80;
	}
	return err_set(err, E_INVALID, "not JSON: line %zu, column %zu: %s; %s", line, column, what,
		       expected);
}

/* The parser repeats what it stumbled over: no terminal shall obey that. */
static void
add_printable(struct buf *out, struct str s)
{
	while (s.len) {
		uint32_t code;
		size_t n = str_utf8_next(s, &code);
		if (!n || code < 0x20 || (code >= 0x7f && code < 0xa0))
			buf_putc(out, '?');
		else
			buf_add(out, s.p, n);
		n += !n;
		s = str_make(s.p + n, s.len - n);
	}
}

/* position: behind what the parser read last. */
static bool
json_explain(struct str text, size_t position, const json_error_t *error, struct err *err)
{
	enum json_error_code code = json_error_code(error);
	const char *expected = "expected JSON as of RFC 8259";
	if (code == json_error_out_of_memory)
		return err_set(err, E_FULL, "no memory for %zu bytes of JSON; try again later",
			       text.len);
	for (size_t i = 0; i < ARRAY_LEN(json_expectations); i++)
		if (json_expectations[i].code == code)
			expected = json_expectations[i].expected;
	if (position && code != json_error_premature_end_of_input)
		position--;
	AUTO(buf_fini) struct buf what = BUF_INIT;
	add_printable(&what, str_of(error->text));
	return json_refuse(text, position, buf_cstr(&what), expected, err);
}

bool
json_read(struct str text, json_t **ret, struct err *err)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY;
	json_error_t error;
	if (!str_trim(text).len)
		return err_set(err, E_INVALID,
			       "not JSON: there is nothing; expected one JSON value");
	/* jansson takes a NUL between values for the end, and what stands behind for nothing. */
	const char *nul = memchr(text.p, '\0', text.len);
	if (nul)
		return json_refuse(text, (size_t)(nul - text.p), "a NUL byte", "expected text",
				   err);
	size_t deep = find_too_deep(text);
	if (deep < text.len) {
		AUTO(buf_fini) struct buf what = BUF_INIT;
		buf_printf(&what, "nested more than %d deep", JSON_DEPTH_MAX);
		return json_refuse(text, deep, buf_cstr(&what), "expected a flatter text", err);
	}
	json_t *value = json_loadb(text.p, text.len, flags, &error);
	if (!value && json_error_code(&error) == json_error_numeric_overflow &&
	    next_big_integer(text, 0)) {
		AUTO(buf_fini) struct buf marked = BUF_INIT;
		if (!mark_big_integers(text, &marked, err))
			return false;
		value = json_loadb(marked.data, marked.len, flags, &error);
		if (!value)
			return json_explain(text, unmark_position(text, (size_t)error.position),
					    &error, err);
	}
	if (!value)
		return json_explain(text, (size_t)error.position, &error, err);
	*ret = value;
	return true;
}

bool
json_check(struct str text, struct err *err)
{
	AUTO(json_auto_decref) json_t *value = NULL;
	/* The parser finds the words for what is wrong. */
	return json_scan(text) || json_read(text, &value, err);
}

/* --- writing --- */

struct json_style {
	bool sorted, pretty;
};

static void write_value(struct buf *out, const json_t *value, struct json_style style, int depth);

/* The shortest text that reads back as the same double. What the locale puts for the point is
 * made a point again. */
static void
write_real(struct buf *out, double x)
{
	char text[40];
	bool point = false;
	if (!isfinite(x)) {
		buf_puts(out, "null");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, x);
		if (strtod(text, NULL) == x)
			break;
	}
	for (const char *p = text; *p; p++) {
		if (strchr("0123456789+-e", *p)) {
			buf_putc(out, *p);
			point |= *p == 'e';
		} else if (!point) {
			buf_putc(out, '.');
			point = true;
		}
	}
	if (!point)
		buf_puts(out, ".0");
}

static void
write_indent(struct buf *out, struct json_style style, int depth)
{
	if (!style.pretty)
		return;
	buf_putc(out, '\n');
	for (int i = 0; i < depth; i++)
		buf_puts(out, "  ");
}

static void
write_array(struct buf *out, const json_t *array, struct json_style style, int depth)
{
	size_t count = json_array_size(array);
	buf_putc(out, '[');
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_putc(out, ',');
		write_indent(out, style, depth + 1);
		write_value(out, json_array_get(array, i), style, depth + 1);
	}
	if (count)
		write_indent(out, style, depth);
	buf_putc(out, ']');
}

struct json_member {
	struct str name;
	const json_t *value;
};

static int
member_compare(const void *a, const void *b)
{
	const struct json_member *x = a, *y = b;
	size_t least = x->name.len < y->name.len ? x->name.len : y->name.len;
	int order = memcmp(x->name.p, y->name.p, least);
	return order ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

static void
write_object(struct buf *out, const json_t *obj, struct json_style style, int depth)
{
	size_t count = json_object_size(obj), n = 0;
	AUTO(auto_free) struct json_member *members = mem_alloc_array(count, sizeof(*members));
	/* jansson's iterators lack the const; nothing is changed through them. */
	json_t *object = (json_t *)(uintptr_t)obj;
	for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
		assert(n < count);
		members[n].name = str_make(json_object_iter_key(it), json_object_iter_key_len(it));
		members[n++].value = json_object_iter_value(it);
	}
	if (style.sorted)
		qsort(members, n, sizeof(*members), member_compare);
	buf_putc(out, '{');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_putc(out, ',');
		write_indent(out, style, depth + 1);
		buf_json_str(out, members[i].name);
		buf_puts(out, style.pretty ? ": " : ":");
		write_value(out, members[i].value, style, depth + 1);
	}
	if (n)
		write_indent(out, style, depth);
	buf_putc(out, '}');
}

static void
write_value(struct buf *out, const json_t *value, struct json_style style, int depth)
{
	assert(depth < JSON_WRITE_DEPTH_MAX);
	if (!value) {
		buf_puts(out, "null");
		return;
	}
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		write_object(out, value, style, depth);
		break;
	case JSON_ARRAY:
		write_array(out, value, style, depth);
		break;
	case JSON_STRING:
		buf_json_str(out, str_make(json_string_value(value), json_string_length(value)));
		break;
	case JSON_INTEGER:
		buf_printf(out, "%lld", (long long)json_integer_value(value));
		break;
	case JSON_REAL:
		write_real(out, json_real_value(value));
		break;
	case JSON_TRUE:
		buf_puts(out, "true");
		break;
	case JSON_FALSE:
		buf_puts(out, "false");
		break;
	case JSON_NULL:
		buf_puts(out, "null");
		break;
	}
}

void
json_write(struct buf *out, const json_t *value)
{
	write_value(out, value, (struct json_style){false, false}, 0);
}

void
json_write_sorted(struct buf *out, const json_t *value)
{
	write_value(out, value, (struct json_style){true, false}, 0);
}

void
json_write_pretty(struct buf *out, const json_t *value)
{
	write_value(out, value, (struct json_style){false, true}, 0);
}

/* --- members --- */

const char *
json_str(const json_t *obj, const char *key)
{
	return json_string_value(json_object_get(obj, key));
}

/* JSON knows one kind of number: 5.0, as many programs write it, is the integer 5. */
int64_t
json_int(const json_t *obj, const char *key, int64_t def)
{
	const json_t *v = json_object_get(obj, key);
	if (json_is_integer(v))
		return json_integer_value(v);
	if (!json_is_real(v))
		return def;
	const double exact = 9007199254740992.0; /* 2^53 */
	double x = json_real_value(v);
	bool integer = x >= -exact && x <= exact && (double)(int64_t)x == x;
	return integer ? (int64_t)x : def;
}

double
json_num(const json_t *obj, const char *key, double def)
{
	const json_t *v = json_object_get(obj, key);
	return json_is_number(v) ? json_number_value(v) : def;
}

bool
json_bool(const json_t *obj, const char *key, bool def)
{
	const json_t *v = json_object_get(obj, key);
	return json_is_boolean(v) ? json_is_true(v) : def;
}

/* Values may come from anywhere, and jansson takes only UTF-8: the rest becomes U+FFFD. */
static json_t *
json_text(struct str s)
{
	if (str_is_utf8(s))
		return json_stringn_nocheck(s.p, s.len);
	AUTO(buf_fini) struct buf b = BUF_INIT;
	for (size_t i = 0; i < s.len;) {
		size_t n = str_utf8_next(str_make(s.p + i, s.len - i), NULL);
		if (n)
			buf_add(&b, s.p + i, n);
		else
			buf_puts(&b, "\xef\xbf\xbd");
		i += n ? n : 1;
	}
	return json_stringn_nocheck(b.data, b.len);
}

char *
json_member_text(const json_t *obj, const char *key)
{
	const json_t *value = json_object_get(obj, key);
	struct buf text = BUF_INIT;

	if (!value)
		return NULL;
	json_write(&text, value);
	return buf_take(&text);
}

void
json_put_str(json_t *obj, const char *key, const char *value)
{
	if (value && json_object_set_new(obj, key, json_text(str_of(value))))
		abort();
}

void
json_put_wall(json_t *obj, const char *key, int64_t wall_ms)
{
	struct wall w = {wall_ms};
	if (!wall_is_set(w)) {
		if (json_object_set_new(obj, key, json_null()))
			abort();
		return;
	}
	AUTO(buf_fini) struct buf b = BUF_INIT;
	wall_format(w, &b);
	json_put_str(obj, key, buf_cstr(&b));
}

void
json_auto_decref(json_t **value)
{
	json_decref(*value);
	*value = NULL;
}
