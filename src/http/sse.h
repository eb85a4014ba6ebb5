/* Server-sent events (WHATWG): what one event looks like on the wire. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_HTTP_SSE_H
#define ROUSE_HTTP_SSE_H

#include "base/buf.h"

/* id and event may be NULL; data is split at line ends. */
void sse_format(struct buf *out, const char *id, const char *event, struct str data);
void sse_comment(struct buf *out, const char *text); /* keep-alive */

#endif
