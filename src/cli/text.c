/* Text for people: strangers' bytes made harmless, and how many columns they take. */
/* SPDX-License-Identifier: MIT */
#include "cli/text.h"

struct range {
	int32_t first, last;
};

/* What would be invisible, reorder its neighbours or end the line: shown as an escape. */
static const struct range hidden[] = {
	{0x00, 0x1f},	  {0x7f, 0x9f},	    {0xad, 0xad},	{0x61c, 0x61c},
	{0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},	{0x2060, 0x206f},
	{0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff},
};

/* Marks that stand on the character before them. */
static const struct range zero[] = {
	{0x300, 0x36f},	  {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},	{0x64b, 0x65f},
	{0x6d6, 0x6dc},	  {0x93c, 0x93c},   {0x941, 0x948},   {0xe31, 0xe31},	{0xe34, 0xe3a},
	{0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
};

static const struct range wide[] = {
	{0x1100, 0x115f},   {0x231a, 0x231b},	{0x23e9, 0x23ec},   {0x2614, 0x2615},
	{0x26a1, 0x26a1},   {0x2705, 0x2705},	{0x274c, 0x274c},   {0x2e80, 0x303e},
	{0x3041, 0x33ff},   {0x3400, 0x4dbf},	{0x4e00, 0x9fff},   {0xa000, 0xa4cf},
	{0xac00, 0xd7a3},   {0xf900, 0xfaff},	{0xfe30, 0xfe6f},   {0xff01, 0xff60},
	{0xffe0, 0xffe6},   {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff},
	{0x1fa70, 0x1faff}, {0x20000, 0x3fffd},
};

static bool
range_holds(const struct range *ranges, size_t count, int32_t point)
{
	for (size_t i = 0; i < count; i++)
		if (point >= ranges[i].first && point <= ranges[i].last)
			return true;
	return false;
}

int32_t
text_decode(struct str s, size_t *ret_len)
{
	static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)s.p;
	size_t len;
	int32_t point;

	*ret_len = 1;
	if (p[0] < 0x80)
		return p[0];
	if (p[0] >= 0xf0 && p[0] < 0xf5) {
		len = 4;
		point = p[0] & 7;
	} else if (p[0] >= 0xe0 && p[0] < 0xf0) {
		len = 3;
		point = p[0] & 15;
	} else if (p[0] >= 0xc2 && p[0] < 0xe0) {
		len = 2;
		point = p[0] & 31;
	} else {
		return -1;
	}
	if (s.len < len)
		return -1;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return -1;
		point = point << 6 | (p[i] & 0x3f);
	}
	if (point < least[len] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return -1;
	*ret_len = len;
	return point;
}

unsigned
text_point_width(int32_t point)
{
	if (point < 0x300)
		return 1;
	if (range_holds(zero, ARRAY_LEN(zero), point))
		return 0;
	return range_holds(wide, ARRAY_LEN(wide), point) ? 2 : 1;
}

unsigned
text_width(struct str s)
{
	unsigned columns = 0;

	while (s.len) {
		size_t len;

		columns += text_point_width(text_decode(s, &len));
		s = str_make(s.p + len, s.len - len);
	}
	return columns;
}

static void
escape_point(struct buf *out, int32_t point)
{
	switch (point) {
	case '\n':
		buf_puts(out, "\\n");
		return;
	case '\t':
		buf_puts(out, "\\t");
		return;
	case '\r':
		buf_puts(out, "\\r");
		return;
	}
	if (point > 0xffff) {
		point -= 0x10000;
		buf_printf(out, "\\u%04x\\u%04x", 0xd800 + (unsigned)(point >> 10),
			   0xdc00 + (unsigned)(point & 0x3ff));
		return;
	}
	buf_printf(out, "\\u%04x", (unsigned)point);
}

static void
escape(struct buf *out, struct str s, bool lines)
{
	size_t plain = 0, at = 0;

	while (at < s.len) {
		size_t len;
		int32_t point = text_decode(str_make(s.p + at, s.len - at), &len);
		bool ok = point >= 0 && !(point < 0x20 && !(lines && point == '\n')) &&
			  (point < 0x7f || !range_holds(hidden, ARRAY_LEN(hidden), point));

		if (!ok) {
			buf_add(out, s.p + plain, at - plain);
			if (point < 0)
				buf_puts(out, "\\ufffd");
			else
				escape_point(out, point);
			plain = at + len;
		}
		at += len;
	}
	buf_add(out, s.p + plain, s.len - plain);
}

void
text_escape(struct buf *out, struct str s)
{
	escape(out, s, false);
}

void
text_escape_lines(struct buf *out, struct str s)
{
	escape(out, s, true);
}

void
text_cut(struct buf *out, struct str s, unsigned columns)
{
	unsigned used = 0;
	size_t at = 0;

	if (text_width(s) <= columns) {
		buf_add_str(out, s);
		return;
	}
	if (!columns)
		return;
	while (at < s.len) {
		size_t len;
		unsigned width =
			text_point_width(text_decode(str_make(s.p + at, s.len - at), &len));

		if (used + width > columns - 1)
			break;
		used += width;
		at += len;
	}
	buf_add(out, s.p, at);
	buf_puts(out, "…");
}

/* The end of the string that starts at json[at]. */
static size_t
string_end(struct str json, size_t at)
{
	for (at++; at < json.len && json.p[at] != '"'; at++)
		if (json.p[at] == '\\')
			at++;
	return at < json.len ? at + 1 : json.len;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void
text_json_compact(struct buf *out, struct str json)
{
	for (size_t at = 0; at < json.len;) {
		size_t end = at + 1;

		if (json.p[at] == '"')
			end = string_end(json, at);
		if (!is_space(json.p[at]))
			buf_add(out, json.p + at, end - at);
		at = end;
	}
}

bool
text_json_elements(struct str array, bool (*each)(void *arg, struct str element), void *arg)
{
	size_t start;
	int depth = 0;

	array = str_trim(array);
	if (array.len < 2 || array.p[0] != '[')
		return true;
	array = str_trim(str_make(array.p + 1, array.len - 2));
	start = 0;
	for (size_t at = 0; at < array.len;) {
		char c = array.p[at];

		if (c == '"') {
			at = string_end(array, at);
			continue;
		}
		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		if (c == ',' && !depth) {
			if (!each(arg, str_trim(str_make(array.p + start, at - start))))
				return false;
			start = at + 1;
		}
		at++;
	}
	return !array.len || each(arg, str_trim(str_make(array.p + start, array.len - start)));
}
