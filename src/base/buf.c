/* Growing byte strings: a NUL is always kept behind the last byte, the length is known. */
/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_CAP_MIN = 64 };

/* The capacity for more bytes and the NUL; 0 when no size_t holds it. */
static size_t
buf_cap_for(const struct buf *b, size_t more)
{
	size_t need;
	if (__builtin_add_overflow(b->len, more, &need) || __builtin_add_overflow(need, 1, &need))
		return 0;
	size_t cap = b->cap < BUF_CAP_MIN ? BUF_CAP_MIN : b->cap;
	if (cap < need && __builtin_add_overflow(cap, cap / 2, &cap))
		return need;
	return cap < need ? need : cap;
}

static bool
buf_fits(const struct buf *b, size_t more)
{
	return b->cap > b->len && b->cap - b->len > more;
}

static void
buf_adopt(struct buf *b, char *take_data, size_t cap)
{
	b->data = take_data;
	b->cap = cap;
	b->data[b->len] = '\0';
}

void
buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

void
buf_clear(struct buf *b)
{
	buf_truncate(b, 0);
}

bool
buf_try_reserve(struct buf *b, size_t more)
{
	if (buf_fits(b, more))
		return true;
	size_t cap = buf_cap_for(b, more);
	char *data = cap ? mem_try_realloc(b->data, cap) : NULL;
	if (!data)
		return false;
	buf_adopt(b, data, cap);
	return true;
}

void
buf_reserve(struct buf *b, size_t more)
{
	if (buf_fits(b, more))
		return;
	size_t cap = buf_cap_for(b, more);
	/* A size that no size_t holds is out of memory too, and ends the same way. */
	buf_adopt(b, mem_realloc(b->data, cap ? cap : SIZE_MAX), cap);
}

void
buf_add(struct buf *b, const void *p, size_t len)
{
	if (!len)
		return;
	buf_reserve(b, len);
	memcpy(b->data + b->len, p, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_add_str(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.len);
}

void
buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_putc(struct buf *b, char c)
{
	buf_reserve(b, 1);
	b->data[b->len++] = c;
	b->data[b->len] = '\0';
}

void
buf_cat_all(struct buf *b, const char *const *strings)
{
	for (; *strings; strings++)
		buf_puts(b, *strings);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	buf_reserve(b, BUF_CAP_MIN);
	size_t room = b->cap - b->len;
	int n = vsnprintf(b->data + b->len, room, fmt, ap);
	if (n < 0) {
		/* More than INT_MAX bytes, or a format that cannot be: say which text it was. */
		b->data[b->len] = '\0';
		buf_puts(b, fmt);
	} else {
		if ((size_t)n >= room) {
			buf_reserve(b, (size_t)n);
			vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		}
		b->len += (size_t)n;
	}
	va_end(again);
}

void
buf_consume(struct buf *b, size_t len)
{
	assert(len <= b->len);
	if (!len)
		return;
	b->len -= len;
	memmove(b->data, b->data + len, b->len + 1);
}

void
buf_truncate(struct buf *b, size_t len)
{
	assert(len <= b->len);
	b->len = len;
	if (b->data)
		b->data[len] = '\0';
}

static const char *
buf_json_escape(unsigned char c)
{
	static const struct {
		char c;
		const char *text;
	} escapes[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\r', "\\r"},
		       {'\t', "\\t"}, {'\b', "\\b"},  {'\f', "\\f"}};
	for (size_t i = 0; i < ARRAY_LEN(escapes); i++)
		if ((unsigned char)escapes[i].c == c)
			return escapes[i].text;
	return NULL;
}

/* How many bytes at the front of s may stand in a JSON string as they are. */
static size_t
buf_json_plain(struct str s)
{
	size_t i = 0;
	while (i < s.len) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x20 || c == '"' || c == '\\')
			break;
		size_t n = c < 0x80 ? 1 : str_utf8_next(str_make(s.p + i, s.len - i), NULL);
		if (!n)
			break;
		i += n;
	}
	return i;
}

void
buf_json_str(struct buf *b, struct str s)
{
	buf_putc(b, '"');
	while (s.len) {
		size_t n = buf_json_plain(s);
		buf_add(b, s.p, n);
		if (n < s.len) {
			unsigned char c = (unsigned char)s.p[n++];
			const char *escape = buf_json_escape(c);
			if (escape)
				buf_puts(b, escape);
			else if (c < 0x20)
				buf_printf(b, "\\u%04x", c);
			else
				buf_puts(b, "\xef\xbf\xbd");
		}
		s = str_make(s.p + n, s.len - n);
	}
	buf_putc(b, '"');
}

void
buf_json_cstr(struct buf *b, const char *s)
{
	if (s)
		buf_json_str(b, str_of(s));
	else
		buf_puts(b, "null");
}

char *
buf_take(struct buf *b)
{
	char *data = b->data ? b->data : mem_memdup("", 0);
	*b = (struct buf)BUF_INIT;
	return data;
}

void
buf_shell_word(struct buf *b, struct str s)
{
	buf_putc(b, '\'');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\'')
			buf_puts(b, "'\\''");
		else
			buf_putc(b, s.p[i]);
	}
	buf_putc(b, '\'');
}
