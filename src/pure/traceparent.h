/* W3C Trace Context: the header that says which trace a request belongs to. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_TRACEPARENT_H
#define ROUSE_PURE_TRACEPARENT_H

#include "base/buf.h"

#define TRACE_ID_LEN 32
#define SPAN_ID_LEN 16

/* Ids in lower-case hex. */
struct traceparent {
	char trace[TRACE_ID_LEN + 1];
	char span[SPAN_ID_LEN + 1]; /* of whoever sent it */
	unsigned flags;
};
#define TRACE_SAMPLED 1u

/* Version 00, or a later one that begins the same way. false: it is none, and to be ignored. */
bool traceparent_parse(struct str s, struct traceparent *ret);
/* Always as version 00. */
void traceparent_write(const struct traceparent *from, struct buf *out);

/* The trace of an event that came without one: its UUID without dashes (whose last 62 bits are
 * random, as samplers want them). */
void trace_of_uuid(const char *uuid, char ret[TRACE_ID_LEN + 1]);
/* The span of an event: the last 16 digits of its UUID. Cheaper than a hash, where there are many.
 */
void span_of_uuid(const char *uuid, char ret[SPAN_ID_LEN + 1]);
/* Is a trace among this share of all? By its last 56 bits, so that all who ask alike say alike. */
bool trace_is_sampled(const char *trace, double ratio);
/* The span of one thing, the same whenever it is asked for: of its kind, its id, and which of them
 * it is. */
void span_id_of(const char *kind, const char *id, int64_t n, char ret[SPAN_ID_LEN + 1]);

#endif
