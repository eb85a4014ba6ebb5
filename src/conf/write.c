/* Writing configuration: new section files that load again as they were meant. */
/* SPDX-License-Identifier: MIT */
#include "conf/write.h"

#include "conf/read.h"

#define INDENT "    "

static bool
is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool
conf_name_is_valid(struct str name)
{
	if (!name.len || name.len > 40 || !is_name_start(name.p[0]))
		return false;
	for (size_t i = 1; i < name.len; i++)
		if (!is_name_start(name.p[i]) && !memchr("._-", name.p[i], 3))
			return false;
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
key_is_valid(struct str key)
{
	for (size_t i = 0; i < key.len; i++)
		if (!is_name_start(key.p[i]) && !(key.p[i] >= 'A' && key.p[i] <= 'Z') &&
		    !memchr("._-", key.p[i], 3))
			return false;
	return key.len > 0 && key.len <= READ_KEY_MAX;
}

/* What cannot be written into a value; NULL: it can. */
static const char *
value_wrong(struct str value)
{
	if (!str_is_utf8(value))
		return "is not UTF-8";
	for (size_t i = 0; i < value.len; i++) {
		if (((unsigned char)value.p[i] < 0x20 && value.p[i] != '\t') || value.p[i] == 0x7f)
			return "has a line end or another control character in it";
		if (value.p[i] == ';' && (!i || is_blank(value.p[i - 1])))
			return "has a ';' at its start or behind a blank, where a comment would "
			       "begin";
	}
	if (value.len && (is_blank(value.p[0]) || is_blank(value.p[value.len - 1])))
		return "begins or ends with a blank";
	if (value.len && value.p[value.len - 1] == '\\')
		return "ends in '\\'";
	return NULL;
}

/* A line may begin at value[i] and come out the same: no comment, no blank, no half character. */
static bool
may_begin(struct str value, size_t i)
{
	return !memchr(" \t;#", value.p[i], 4) && ((unsigned char)value.p[i] & 0xc0) != 0x80;
}

static bool
format_pair(const struct conf_pair *pair, struct buf *out, struct err *err)
{
	struct str value = str_of(pair->value);
	const char *wrong = value_wrong(value);
	size_t room;

	if (!key_is_valid(str_of(pair->key)))
		return err_set(err, E_INVALID,
			       "a key of at most %d letters, digits, '.', '_' or '-' is expected",
			       READ_KEY_MAX);
	if (wrong)
		return err_set(
			err, E_INVALID,
			"the value of %s %s, which cannot be written in a configuration file",
			pair->key, wrong);
	buf_printf(out, "%s =%s", pair->key, value.len ? " " : "");
	room = READ_LINE_MAX - strlen(pair->key) - strlen(" = ");
	while (value.len > room) {
		size_t n = room - 1; /* the backslash */

		while (n && !may_begin(value, n))
			n--;
		if (!n)
			return err_set(err, E_INVALID,
				       "the value of %s cannot be split into lines of %d bytes; "
				       "shorten it",
				       pair->key, READ_LINE_MAX);
		buf_printf(out, "%.*s\\\n" INDENT, (int)n, value.p);
		value = str_make(value.p + n, value.len - n);
		room = READ_LINE_MAX - strlen(INDENT);
	}
	buf_add_str(out, value);
	buf_putc(out, '\n');
	return true;
}

bool
conf_format_section(const char *kind, const char *name, const struct conf_pair *pairs, size_t count,
		    struct buf *out, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	bool named = name && *name;

	if (!key_is_valid(str_of(kind)))
		return err_set(err, E_INVALID,
			       "the kind of a section is expected, as in agent or trigger");
	if (named && !conf_name_is_valid(str_of(name)))
		return err_set(err, E_INVALID,
			       "'%s' is no name; expected at most 40 of a-z, 0-9, '.', '_' and "
			       "'-', the first a letter or digit",
			       name);
	buf_printf(&text, "[%s%s%s]", kind, named ? " " : "", named ? name : "");
	if (text.len - 2 > READ_HEADER_MAX)
		return err_set(err, E_INVALID,
			       "the section header is longer than %d bytes; shorten the name",
			       READ_HEADER_MAX);
	buf_putc(&text, '\n');
	for (size_t i = 0; i < count; i++)
		if (!format_pair(&pairs[i], &text, err))
			return false;
	buf_add_str(out, buf_str(&text));
	return true;
}
