/* Index: what a trigger knows of the files below its root, durable, as facts of the store. */
/* SPDX-License-Identifier: MIT */
#include "triggers/file/index.h"

#include <assert.h>

/* Of a chunk: larger ones cost more to rewrite for one name,
 * smaller ones more rows. */
#define CHUNK_MAX 3600
#define CHUNK_FILL 1800
/* Notes that are folded at once. */
#define FOLD_MAX 512

static void
item_begin(struct buf *item, char kind, struct str folder)
{
	buf_clear(item);
	buf_putc(item, kind);
	buf_add_str(item, folder);
	buf_putc(item, '\0');
}

static void
chunk_item(struct buf *item, struct str folder, uint32_t upper)
{
	item_begin(item, 'c', folder);
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_putc(item, (char)(upper >> shift));
}

/* The item that stands before the first chunk whose upper bound is at least hash. */
static void
chunk_before(struct buf *item, struct str folder, uint32_t hash)
{
	if (hash)
		chunk_item(item, folder, hash - 1);
	else
		item_begin(item, 'c', folder);
}

/* KIND FOLDER NUL REST taken apart. */
static bool
item_cut(struct str item, struct str *ret_folder, struct str *ret_rest)
{
	const char *nul = item.len > 1 ? memchr(item.p + 1, '\0', item.len - 1) : NULL;

	if (!nul)
		return false;
	*ret_folder = str_make(item.p + 1, (size_t)(nul - item.p) - 1);
	*ret_rest = str_make(nul + 1, item.len - (size_t)(nul - item.p) - 1);
	return true;
}

static bool
chunk_cut(struct str item, struct str *ret_folder, uint32_t *ret_upper)
{
	struct str rest;
	const unsigned char *p;

	if (!item.len || item.p[0] != 'c' || !item_cut(item, ret_folder, &rest) || rest.len != 4)
		return false;
	p = (const unsigned char *)rest.p;
	*ret_upper = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	return true;
}

void
index_cut(struct str path, struct str *ret_folder, struct str *ret_name)
{
	size_t at = path.len;

	while (at && path.p[at - 1] != '/')
		at--;
	*ret_name = str_make(path.p + at, path.len - at);
	*ret_folder = str_make(path.p, at ? at - 1 : 0);
}

/* --- one chunk ----------------------------------------------------------------------------- */

struct chunk {
	struct str folder; /* whose chunk is looked for */
	bool found;
	uint32_t upper;
	struct buf value;
};

static bool
on_chunk(void *arg, const struct fact *fact)
{
	struct chunk *chunk = arg;
	struct str folder;
	uint32_t upper;

	/* The first behind the folder's last is another folder's. */
	if (chunk_cut(fact->item, &folder, &upper) && str_eq(folder, chunk->folder)) {
		chunk->found = true;
		chunk->upper = upper;
		buf_add_str(&chunk->value, fact->value);
	}
	return false;
}

/* The chunk that has, or would have, names of this hash. */
static bool
chunk_find(struct index *index, struct str folder, uint32_t hash, struct chunk *ret,
	   struct err *err)
{
	AUTO(buf_fini) struct buf before = BUF_INIT;

	buf_clear(&ret->value);
	ret->folder = folder;
	ret->found = false;
	ret->upper = UINT32_MAX;
	chunk_before(&before, folder, hash);
	return facts_each(index->store, index->trigger, buf_str(&before), 1, on_chunk, ret, err);
}

static bool
chunk_write(struct index *index, struct str folder, uint32_t upper, const struct buf *value,
	    struct err *err)
{
	AUTO(buf_fini) struct buf item = BUF_INIT;
	struct fact fact;

	chunk_item(&item, folder, upper);
	fact = (struct fact){buf_str(&item), value->len ? buf_str(value) : STR_NONE};
	return facts_write(index->store, index->trigger, &fact, 1, err);
}

bool
index_get(struct index *index, struct str path, struct version *ret, bool *ret_known,
	  struct err *err)
{
	AUTO(buf_fini) struct buf item = BUF_INIT;
	AUTO(buf_fini) struct buf value = BUF_INIT;
	AUTO(err_fini) struct err none = ERR_INIT;
	AUTO(auto_free) struct packed *entries = NULL;
	struct chunk chunk = {.value = BUF_INIT};
	struct packed wanted, *found = NULL;
	struct str folder, rest;
	size_t count = 0;
	bool ok;

