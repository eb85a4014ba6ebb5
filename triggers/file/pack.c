/* Pack: what is known of files, as the bytes that the index keeps. */
/* SPDX-License-Identifier: MIT */
#include "triggers/file/pack.h"

/* The first byte of a chunk: the form of what follows. */
#define FORM 1
#define HAS_HASH 1

bool
version_same(const struct version *a, const struct version *b)
{
	return a->inode == b->inode && a->size == b->size && a->mtime_ns == b->mtime_ns;
}

/* Seven bits a byte, the lowest first; the highest bit says that more follow. */
static void
number_pack(struct buf *out, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		buf_putc(out, (char)(0x80 | (n & 0x7f)));
	buf_putc(out, (char)n);
}

static bool
number_unpack(struct str *rest, uint64_t *ret)
{
	uint64_t n = 0;

	for (unsigned shift = 0; shift < 64 && rest->len; shift += 7) {
		unsigned char c = (unsigned char)rest->p[0];

		*rest = str_make(rest->p + 1, rest->len - 1);
		if (shift == 63 && c > 1)
			return false;
		n |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*ret = n;
			return true;
		}
	}
	return false;
}

static bool
bytes_unpack(struct str *rest, size_t len, const char **ret)
{
	if (rest->len < len)
		return false;
	*ret = rest->p;
	*rest = str_make(rest->p + len, rest->len - len);
	return true;
}

void
version_pack(struct buf *out, const struct version *version)
{
	uint64_t mtime = (uint64_t)version->mtime_ns;

	buf_putc(out, version->hashed ? HAS_HASH : 0);
	number_pack(out, version->inode);
	number_pack(out, version->size);
	for (unsigned shift = 0; shift < 64; shift += 8)
		buf_putc(out, (char)(mtime >> shift));
	if (version->hashed)
		buf_add(out, version->hash, HASH_BYTES);
}

bool
version_unpack(struct str *rest, struct version *ret)
{
	const char *flags, *mtime, *hash;
	uint64_t ns = 0;

	*ret = (struct version){0};
	if (!bytes_unpack(rest, 1, &flags) || (*flags & ~HAS_HASH) ||
	    !number_unpack(rest, &ret->inode) || !number_unpack(rest, &ret->size) ||
	    !bytes_unpack(rest, 8, &mtime))
		return false;
	for (unsigned i = 0; i < 8; i++)
		ns |= (uint64_t)(unsigned char)mtime[i] << (8 * i);
	ret->mtime_ns = (int64_t)ns;
	ret->hashed = *flags & HAS_HASH;
	if (!ret->hashed)
		return true;
	if (!bytes_unpack(rest, HASH_BYTES, &hash))
		return false;
	memcpy(ret->hash, hash, HASH_BYTES);
	return true;
}

/* FNV-1a, its bits mixed once more: names that differ in the last digit lie apart. */
uint32_t
pack_hash(struct str name)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (unsigned char)name.p[i]) * 16777619u;
	h = (h ^ (h >> 16)) * 0x85ebca6bu;
	h = (h ^ (h >> 13)) * 0xc2b2ae35u;
	return h ^ (h >> 16);
}

int
pack_order(const void *a, const void *b)
{
	const struct packed *x = a, *y = b;
	size_t least = x->name.len < y->name.len ? x->name.len : y->name.len;
	int order;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	order = least ? memcmp(x->name.p, y->name.p, least) : 0;
	return order ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

void
pack_add(struct buf *chunk, const struct packed *entry)
{
	if (!chunk->len)
		buf_putc(chunk, FORM);
	number_pack(chunk, entry->name.len);
	buf_add_str(chunk, entry->name);
	version_pack(chunk, &entry->version);
}

static bool
entry_unpack(struct str *rest, struct packed *ret)
{
	uint64_t len;
	const char *name;

	if (!number_unpack(rest, &len) || !len || len > rest->len ||
	    !bytes_unpack(rest, len, &name))
		return false;
	*ret = (struct packed){.name = str_make(name, len)};
	ret->hash = pack_hash(ret->name);
	return version_unpack(rest, &ret->version);
}

bool
pack_read(struct str chunk, struct packed **ret, size_t *ret_count, struct err *err)
{
	AUTO(auto_free) struct packed *entries = NULL;
	struct str rest = chunk;
	size_t count = 0, room = 0;

	if (!rest.len || rest.p[0] != FORM)
		return err_set(err, E_CORRUPT, "the index of files has a chunk of unknown form");
	rest = str_make(rest.p + 1, rest.len - 1);
	while (rest.len) {
		if (count == room) {
			room = room ? room * 2 : 32;
			entries = mem_realloc(entries, room * sizeof(*entries));
		}
		if (!entry_unpack(&rest, &entries[count]) ||
		    (count && pack_order(&entries[count - 1], &entries[count]) >= 0))
			return err_set(err, E_CORRUPT, "the index of files has a damaged chunk");
		count++;
	}
	*ret = TAKE(entries);
	*ret_count = count;
	return true;
}
