/* Lines out of a stream of bytes: cut at a cap, never copied twice, with their place in the stream.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_NDJSON_H
#define ROUSE_PURE_NDJSON_H

#include "base/buf.h"

struct ndjson {
	struct buf part; /* the line that has begun, at most max bytes of it */
	size_t max;
	uint64_t part_bytes; /* of that line in the stream, those beyond max too */
	uint64_t offset;     /* in the stream, behind the last line that was yielded */
	bool last_cr;	     /* the last byte of part_bytes is a CR */
	bool yielded;	     /* part is the line that was just given out */
};

struct ndjson_line {
	struct str text; /* without LF or CR LF; a NUL is a byte like others. Good until the next
			    call. */
	bool cut;	 /* the line had more than max bytes; text is the first max */
};

/* max: the bytes of a line that are kept, not counting its end; at least 1. offset: where in the
 * stream the first byte will be. */
void ndjson_init(struct ndjson *n, size_t max, uint64_t offset);
void ndjson_fini(struct ndjson *n);

/* Yields the next line, taking what it needs from the front of *bytes. False when all of *bytes is
 * taken and no line has ended: give more. A line that lies whole in *bytes is not copied, so
 * *bytes must outlive the use of the line. Takes time in proportion to the bytes taken. */
bool ndjson_next(struct ndjson *n, struct str *bytes, struct ndjson_line *ret);

/* At the end of the stream: a last line that has no LF. False when there is none. */
bool ndjson_end(struct ndjson *n, struct ndjson_line *ret);

/* Where to go on reading after all lines yielded so far: behind the last one's LF. */
static inline uint64_t
ndjson_offset(const struct ndjson *n)
{
	return n->offset;
}

#endif