	*ret_known = false;
	index_cut(path, &folder, &wanted.name);
	item_begin(&item, 'd', folder);
	buf_add_str(&item, wanted.name);
	if (facts_get(index->store, index->trigger, buf_str(&item), &value, &none)) {
		rest = buf_str(&value);
		*ret_known = rest.len > 0;
		return !rest.len || version_unpack(&rest, ret) ||
		       err_set(err, E_CORRUPT, "the index of files has a damaged note");
	}
	if (none.code != E_NOT_FOUND)
		return err_move(err, &none);
	wanted.hash = pack_hash(wanted.name);
	ok = chunk_find(index, folder, wanted.hash, &chunk, err) &&
	     (!chunk.found || pack_read(buf_str(&chunk.value), &entries, &count, err));
	if (ok && count)
		found = bsearch(&wanted, entries, count, sizeof(*entries), pack_order);
	if (found) {
		*ret = found->version;
		*ret_known = true;
	}
	buf_fini(&chunk.value);
	return ok;
}

/* --- notes --------------------------------------------------------------------------------- */

struct fact
index_note(struct index *index, struct str path, const struct version *version, struct buf *item,
	   struct buf *value)
{
	struct str folder, name;

	index_cut(path, &folder, &name);
	item_begin(item, 'd', folder);
	buf_add_str(item, name);
	buf_clear(value);
	if (version)
		version_pack(value, version);
	index->notes++;
	return (struct fact){buf_str(item), buf_str(value)};
}

bool
index_set(struct index *index, struct str path, const struct version *version, struct err *err)
{
	AUTO(buf_fini) struct buf item = BUF_INIT;
	AUTO(buf_fini) struct buf value = BUF_INIT;
	struct fact fact = index_note(index, path, version, &item, &value);

	return facts_write(index->store, index->trigger, &fact, 1, err);
}

struct notes {
	struct index_names names; /* in the order of their bytes */
	size_t room;
	struct buf folder; /* of them */
	bool any_folder, more, damaged;
};

/* Another name; its bytes may move until names_point(). */
static struct packed *
names_put(struct index_names *names, size_t *room, struct str name)
{
	if (names->count == *room) {
		*room = *room ? *room * 2 : 64;
		names->entries = mem_realloc(names->entries, *room * sizeof(*names->entries));
	}
	names->entries[names->count] = (struct packed){.name = str_make(NULL, name.len)};
	buf_add_str(&names->bytes, name);
	return &names->entries[names->count++];
}

static void
names_point(struct index_names *names)
{
	size_t at = 0;

	for (size_t i = 0; i < names->count; i++) {
		names->entries[i].name.p = names->bytes.data + at;
		at += names->entries[i].name.len;
	}
}

static bool
on_note(void *arg, const struct fact *fact)
{
	struct notes *notes = arg;
	struct str folder, name, value = fact->value;
	struct packed *entry;

	if (fact->item.p[0] != 'd')
		return false;
	if (!item_cut(fact->item, &folder, &name) || !name.len) {
		notes->damaged = true;
		return false;
	}
	if (!notes->names.count && notes->any_folder)
		buf_add_str(&notes->folder, folder);
	if (!str_eq(folder, buf_str(&notes->folder))) {
		notes->more = notes->any_folder;
		return false;
	}
	if (notes->names.count == FOLD_MAX) {
		notes->more = true;
		return false;
	}
	entry = names_put(&notes->names, &notes->room, name);
	entry->hash = pack_hash(name);
	entry->gone = !value.len;
	if (value.len && !version_unpack(&value, &entry->version))
		notes->damaged = true;
	return !notes->damaged;
}

static void
notes_fini(struct notes *notes)
{
	index_names_fini(&notes->names);
	buf_fini(&notes->folder);
}

