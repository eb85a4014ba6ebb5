/* The ground of a file's cursor: is what was read of it still there? */
/* SPDX-License-Identifier: MIT */
#include "plugins/entities/ground.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"

#define BLOCK 65536

void
ground_print(const struct ground *g, struct buf *out)
{
	buf_printf(out,
		   "{\"offset\":%llu,\"line\":%llu,\"records\":%llu,\"open_end\":%s,\"dev\":%llu,"
		   "\"ino\":%llu,\"size\":%llu,\"mtime_ns\":%lld,\"chain\":\"%s\",\"tail\":\"%s\"}",
		   (unsigned long long)g->offset, (unsigned long long)g->line,
		   (unsigned long long)g->records, g->open_end ? "true" : "false",
		   (unsigned long long)g->dev, (unsigned long long)g->ino,
		   (unsigned long long)g->size, (long long)g->mtime_ns, g->chain, g->tail);
}

static bool
hex_member(const json_t *object, const char *key, char ret[65])
{
	const char *text = json_str(object, key);

	if (!text || strlen(text) > 64)
		return false;
	memcpy(ret, text, strlen(text) + 1);
	return true;
}

bool
ground_parse(struct str text, struct ground *ret, struct err *err)
{
	AUTO(json_auto_decref) json_t *object = NULL;

	*ret = GROUND_START;
	if (!text.p)
		return true;
	if (!json_read(text, &object, err) || !hex_member(object, "chain", ret->chain) ||
	    !hex_member(object, "tail", ret->tail) || json_int(object, "offset", -1) < 0)
		return err_set(err, E_CORRUPT, "the batch's cursor in its file cannot be read");
	ret->offset = (uint64_t)json_int(object, "offset", 0);
	ret->line = (uint64_t)json_int(object, "line", 1);
	ret->records = (uint64_t)json_int(object, "records", 0);
	ret->open_end = json_bool(object, "open_end", false);
	ret->dev = (uint64_t)json_int(object, "dev", 0);
	ret->ino = (uint64_t)json_int(object, "ino", 0);
	ret->size = (uint64_t)json_int(object, "size", 0);
	ret->mtime_ns = json_int(object, "mtime_ns", 0);
	ret->known = true;
	return true;
}

/* Up to len bytes at `at`; fewer at the end of the file. -1: failed. */
static ssize_t
read_at(int fd, char *block, size_t len, uint64_t at, struct err *err)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(fd, block + got, len - got, (off_t)(at + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_errno(err, errno, "cannot be read");
			return -1;
		}
		if (!n)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

static void
hex_of(const struct str *parts, size_t count, char ret[65])
{
	AUTO(buf_fini) struct buf hex = BUF_INIT;
	struct digest digest = digest_of_parts(DIGEST_SHA256, parts, count);

	hex_encode(&hex, str_make(digest.bytes, digest.len));
	memcpy(ret, buf_cstr(&hex), 65);
}

/* From a state whose chain covers all whole blocks before `from`, on to offset. *ret_short: the
 * file ends before. */
static bool
walk(struct ground *g, int fd, uint64_t from, uint64_t offset, bool *ret_short, struct err *err)
{
	AUTO(auto_free) char *block = mem_alloc(BLOCK);
	uint64_t at = from / BLOCK * BLOCK;

	*ret_short = false;
	for (;;) {
		size_t want = offset - at < BLOCK ? (size_t)(offset - at) : BLOCK;
		ssize_t n = read_at(fd, block, want, at, err);
		const struct str parts[] = {str_of(g->chain),
					    str_make(block, n < 0 ? 0 : (size_t)n)};

		if (n < 0)
			return false;
		if ((size_t)n < want) {
			*ret_short = true;
			return true;
		}
		if (want < BLOCK) {
			hex_of(parts + 1, 1, g->tail);
			break;
		}
		hex_of(parts, 2, g->chain);
		at += BLOCK;
	}
	g->offset = offset;
	return true;
}

static void
stat_keep(struct ground *g, const struct stat *st)
{
	g->dev = (uint64_t)st->st_dev;
	g->ino = (uint64_t)st->st_ino;
	g->size = (uint64_t)st->st_size;
	g->mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
	g->known = true;
}

enum ground_is
ground_look(const struct ground *g, int fd, const struct stat *st, struct err *err)
{
	struct ground now = *g, is = GROUND_START;
	bool is_short;

	if (!g->known)
		return GROUND_SAME;
	stat_keep(&now, st);
	if (now.dev == g->dev && now.ino == g->ino && now.size == g->size &&
	    now.mtime_ns == g->mtime_ns)
		return GROUND_SAME;
	if ((uint64_t)st->st_size < g->offset)
		return GROUND_REPLACED;
	if (!walk(&is, fd, 0, g->offset, &is_short, err))
		return GROUND_FAILED;
	return !is_short && !strcmp(is.chain, g->chain) && !strcmp(is.tail, g->tail)
		       ? GROUND_GROWN
		       : GROUND_REPLACED;
}

bool
ground_move(struct ground *g, int fd, const struct stat *st, uint64_t offset, struct err *err)
{
	bool is_short;

	if (!walk(g, fd, g->offset, offset, &is_short, err))
		return false;
	stat_keep(g, st);
	return !is_short || err_set(err, E_IO, "became shorter while it was read");
}
