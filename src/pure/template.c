/* Templates: a list of pieces, each a literal or a name. What a value holds is never parsed. */
/* SPDX-License-Identifier: MIT */
#include "pure/template.h"

#include <stdlib.h>

#define NAME_MAX_LEN 64

struct piece {
	bool is_name;
	char *text;
	size_t len;
};

struct template
{
	struct piece *pieces;
	size_t count;
};

static void
piece_add(struct template *t, bool is_name, struct str text)
{
	if (!text.len)
		return;
	t->pieces = mem_realloc(t->pieces, (t->count + 1) * sizeof(*t->pieces));
	t->pieces[t->count++] = (struct piece){is_name, str_dup(text), text.len};
}

static bool
is_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '.' || c == '-'))
			return false;
	}
	return s.len && s.len <= NAME_MAX_LEN;
}

/* The {name} at offset i of text; moves *i behind it. */
static bool
parse_name(struct template *t, struct str text, size_t *i, struct err *err)
{
	const char *end = memchr(text.p + *i, '}', text.len - *i);
	struct str name;

	if (!end)
		return err_set(err, E_CONFIG,
			       "template: the { at %zu is not closed; write {{ for a brace",
			       *i + 1);
	name = str_make(text.p + *i + 1, (size_t)(end - text.p) - *i - 1);
	if (!is_name(name))
		return err_set(
			err, E_CONFIG,
			"template: no name stands in the braces at %zu; expected letters, digits, "
			"_ . or -, as in {entity}, and {{ for a brace",
			*i + 1);
	piece_add(t, true, name);
	*i = (size_t)(end - text.p) + 1;
	return true;
}

bool
template_parse(struct str text, struct template **ret, struct err *err)
{
	AUTO(template_auto_free) struct template *t = mem_alloc(sizeof(*t));
	AUTO(buf_fini) struct buf literal = BUF_INIT;

	for (size_t i = 0; i < text.len;) {
		char c = text.p[i];

		if ((c == '{' || c == '}') && i + 1 < text.len && text.p[i + 1] == c) {
			buf_putc(&literal, c);
			i += 2;
		} else if (c == '}') {
			return err_set(err, E_CONFIG,
				       "template: the } at %zu closes nothing; write }}", i + 1);
		} else if (c == '{') {
			piece_add(t, false, buf_str(&literal));
			buf_clear(&literal);
			if (!parse_name(t, text, &i, err))
				return false;
		} else {
			buf_putc(&literal, c);
			i++;
		}
	}
	piece_add(t, false, buf_str(&literal));
	*ret = TAKE(t);
	return true;
}

void
template_free(struct template *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->pieces[i].text);
	free(t->pieces);
	free(t);
}

void
template_auto_free(struct template **t)
{
	template_free(*t);
}

struct str
template_name(const struct template *t, size_t index)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->pieces[i].is_name && !index--)
			return str_make(t->pieces[i].text, t->pieces[i].len);
	return STR_NONE;
}

static void
add_url(struct buf *out, struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '.' || c == '_' || c == '~')
			buf_putc(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

static bool
add_value(enum template_escape escape, struct str name, struct str value, struct buf *out,
	  struct err *err)
{
	if (escape == TEMPLATE_URL) {
		add_url(out, value);
		return true;
	}
	for (size_t i = 0; escape == TEMPLATE_HEADER && i < value.len; i++)
		if (((unsigned char)value.p[i] < 0x20 && value.p[i] != '\t') || value.p[i] == 0x7f)
			return err_set(
				err, E_INVALID,
				"the value of {%.*s} has a control character and cannot stand in "
				"a header",
				STR_ARG(name));
	buf_add_str(out, value);
	return true;
}

bool
template_render(const struct template *t, enum template_escape escape,
		bool (*lookup)(void *arg, struct str name, struct buf *ret, struct err *err),
		void *arg, struct buf *out, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(buf_fini) struct buf value = BUF_INIT;

	for (size_t i = 0; i < t->count; i++) {
		struct str piece = str_make(t->pieces[i].text, t->pieces[i].len);

		if (!t->pieces[i].is_name) {
			buf_add_str(&text, piece);
			continue;
		}
		buf_clear(&value);
		if (!lookup(arg, piece, &value, err) ||
		    !add_value(escape, piece, buf_str(&value), &text, err))
			return false;
	}
	buf_add_str(out, buf_str(&text));
	return true;
}