/* The notes of folder (p NULL: of the first folder that has any). */
static bool
notes_read(struct index *index, struct str folder, struct notes *notes, struct err *err)
{
	AUTO(buf_fini) struct buf after = BUF_INIT;

	notes->any_folder = !folder.p;
	if (folder.p)
		item_begin(&after, 'd', folder);
	else
		buf_putc(&after, 'd');
	buf_add_str(&notes->folder, folder);
	if (!facts_each(index->store, index->trigger, buf_str(&after), FOLD_MAX + 1, on_note, notes,
			err))
		return false;
	names_point(&notes->names);
	return !notes->damaged || err_set(err, E_CORRUPT, "the index of files has a damaged note");
}

/* Those that were read are in the chunks now. */
static bool
notes_drop(struct index *index, const struct notes *notes, struct err *err)
{
	AUTO(buf_fini) struct buf item = BUF_INIT;

	for (size_t i = 0; i < notes->names.count; i++) {
		struct fact fact = {.value = STR_NONE};

		item_begin(&item, 'd', buf_str(&notes->folder));
		buf_add_str(&item, notes->names.entries[i].name);
		fact.item = buf_str(&item);
		if (!facts_write(index->store, index->trigger, &fact, 1, err))
			return false;
	}
	index->notes = index->notes > (int64_t)notes->names.count
			       ? index->notes - (int64_t)notes->names.count
			       : 0;
	return true;
}

static bool
notes_fold(struct index *index, struct str folder, bool *ret_more, struct err *err)
{
	struct notes notes = {0};
	bool ok = notes_read(index, folder, &notes, err);

	if (ok && notes.names.count) {
		struct packed *sorted = mem_alloc_array(notes.names.count, sizeof(*sorted));

		memcpy(sorted, notes.names.entries, notes.names.count * sizeof(*sorted));
		qsort(sorted, notes.names.count, sizeof(*sorted), pack_order);
		ok = index_merge(index, buf_str(&notes.folder), sorted, notes.names.count, err) &&
		     notes_drop(index, &notes, err);
		free(sorted);
	}
	*ret_more = notes.more;
	notes_fini(&notes);
	return ok;
}

bool
index_fold(struct index *index, bool *ret_more, struct err *err)
{
	if (!notes_fold(index, STR_NONE, ret_more, err))
		return false;
	if (!*ret_more)
		index->notes = 0;
	return true;
}

/* --- chunks -------------------------------------------------------------------------------- */

/* Bytes that these would take. */
static size_t
entries_size(const struct packed *entries, size_t count)
{
	size_t size = 1;

	for (size_t i = 0; i < count; i++)
		size += entries[i].name.len + 24 + (entries[i].version.hashed ? HASH_BYTES : 0);
	return size;
}

/* Entries of one chunk, in order. What has grown too large becomes several, half full: others will
 * come. The last keeps the upper bound of the chunk they are of. */
static bool
chunk_rewrite(struct index *index, struct str folder, const struct packed *entries, size_t count,
	      uint32_t upper, struct err *err)
{
	AUTO(buf_fini) struct buf value = BUF_INIT;
	size_t full = entries_size(entries, count) > CHUNK_MAX ? CHUNK_FILL : SIZE_MAX;

	for (size_t i = 0; i < count; i++) {
		pack_add(&value, &entries[i]);
		if (value.len < full || i + 1 == count || entries[i + 1].hash == entries[i].hash)
			continue;
		if (!chunk_write(index, folder, entries[i].hash, &value, err))
			return false;
		buf_clear(&value);
	}
	return chunk_write(index, folder, upper, &value, err);
}

/* Both in order; of one name the change counts. Returns how many are left. */
static size_t
entries_merge(const struct packed *old, size_t old_count, const struct packed *changes,
	      size_t change_count, struct packed *ret)
{
	size_t i = 0, j = 0, n = 0;

	while (i < old_count || j < change_count) {
		int order = i == old_count	? 1
			    : j == change_count ? -1
						: pack_order(&old[i], &changes[j]);

		if (order < 0) {
			ret[n++] = old[i++];
			continue;
		}
		if (!order)
			i++;
		if (!changes[j].gone)
			ret[n++] = changes[j];
		j++;
	}
	return n;
}

bool
index_merge(struct index *index, struct str folder, const struct packed *changes, size_t count,
	    struct err *err)
{
	struct chunk chunk = {.value = BUF_INIT};
	bool ok = true;

