/* Diff: the values of one field, before and after, within the width of the terminal. */
/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/diff_inside.h"
#include "cli/text.h"
#include "pure/textdiff.h"

#define WIDTH 80
#define VALUE_LINES 40 /* of one value; more is said to be there, and counted */

enum print_style
diff_style(char sign)
{
	return sign == '+' ? STYLE_GREEN : sign == '-' ? STYLE_RED : STYLE_YELLOW;
}

static unsigned
width_of(const struct print *print)
{
	return print->width ? print->width : WIDTH;
}

/* Where a line that has room for `at` bytes ends better: behind a blank that is not far back. */
static size_t
word_break(struct str text, size_t at)
{
	for (size_t back = at; back > 1 && back + 20 > at; back--)
		if (text.p[back - 1] == ' ')
			return back;
	return at;
}

void
diff_put_wrapped(struct print *print, const char *lead, enum print_style style, struct str text)
{
	unsigned room = width_of(print) - text_width(str_of(lead));
	size_t lines = 0;

	do {
		unsigned used = 0;
		size_t at = 0;

		while (at < text.len) {
			size_t len;
			unsigned columns = text_point_width(
				text_decode(str_make(text.p + at, text.len - at), &len));

			if (used + columns > room)
				break;
			used += columns;
			at += len;
		}
		if (at < text.len)
			at = word_break(text, at);
		if (lines++ == VALUE_LINES) {
			print_f(print,
				"%*s… %zu more bytes; rouse change show CHANGE --json has all\n",
				(int)text_width(str_of(lead)), "", text.len);
			return;
		}
		print_style(print, style);
		print_f(print, "%s%.*s", lead, (int)at, text.p);
		if (style != STYLE_PLAIN)
			print_style(print, STYLE_PLAIN);
		print_f(print, "\n");
		text = str_make(text.p + at, text.len - at);
	} while (text.len);
}

void
diff_value_text(const json_t *value, struct buf *out)
{
	AUTO(buf_fini) struct buf json = BUF_INIT;

	json_write(&json, value);
	text_escape(out, buf_str(&json));
}

/* The lines of a text before or after a change, with a sign before each. */
static void
put_text_lines(struct print *print, char sign, enum print_style style, const json_t *value)
{
	struct str rest = str_make(json_string_value(value), json_string_length(value)), line;
	char lead[16] = "        ? ";
	size_t lines = 0;

	lead[8] = sign;
	while (rest.p && rest.len) {
		AUTO(buf_fini) struct buf safe = BUF_INIT;

		if (lines++ == VALUE_LINES) {
			print_f(print,
				"        … %zu more bytes; rouse change show CHANGE --json has "
				"all\n",
				rest.len);
			return;
		}
		rest = str_split(rest, '\n', &line);
		text_escape(&safe, line);
		diff_put_wrapped(print, lead, style, buf_str(&safe));
	}
}

static bool
is_lines(const json_t *value)
{
	return json_is_string(value) && strchr(json_string_value(value), '\n');
}

void
diff_put_patch(struct print *print, const char *patch)
{
	struct str rest = str_of(patch), line;
	size_t lines = 0;

	while (rest.p && rest.len) {
		AUTO(buf_fini) struct buf safe = BUF_INIT;
		enum print_style style;

		if (lines++ == 5 * VALUE_LINES) {
			print_f(print,
				"        … %zu more bytes; rouse change show CHANGE --json has "
				"all\n",
				rest.len);
			return;
		}

		rest = str_split(rest, '\n', &line);
		style = line.len && line.p[0] == '+'   ? STYLE_GREEN
			: line.len && line.p[0] == '-' ? STYLE_RED
						       : STYLE_PLAIN;
		text_escape(&safe, line);
		diff_put_wrapped(print, "        ", style, buf_str(&safe));
	}
}

static void
put_line_difference(struct print *print, const struct field *field)
{
	AUTO(buf_fini) struct buf lines = BUF_INIT;

	textdiff_print(
		str_make(json_string_value(field->before), json_string_length(field->before)),
		str_make(json_string_value(field->after), json_string_length(field->after)), 3, "",
		&lines);
	diff_put_patch(print, buf_cstr(&lines));
}

void
diff_put_field(struct print *print, const struct field *field)
{
	AUTO(buf_fini) struct buf path = BUF_INIT, before = BUF_INIT, after = BUF_INIT;
	unsigned width;

	text_escape(&path, str_of(*field->path ? field->path : "value"));
	if (field->before)
		diff_value_text(field->before, &before);
	if (field->after)
		diff_value_text(field->after, &after);
	width = 8 + text_width(buf_str(&path)) + text_width(buf_str(&before)) +
		text_width(buf_str(&after)) + (field->kind == '~' ? 3 : 0);
	print_f(print, "    ");
	print_style(print, diff_style(field->kind));
	print_f(print, "%c", field->kind);
	print_style(print, STYLE_PLAIN);
	print_f(print, " %s:", buf_cstr(&path));
	if (width <= width_of(print) && !is_lines(field->before) && !is_lines(field->after)) {
		print_f(print, " %s%s%s\n", buf_cstr(&before), field->kind == '~' ? " → " : "",
			buf_cstr(&after));
		return;
	}
	print_f(print, "\n");
	if (json_is_string(field->before) && json_is_string(field->after) &&
	    (is_lines(field->before) || is_lines(field->after))) {
		put_line_difference(print, field);
		return;
	}
	if (is_lines(field->before))
		put_text_lines(print, '-', STYLE_RED, field->before);
	else if (field->before)
		diff_put_wrapped(print, "        - ", STYLE_RED, buf_str(&before));
	if (is_lines(field->after))
		put_text_lines(print, '+', STYLE_GREEN, field->after);
	else if (field->after)
		diff_put_wrapped(print, "        + ", STYLE_GREEN, buf_str(&after));
}
