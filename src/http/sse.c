/* Server-sent events (WHATWG): what one event looks like on the wire. */
/* SPDX-License-Identifier: MIT */
#include "http/sse.h"

/* One line of a field; a name or id from elsewhere must not begin another. */
static void
put_line(struct buf *out, const char *field, struct str value)
{
	buf_puts(out, field);
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];
		buf_putc(out, c == '\r' || c == '\n' || c == '\0' ? ' ' : c);
	}
	buf_putc(out, '\n');
}

/* Length of the line end at s.p[i]: CR LF, CR or LF; 0: none. */
static size_t
line_end(struct str s, size_t i)
{
	if (s.p[i] == '\r')
		return i + 1 < s.len && s.p[i + 1] == '\n' ? 2 : 1;
	return s.p[i] == '\n';
}

static void
put_data(struct buf *out, struct str data)
{
	size_t start = 0, i = 0;
	while (i < data.len) {
		size_t end = line_end(data, i);
		if (!end) {
			i++;
			continue;
		}
		buf_puts(out, "data: ");
		buf_add(out, data.p + start, i - start);
		buf_putc(out, '\n');
		start = i += end;
	}
	buf_puts(out, "data: ");
	buf_add(out, data.p + start, data.len - start);
	buf_putc(out, '\n');
}

void
sse_format(struct buf *out, const char *id, const char *event, struct str data)
{
	if (id)
		put_line(out, "id: ", str_of(id));
	if (event)
		put_line(out, "event: ", str_of(event));
	put_data(out, data);
	buf_putc(out, '\n');
}

void
sse_comment(struct buf *out, const char *text)
{
	put_line(out, ": ", str_of(text));
	buf_putc(out, '\n');
}
