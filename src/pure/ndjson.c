/* Lines out of a stream: each byte is looked at once (memchr) and kept at most once. */
/* SPDX-License-Identifier: MIT */
#include "pure/ndjson.h"

#include <assert.h>

void
ndjson_init(struct ndjson *n, size_t max, uint64_t offset)
{
	assert(max);
	memset(n, 0, sizeof(*n));
	n->max = max;
	n->offset = offset;
}

void
ndjson_fini(struct ndjson *n)
{
	buf_fini(&n->part);
}

/* The line that was given out belongs to the caller until now. */
static void
forget_yielded(struct ndjson *n)
{
	if (!n->yielded)
		return;
	buf_clear(&n->part);
	n->yielded = false;
}

static void
keep(struct ndjson *n, struct str bytes)
{
	size_t room = n->max + 1 - n->part.len; /* one more: it may be the CR of the line's end */

	if (!bytes.len)
		return;
	buf_add(&n->part, bytes.p, bytes.len < room ? bytes.len : room);
	n->part_bytes += bytes.len;
	n->last_cr = bytes.p[bytes.len - 1] == '\r';
}

/* text: the bytes that are at hand, bytes: how many the line has. */
static void
fill(const struct ndjson *n, struct str text, uint64_t bytes, bool cr, struct ndjson_line *ret)
{
	bytes -= cr;
	ret->cut = bytes > n->max;
	ret->text = str_make(text.p, ret->cut ? n->max : (size_t)bytes);
}

bool
ndjson_next(struct ndjson *n, struct str *bytes, struct ndjson_line *ret)
{
	const char *end;
	struct str head;

	forget_yielded(n);
	end = bytes->len ? memchr(bytes->p, '\n', bytes->len) : NULL;
	if (!end) {
		keep(n, *bytes);
		*bytes = str_make(bytes->p + bytes->len, 0);
		return false;
	}
	head = str_make(bytes->p, (size_t)(end - bytes->p));
	*bytes = str_make(end + 1, bytes->len - head.len - 1);
	if (!n->part_bytes) {
		fill(n, head, head.len, head.len && end[-1] == '\r', ret);
		n->offset += head.len + 1;
		return true;
	}
	keep(n, head);
	fill(n, buf_str(&n->part), n->part_bytes, n->last_cr, ret);
	n->offset += n->part_bytes + 1;
	n->part_bytes = 0;
	n->yielded = true;
	return true;
}

bool
ndjson_end(struct ndjson *n, struct ndjson_line *ret)
{
	forget_yielded(n);
	if (!n->part_bytes)
		return false;
	fill(n, buf_str(&n->part), n->part_bytes, false, ret);
	n->offset += n->part_bytes;
	n->part_bytes = 0;
	n->yielded = true;
	return true;
}