	for (size_t i = 0, end; ok && i < count; i = end) {
		AUTO(auto_free) struct packed *old = NULL;
		AUTO(auto_free) struct packed *merged = NULL;
		size_t old_count = 0, n;

		ok = chunk_find(index, folder, changes[i].hash, &chunk, err) &&
		     (!chunk.found || pack_read(buf_str(&chunk.value), &old, &old_count, err));
		for (end = i; ok && end < count && changes[end].hash <= chunk.upper;)
			end++;
		if (!ok)
			break;
		merged = mem_alloc_array(old_count + end - i, sizeof(*merged));
		n = entries_merge(old, old_count, changes + i, end - i, merged);
		ok = chunk_rewrite(index, folder, merged, n, chunk.upper, err);
	}
	buf_fini(&chunk.value);
	return ok;
}

void
index_names_fini(struct index_names *names)
{
	free(names->entries);
	buf_fini(&names->bytes);
	*names = (struct index_names){0};
}

/* Adds what lies in [from, to]. */
static void
names_add(struct index_names *names, size_t *room, const struct packed *entries, size_t count,
	  uint64_t from, uint32_t to)
{
	for (size_t i = 0; i < count; i++) {
		struct packed *entry;

		if (entries[i].hash < from || entries[i].hash > to)
			continue;
		entry = names_put(names, room, entries[i].name);
		entry->hash = entries[i].hash;
		entry->version = entries[i].version;
	}
}

bool
index_read(struct index *index, struct str folder, uint64_t from, uint32_t to, size_t limit,
	   struct index_names *ret, uint64_t *ret_next, struct err *err)
{
	struct chunk chunk = {.value = BUF_INIT};
	bool ok = true, more = index->notes > 0;
	uint64_t at = from;
	size_t room = 0;

	*ret = (struct index_names){0};
	while (more && ok)
		ok = notes_fold(index, folder, &more, err);
	while (ok && at <= to && (!limit || ret->count < limit)) {
		AUTO(auto_free) struct packed *entries = NULL;
		size_t count = 0;

		ok = chunk_find(index, folder, (uint32_t)at, &chunk, err) &&
		     (!chunk.found || pack_read(buf_str(&chunk.value), &entries, &count, err));
		if (!ok)
			break;
		names_add(ret, &room, entries, count, from, to);
		at = chunk.found ? (uint64_t)chunk.upper + 1 : (uint64_t)UINT32_MAX + 1;
	}
	buf_fini(&chunk.value);
	if (!ok) {
		index_names_fini(ret);
		return false;
	}
	names_point(ret);
	*ret_next = at > to ? (uint64_t)UINT32_MAX + 1 : at;
	return true;
}

/* --- folders ------------------------------------------------------------------------------- */

struct next_folder {
	struct buf *ret;
	bool found;
};

static bool
on_next(void *arg, const struct fact *fact)
{
	struct next_folder *next = arg;
	struct str folder;
	uint32_t upper;

	if (chunk_cut(fact->item, &folder, &upper)) {
		next->found = true;
		buf_clear(next->ret);
		buf_add_str(next->ret, folder);
	}
	return false;
}

bool
index_next(struct index *index, struct str after, struct buf *ret_folder, bool *ret_found,
	   struct err *err)
{
	AUTO(buf_fini) struct buf item = BUF_INIT;
	struct next_folder next = {ret_folder, false};

	/* Behind the last chunk of a folder comes the next one. */
	if (after.p)
		chunk_item(&item, after, UINT32_MAX);
	else
		buf_putc(&item, 'c');
	if (!facts_each(index->store, index->trigger, buf_str(&item), 1, on_next, &next, err))
		return false;
	*ret_found = next.found;
	return true;
}

/* --- about --------------------------------------------------------------------------------- */

bool
index_about_get(struct index *index, struct buf *ret, struct err *err)
{
	return facts_get(index->store, index->trigger, STR("about"), ret, err);
}

bool
index_about_set(struct index *index, struct str about, struct err *err)
{
	struct fact fact = {STR("about"), about};

	return facts_write(index->store, index->trigger, &fact, 1, err);
}

bool
index_forget(struct index *index, struct err *err)
{
	index->notes = 0;
	return facts_forget(index->store, index->trigger, err);
}
