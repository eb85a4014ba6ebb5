/* Pack: what is known of files, as the bytes that the index keeps. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_FILE_PACK_H
#define ROUSE_TRIGGERS_FILE_PACK_H

#include "base/buf.h"
#include "base/err.h"

#define HASH_BYTES 32 /* SHA-256 */

/* A file at rest: two that are the same are the same content as far as the file system tells. */
struct version {
	uint64_t inode, size;
	int64_t mtime_ns; /* since 1970 */
	bool hashed;
	unsigned char hash[HASH_BYTES];
};
/* Inode, size and mtime; the hash does not count. */
bool version_same(const struct version *a, const struct version *b);
void version_pack(struct buf *out, const struct version *version);
/* From the front of *rest, which moves on; false: the bytes are damaged. */
bool version_unpack(struct str *rest, struct version *ret);

/* A name of a folder, and what the index has or shall have of it. Slices are borrowed. */
struct packed {
	uint32_t hash; /* pack_hash(name): the order of a folder's names */
	struct str name;
	bool gone; /* a change: it is no more */
	struct version version;
};
/* The same on every machine, for it is kept on disk. */
uint32_t pack_hash(struct str name);
/* By hash, then by the bytes of the name; for qsort too. */
int pack_order(const void *a, const void *b);

/* A chunk: names of one folder, in order. */
void pack_add(struct buf *chunk, const struct packed *entry);
/* The entries of a chunk (slices into it), owned array. E_CORRUPT: not what pack_add() wrote. */
bool pack_read(struct str chunk, struct packed **ret, size_t *ret_count, struct err *err);

#endif
