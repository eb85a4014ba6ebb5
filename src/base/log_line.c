/* The log: a record as a line. */
/* SPDX-License-Identifier: MIT */
#include "base/log_inside.h"

#include <stdio.h>

enum {
	LINE_MAX_BYTES = 8192,
	TAIL_BYTES = 8, /* kept free for what closes a value and the line */
};

static const struct {
	const char *name;
	int priority;
} levels[] = {
	[LOG_ERROR] = {"error", 3},
	[LOG_WARNING] = {"warning", 4},
	[LOG_INFO] = {"info", 6},
	[LOG_DEBUG] = {"debug", 7},
};
_Static_assert(ARRAY_LEN(levels) == LOG_LEVELS, "every level has its row");

int
log_priority(enum log_level level)
{
	return levels[level].priority;
}

const char *
log_level_name(enum log_level level)
{
	return levels[level].name;
}

bool
log_level_parse(const char *name, enum log_level *ret)
{
	for (size_t i = 0; name && i < ARRAY_LEN(levels); i++) {
		if (!strcmp(levels[i].name, name)) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* Visible ASCII that means nothing to any format. */
static bool
is_letter(char c)
{
	return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

/* Characters that move the cursor, end the line, or turn the direction of reading. */
static bool
is_unprintable(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
	       code == 0xfeff;
}

/* The first character of s as it may stand between quotes. Bytes of s that it took. */
static size_t
escape_next(enum log_format format, struct str s, char *ret, size_t size, size_t *ret_len)
{
	uint32_t code;
	size_t n = str_utf8_next(s, &code);
	int len;
	if (!n && format == LOG_JSON)
		len = snprintf(ret, size, "\\ufffd");
	else if (!n)
		len = snprintf(ret, size, "\\x%02x", (unsigned char)s.p[0]);
	else if (code == '"' || code == '\\')
		len = snprintf(ret, size, "\\%c", (char)code);
	else if (code == '\n')
		len = snprintf(ret, size, "\\n");
	else if (is_unprintable(code))
		len = snprintf(ret, size, "\\u%04x", code);
	else
		len = snprintf(ret, size, "%.*s", (int)n, s.p);
	*ret_len = (size_t)len;
	return n ? n : 1;
}

/* As much of s as there is room for; the run of plain letters goes as one. */
static void
add_escaped(enum log_format format, struct buf *line, struct str s)
{
	while (s.len) {
		char piece[16];
		const char *from = s.p;
		size_t used = 0, len;
		while (used < s.len && (is_letter(s.p[used]) || s.p[used] == ' '))
			used++;
		len = used;
		if (!used) {
			used = escape_next(format, s, piece, sizeof(piece), &len);
			from = piece;
		}
		size_t room = LINE_MAX_BYTES - TAIL_BYTES;
		room -= line->len < room ? line->len : room;
		if (len > room) {
			buf_add(line, from, from == s.p ? room : 0);
			buf_puts(line, "...");
			return;
		}
		buf_add(line, from, len);
		s = str_make(s.p + used, s.len - used);
	}
}

/* Whether a value of the text format can stand without quotes and be nothing but one value. */
static bool
is_bare(struct str s, bool spaces)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_letter(s.p[i]) && !(s.p[i] == ' ' && spaces))
			return false;
	}
	return s.len > 0;
}

static void
add_quoted(enum log_format format, struct buf *line, struct str s)
{
	buf_putc(line, '"');
	add_escaped(format, line, s);
	buf_putc(line, '"');
}

static void
add_text(enum log_format format, struct buf *line, struct str s, bool spaces)
{
	if (is_bare(s, spaces))
		add_escaped(format, line, s);
	else
		add_quoted(format, line, s);
}

static void
add_pair(enum log_format format, struct buf *line, const char *key, const char *value)
{
	/* No room for the shortest pair: what comes now is left out. */
	if (line->len + strlen(key) + 8 + TAIL_BYTES > LINE_MAX_BYTES)
		return;
	if (format == LOG_JSON) {
		buf_putc(line, ',');
		add_quoted(format, line, str_of(key));
		buf_putc(line, ':');
		add_quoted(format, line, str_of(value));
		return;
	}
	buf_putc(line, ' ');
	add_text(format, line, str_of(key), false);
	buf_putc(line, '=');
	add_text(format, line, str_of(value), false);
}

static void
add_head(enum log_format format, struct buf *line, const struct log_record *record)
{
	const char *name = levels[record->level].name;
	if (format == LOG_JOURNAL) {
		buf_printf(line, "<%d>", levels[record->level].priority);
		add_text(format, line, str_of(record->message), true);
		return;
	}
	if (format == LOG_JSON)
		buf_puts(line, "{\"time\":\"");
	wall_format(record->at, line);
	if (format == LOG_JSON) {
		buf_printf(line, "\",\"level\":\"%s\",\"message\":", name);
		add_quoted(format, line, str_of(record->message));
		return;
	}
	buf_printf(line, " %s ", name);
	add_text(format, line, str_of(record->message), true);
}

void
log_line(enum log_format format, const struct log_record *record, struct buf *line)
{
	add_head(format, line, record);
	for (size_t i = 0; i < record->count; i++)
		add_pair(format, line, record->pairs[i].key, record->pairs[i].value);
	if (format == LOG_JSON)
		buf_putc(line, '}');
}
