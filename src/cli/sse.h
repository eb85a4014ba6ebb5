/* Server-sent events, read from bytes as they come. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_SSE_H
#define ROUSE_CLI_SSE_H

#include "cli/client.h"

struct sse {
	struct buf line, data, event, id;
	bool cr;   /* the last byte was a CR: a LF behind it ends nothing */
	bool some; /* a data line came */
	client_on_event *on_event;
	void *arg;
};

#define SSE_LINE_MAX (16 << 20)

void sse_fini(struct sse *sse);
/* false when the callback ended the stream, or a line grew past SSE_LINE_MAX. */
bool sse_feed(struct sse *sse, struct str bytes);

#endif
