/* Server-sent events, read from bytes as they come. */
/* SPDX-License-Identifier: MIT */
#include "cli/sse.h"

void
sse_fini(struct sse *sse)
{
	buf_fini(&sse->line);
	buf_fini(&sse->data);
	buf_fini(&sse->event);
	buf_fini(&sse->id);
}

static bool
sse_dispatch(struct sse *sse)
{
	bool on = true;

	if (sse->some)
		on = sse->on_event(sse->arg, buf_str(&sse->id), buf_str(&sse->event),
				   buf_str(&sse->data));
	sse->some = false;
	buf_clear(&sse->data);
	buf_clear(&sse->event);
	return on;
}

static bool
sse_line(struct sse *sse)
{
	struct str line = buf_str(&sse->line);
	struct str value, name;

	if (!line.len)
		return sse_dispatch(sse);
	value = str_split(line, ':', &name);
	if (!value.p)
		value = STR("");
	if (value.len && value.p[0] == ' ')
		value = str_make(value.p + 1, value.len - 1);
	if (str_eq(name, STR("data"))) {
		if (sse->some)
			buf_putc(&sse->data, '\n');
		buf_add_str(&sse->data, value);
		sse->some = true;
	} else if (str_eq(name, STR("event"))) {
		buf_clear(&sse->event);
		buf_add_str(&sse->event, value);
	} else if (str_eq(name, STR("id")) && !memchr(value.p, 0, value.len)) {
		buf_clear(&sse->id);
		buf_add_str(&sse->id, value);
	}
	return true;
}

bool
sse_feed(struct sse *sse, struct str bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.p[i];
		bool after_cr = sse->cr;

		sse->cr = c == '\r';
		if (c == '\n' && after_cr)
			continue;
		if (c != '\n' && c != '\r') {
			buf_putc(&sse->line, c);
			if (sse->line.len > SSE_LINE_MAX || sse->data.len > SSE_LINE_MAX)
				return false;
			continue;
		}
		if (!sse_line(sse))
			return false;
		buf_clear(&sse->line);
	}
	return true;
}
