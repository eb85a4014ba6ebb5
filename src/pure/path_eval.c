/* Plain jq programs without jq: what they say of a raw text, with every digit kept. */
/* SPDX-License-Identifier: MIT */
#include "pure/path.h"

#include <stdlib.h>

#include "pure/path_impl.h"

#define QUOTED_MAX 30	/* from here on jq leaves a name out of its error */
#define EXACT_DIGITS 15 /* of a decimal number that a double always holds */

static const char *
type_of(struct str raw)
{
	switch (raw.len ? raw.p[0] : 'n') {
	case '{':
		return "object";
	case '[':
		return "array";
	case '"':
		return "string";
	case 't':
	case 'f':
		return "boolean";
	case 'n':
		return "null";
	}
	return "number";
}

static bool
step_refused(struct str raw, const struct json_step *step, struct err *err)
{
	if (step->name.p && step->name.len < QUOTED_MAX)
		return err_set(err, E_MAPPING, "Cannot index %s with string \"%.*s\"", type_of(raw),
			       STR_ARG(step->name));
	if (step->name.p)
		return err_set(err, E_MAPPING, "Cannot index %s with string", type_of(raw));
	return err_set(err, E_MAPPING, "Cannot index %s with number", type_of(raw));
}

/* *ret is a slice of json, or the word null. */
static bool
term_find(const struct term *t, struct str json, struct str *ret, struct err *err)
{
	struct str raw = str_trim(json);

	for (size_t i = 0; i < t->count; i++) {
		const struct json_step *step = &t->steps[i];

		if (raw.p[0] == 'n')
			break; /* null has every member, and each is null */
		if (raw.p[0] != (step->name.p ? '{' : '['))
			return step_refused(raw, step, err);
		if (!json_raw_find(raw, step, 1, &raw)) {
			raw = STR("null");
			break;
		}
	}
	*ret = raw;
	return true;
}

static bool
is_integer(struct str raw)
{
	for (size_t i = 0; i < raw.len; i++)
		if (!is_digit(raw.p[i]) && raw.p[i] != '-')
			return false;
	return true;
}

/* As doubles, as jq does; but two long integers by their digits, which a double would lose. */
static bool
numbers_equal(struct str a, struct str b)
{
	AUTO(auto_free) char *left = NULL;
	AUTO(auto_free) char *right = NULL;

	if (str_eq(a, b))
		return true;
	if (is_integer(a) && is_integer(b) && (a.len > EXACT_DIGITS || b.len > EXACT_DIGITS))
		return false;
	left = str_dup(a);
	right = str_dup(b);
	return strtod(left, NULL) == strtod(right, NULL);
}

static bool
strings_equal(struct str a, struct str b)
{
	AUTO(buf_fini) struct buf left = BUF_INIT;
	AUTO(buf_fini) struct buf right = BUF_INIT;

	return json_raw_string(a, &left) && json_raw_string(b, &right) &&
	       str_eq(buf_str(&left), buf_str(&right));
}

static bool
values_equal(struct str value, struct str constant)
{
	char a = value.p[0], b = constant.p[0];

	if (a == '"' || b == '"')
		return a == b && strings_equal(value, constant);
	if ((is_digit(a) || a == '-') && (is_digit(b) || b == '-'))
		return numbers_equal(value, constant);
	return str_eq(value, constant);
}

static bool
is_true(struct str raw)
{
	return raw.p[0] != 'n' && raw.p[0] != 'f';
}

static bool
term_test(const struct term *t, struct str json, bool *ret, struct err *err)
{
	struct str raw;

	if (!term_find(t, json, &raw, err))
		return false;
	if (t->compare == COMPARE_NONE)
		*ret = is_true(raw);
	else
		*ret = values_equal(raw, str_of(t->constant)) == (t->compare == COMPARE_EQ);
	return true;
}

/* Groups of "and" between "or"s, each side only looked at when it still matters, as in jq. */
static bool
logic_test(const struct path *path, struct str json, bool *ret, struct err *err)
{
	bool group = true;

	for (size_t i = 0; i < path->count; i++) {
		if (path->terms[i].after_or) {
			if (group)
				break;
			group = true;
		}
		if (group && !term_test(&path->terms[i], json, &group, err))
			return false;
	}
	*ret = group;
	return true;
}

/* The inside of a JSON string in jq's own spelling. */
static void
add_escaped(struct buf *out, struct str text)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];
		const char *at = c ? memchr(from, c, sizeof(from) - 1) : NULL;

		if (at) {
			buf_putc(out, '\\');
			buf_putc(out, to[at - from]);
		} else if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\u%04x", c);
		else
			buf_putc(out, (char)c);
	}
}

/* Without white space between tokens, strings respelt, numbers as they are. */
static void
add_compact(struct buf *out, struct str raw)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	size_t i = 0, end;

	while (i < raw.len) {
		if (raw.p[i] != '"') {
			if (!memchr(" \t\r\n", raw.p[i], 4))
				buf_putc(out, raw.p[i]);
			i++;
			continue;
		}
		for (end = i + 1; end < raw.len && raw.p[end] != '"'; end++)
			end += raw.p[end] == '\\';
		end = end < raw.len ? end + 1 : raw.len;
		buf_clear(&text);
		json_raw_string(str_make(raw.p + i, end - i), &text);
		buf_putc(out, '"');
		add_escaped(out, buf_str(&text));
		buf_putc(out, '"');
		i = end;
	}
}

static void
add_text(struct buf *out, struct str raw)
{
	if (raw.p[0] != '"' || !json_raw_string(raw, out))
		add_compact(out, raw);
}

/* From the last path to the first, as jq does: of two that fail the last one's error is told. */
static bool
text_eval(const struct path *path, struct str json, struct buf *ret, struct err *err)
{
	struct str raws[TERMS_MAX];

	for (size_t i = path->count; i-- > 0;)
		if (!path->terms[i].literal_only &&
		    !term_find(&path->terms[i], json, &raws[i], err))
			return false;
	for (size_t i = 0; i < path->count; i++) {
		buf_add(ret, path->terms[i].literal, path->terms[i].literal_len);
		if (!path->terms[i].literal_only)
			add_text(ret, raws[i]);
	}
	return true;
}

static bool
is_plain(const struct path *path)
{
	return !path->is_text && path->count == 1 && path->terms[0].compare == COMPARE_NONE;
}

bool
path_eval(const struct path *path, struct str json, struct buf *ret, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str raw;
	bool yes;

	if (is_plain(path)) {
		if (!term_find(&path->terms[0], json, &raw, err))
			return false;
		buf_add_str(ret, raw);
	} else if (path->is_text) {
		if (!text_eval(path, json, &text, err))
			return false;
		buf_putc(ret, '"');
		add_escaped(ret, buf_str(&text));
		buf_putc(ret, '"');
	} else {
		if (!logic_test(path, json, &yes, err))
			return false;
		buf_puts(ret, yes ? "true" : "false");
	}
	return true;
}

bool
path_eval_text(const struct path *path, struct str json, struct buf *ret, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str raw;

	if (path->is_text) {
		if (!text_eval(path, json, &text, err))
			return false;
		buf_add_str(ret, buf_str(&text));
		return true;
	}
	if (!is_plain(path))
		return path_eval(path, json, ret, err);
	if (!term_find(&path->terms[0], json, &raw, err))
		return false;
	add_text(ret, raw);
	return true;
}

bool
path_test(const struct path *path, struct str json, bool *ret, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!path->is_text)
		return logic_test(path, json, ret, err);
	if (!text_eval(path, json, &text, err))
		return false;
	*ret = true;
	return true;
}
