/* Diff: the values of one field, before and after, within the width of the terminal. */
/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/diff_inside.h"
#include "cli/text.h"
#include "pure/textdiff.h"
#include "pure/worddiff.h"

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

/* Around words that the other side has not: no text that was escaped has these. */
#define MARK_OPEN "\001"
#define MARK_CLOSE "\002"
#define IS_MARK(c) ((c) == *MARK_OPEN || (c) == *MARK_CLOSE)
/* Of a stretch that both sides have, so much is shown. */
#define EQUAL_SHOWN 240

/* One line of what is wrapped. *marked: whether it begins, and ends, among changed words. */
static void
put_marked(struct print *print, struct str text, bool *marked)
{
	if (*marked)
		print_style(print, STYLE_REVERSE);
	while (text.len) {
		size_t len = 0;

		while (len < text.len && !IS_MARK(text.p[len]))
			len++;
		print_f(print, "%.*s", (int)len, text.p);
		if (len < text.len) {
			*marked = text.p[len] == *MARK_OPEN;
			print_style(print, *marked ? STYLE_REVERSE : STYLE_STRAIGHT);
			len++;
		}
		text = str_make(text.p + len, text.len - len);
	}
	if (*marked)
		print_style(print, STYLE_STRAIGHT);
}

/* As much of text as has room. */
static size_t
fitting(struct str text, unsigned room)
{
	unsigned used = 0;
	size_t at = 0;

	while (at < text.len) {
		size_t len;
		unsigned columns =
			text_point_width(text_decode(str_make(text.p + at, text.len - at), &len));

		columns = IS_MARK(text.p[at]) ? 0 : columns;
		if (used + columns > room)
			return word_break(text, at);
		used += columns;
		at += len;
	}
	return at;
}

void
diff_put_wrapped(struct print *print, const char *lead, enum print_style style, struct str text)
{
	unsigned room = width_of(print) - text_width(str_of(lead));
	bool marked = false;
	size_t lines = 0;

	do {
		size_t at = fitting(text, room);

		if (lines++ == VALUE_LINES) {
			print_f(print,
				"%*s… %zu more bytes; rouse change show CHANGE --json has all\n",
				(int)text_width(str_of(lead)), "", text.len);
			return;
		}
		print_style(print, style);
		print_f(print, "%s", lead);
		put_marked(print, str_make(text.p, at), &marked);
		if (style != STYLE_PLAIN)
			print_style(print, STYLE_PLAIN);
		print_f(print, "\n");
		text = str_make(text.p + at, text.len - at);
	} while (text.len);
}

/* Where nothing can be shown by its colour, by signs, as git's word diff has them. */
static void
put_side(struct print *print, const char *lead, char sign, struct str text)
{
	AUTO(buf_fini) struct buf signs = BUF_INIT;

	for (size_t i = 0; !print->colour && i < text.len; i++) {
		if (!IS_MARK(text.p[i]))
			buf_putc(&signs, text.p[i]);
		else if (text.p[i] == *MARK_OPEN)
			buf_puts(&signs, sign == '-' ? "[-" : "{+");
		else
			buf_puts(&signs, sign == '-' ? "-]" : "+}");
	}
	diff_put_wrapped(print, lead, sign == '-' ? STYLE_RED : STYLE_GREEN,
			 print->colour ? text : buf_str(&signs));
}

/* Two versions of one line, what differs marked; as they are where they have little in common. */
static void
put_sides(struct print *print, const char *lead_before, const char *lead_after, struct str before,
	  struct str after)
{
	AUTO(buf_fini) struct buf was = BUF_INIT, is = BUF_INIT;
	bool alike = worddiff_mark(before, after, MARK_OPEN, MARK_CLOSE, EQUAL_SHOWN, &was, &is);

	put_side(print, lead_before, '-', alike ? buf_str(&was) : before);
	put_side(print, lead_after, '+', alike ? buf_str(&is) : after);
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

/* The lines of a unified diff, safe to be shown. */
struct patch {
	struct buf lines[5 * VALUE_LINES];
	size_t count;
	size_t more; /* bytes that are not shown */
};

static void
patch_read(struct patch *patch, const char *text)
{
	struct str rest = str_of(text), line;

	patch->count = 0;
	while (rest.p && rest.len && patch->count < ARRAY_LEN(patch->lines)) {
		rest = str_split(rest, '\n', &line);
		patch->lines[patch->count] = (struct buf)BUF_INIT;
		text_escape(&patch->lines[patch->count++], line);
	}
	patch->more = rest.p ? rest.len : 0;
}

static char
line_sign(const struct patch *patch, size_t i)
{
	return i < patch->count && patch->lines[i].len ? patch->lines[i].data[0] : ' ';
}

/* Lines that went and lines that came in their stead, each beside the one at its place, are marked
 * word by word. Returns the first behind them. */
static size_t
mark_block(struct patch *patch, size_t at)
{
	size_t minus = at, plus, end;

	for (plus = minus; line_sign(patch, plus) == '-' || line_sign(patch, plus) == '\\';)
		plus++;
	for (end = plus; line_sign(patch, end) == '+' || line_sign(patch, end) == '\\';)
		end++;
	while (minus < end && plus < end) {
		AUTO(buf_fini) struct buf was = BUF_INIT, is = BUF_INIT;
		struct buf *before = &patch->lines[minus++], *after = &patch->lines[plus++];

		if (before->data[0] != '-' || after->data[0] != '+')
			break;
		buf_putc(&was, '-');
		buf_putc(&is, '+');
		if (!worddiff_mark(str_make(before->data + 1, before->len - 1),
				   str_make(after->data + 1, after->len - 1), MARK_OPEN, MARK_CLOSE,
				   EQUAL_SHOWN, &was, &is))
			continue;
		buf_clear(before);
		buf_add_str(before, buf_str(&was));
		buf_clear(after);
		buf_add_str(after, buf_str(&is));
	}
	return end;
}

void
diff_put_patch(struct print *print, const char *text)
{
	AUTO(auto_free) struct patch *patch = mem_alloc(sizeof(*patch));
	size_t i = 0;

	patch_read(patch, text);
	while (i < patch->count)
		i = line_sign(patch, i) == '-' ? mark_block(patch, i) : i + 1;
	for (i = 0; i < patch->count; i++) {
		char sign = line_sign(patch, i);

		if (sign == '+' || sign == '-')
			put_side(print, "        ", sign, buf_str(&patch->lines[i]));
		else
			diff_put_wrapped(print, "        ", STYLE_PLAIN, buf_str(&patch->lines[i]));
		buf_fini(&patch->lines[i]);
	}
	if (patch->more)
		print_f(print,
			"        … %zu more bytes; rouse change show CHANGE --json has all\n",
			patch->more);
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
	if (json_is_string(field->before) && json_is_string(field->after)) {
		put_sides(print, "        - ", "        + ", buf_str(&before), buf_str(&after));
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
