/* Idempotency keys: which run a key of a trigger (or agent) already has. Promise 2. */
/* SPDX-License-Identifier: MIT */
#include "store/keys.h"

#include <stdlib.h>

#include "base/digest.h"
#include "store/internal.h"
#include "store/key_index.h"

/*
 * A hash falls anywhere, so one index of all keys would dirty a page a key, and a page is 4 KiB.
 * Instead:
 *
 * - A new key is appended to keys_new, and to `recent` in memory, where it is looked up.
 * - At PART_KEYS of them, `recent` becomes `frozen`, and is written in order of the hash behind the
 * end of `keys`, as a part of its own: some rows a turn, in the turns that come. Then the part has
 * its row in key_parts, and its rows leave keys_new.
 * - A part stays as it is until it is so old that all of it goes. Its filter, in memory, keeps
 * nearly every look away from it.
 *
 * What a turn did that was not committed is taken back in memory, too: keys_lost().
 */
#define PART_KEYS 65536
/* Rows of `frozen` that a turn moves: enough to be through long before `recent` is full again. */
#define MOVE_LEAST 128
#define MOVE_RATIO 4

enum { ADD, FIND, LOAD, PARTS, MOVE, PART_ADD, LOG_CLEAR, PART_CLEAR, PART_DROP, STATEMENTS };

static const struct statement list[] = {
	[ADD] = {"INSERT INTO keys_new (seq, hash, run, at, print) VALUES (:seq, :hash, :run, :at, "
		 ":print)",
		 NULL},
	[FIND] = {"SELECT run, at, print FROM keys WHERE part = :part AND hash = :hash", NULL},
	[LOAD] = {"SELECT seq, hash, run, at, print FROM keys_new WHERE seq > :after ORDER BY seq",
		  NULL},
	[PARTS] = {"SELECT part, last_seq, last_at, filter FROM key_parts ORDER BY part", NULL},
	[MOVE] = {"INSERT INTO keys (part, hash, run, at, print) VALUES (:part, :hash, :run, :at, "
		  ":print) "
		  "ON CONFLICT (part, hash) DO UPDATE SET run = excluded.run, at = excluded.at, "
		  "print = excluded.print",
		  NULL},
	[PART_ADD] = {"INSERT INTO key_parts (part, last_seq, last_at, n, filter) VALUES (:part, "
		      ":last_seq, :last_at, :n, :filter)",
		      NULL},
	[LOG_CLEAR] = {"DELETE FROM keys_new WHERE seq <= :upto", NULL},
	[PART_CLEAR] = {"DELETE FROM keys WHERE part = :part AND hash <= (SELECT MAX(hash) FROM "
			"(SELECT hash FROM keys WHERE part = :part ORDER BY hash LIMIT :most))",
			NULL},
	[PART_DROP] = {"DELETE FROM key_parts WHERE part = :part", NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements keys_statements = {"keys", list, STATEMENTS};

struct key_part {
	int64_t part, last_at;
	struct key_filter filter;
};

/* What a turn moves forward. */
struct key_state {
	size_t recent;	/* entries */
	size_t moved;	/* of frozen, into its part */
	size_t cleared; /* of frozen, from keys_new */
	bool listed;	/* its part has its row */
};

struct key_index {
	struct key_log recent, frozen;
	uint32_t *order;	       /* of frozen */
	struct key_state now, durable; /* now.recent is not kept: recent.count is it */
	struct key_part *parts;
	size_t part_count;
	int64_t next_part, next_seq;
	size_t expired;	 /* of recent, gone from keys_new */
	int64_t horizon; /* what is older is forgotten, if it is still there or not */
};

static bool
part_load(struct key_index *keys, int64_t part, int64_t last_at, struct str filter)
{
	struct key_part p = {.part = part, .last_at = last_at};
	if (filter.len % 64 || !filter.len)
		return false;
	p.filter.blocks = filter.len / 64;
	p.filter.words = (uint64_t *)(void *)mem_memdup(filter.p, filter.len);
	keys->parts = mem_realloc(keys->parts, (keys->part_count + 1) * sizeof(*keys->parts));
	keys->parts[keys->part_count++] = p;
	return true;
}

/* --- at start --- */

static bool
parts_load(struct store *store, int64_t *ret_after, struct err *err)
{
	struct key_index *keys = store->keys;
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_KEYS, PARTS, err);
	*ret_after = 0;
	if (!q)
		return false;
	while ((step = query_step(q, err)) == STEP_ROW) {
		if (!part_load(keys, query_get_int(q, 0), query_get_int(q, 2),
			       query_get_blob(q, 3)))
			return err_set(err, E_CORRUPT, "the filter of key part %lld is not whole",
				       (long long)query_get_int(q, 0));
		keys->next_part = query_get_int(q, 0) + 1;
		*ret_after = query_get_int(q, 1);
	}
	return step == STEP_DONE;
}

static bool
log_clear(struct store *store, int64_t upto, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_KEYS, LOG_CLEAR, err);
	if (!q)
		return false;
	query_int(q, "upto", upto);
	return query_run(q, NULL, err);
}

static bool
recent_load(struct store *store, int64_t after, struct err *err)
{
	struct key_index *keys = store->keys;
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_KEYS, LOAD, err);
	if (!q)
		return false;
	query_int(q, "after", after);
	while ((step = query_step(q, err)) == STEP_ROW) {
		struct str hash = query_get_blob(q, 1);
		struct key_entry entry = {.seq = query_get_int(q, 0),
					  .run = query_get_int(q, 2),
					  .at_ms = query_get_int(q, 3),
					  .print = (uint64_t)query_get_int(q, 4)};
		if (hash.len != KEY_HASH)
			return err_set(err, E_CORRUPT, "key number %lld is no hash",
				       (long long)entry.seq);
		memcpy(entry.hash, hash.p, KEY_HASH);
		key_log_add(&keys->recent, &entry);
		keys->next_seq = entry.seq + 1;
	}
	return step == STEP_DONE;
}

/* Nothing is written: a part that was torn by a death has no row, and all of it is in keys_new
 * still; it is written again, under the same number. What keys_new has of a whole part goes with
 * the next that is cleared. */
bool
keys_load(struct store *store, struct err *err)
{
	int64_t after;
	store->keys = mem_alloc(sizeof(*store->keys));
	store->keys->horizon = INT64_MIN;
	store->keys->next_part = 1;
	if (!parts_load(store, &after, err))
		return false;
	store->keys->next_seq = after + 1;
	if (!recent_load(store, after, err))
		return false;
	keys_kept(store);
	return true;
}

void
keys_free(struct store *store)
{
	struct key_index *keys = store->keys;
	if (!keys)
		return;
	for (size_t i = 0; i < keys->part_count; i++)
		key_filter_fini(&keys->parts[i].filter);
	key_log_fini(&keys->recent);
	key_log_fini(&keys->frozen);
	free(keys->order);
	free(keys->parts);
	free(keys);
	store->keys = NULL;
}

/* --- with the turn --- */

size_t
keys_mark(const struct store *store)
{
	return store->keys ? store->keys->recent.count : 0;
}

void
keys_back_to(struct store *store, size_t mark)
{
	key_log_cut(&store->keys->recent, mark);
}

static void
frozen_begin(struct key_index *keys)
{
	keys->frozen = keys->recent;
	keys->recent = (struct key_log){0};
	keys->order = key_log_order(&keys->frozen);
	keys->now = (struct key_state){.cleared = keys->expired};
	keys->expired = 0;
}

/* In memory from here on: the part; in the file it is whole already. */
static void
frozen_end(struct key_index *keys)
{
	free(keys->order);
	keys->order = NULL;
	key_log_fini(&keys->frozen);
	keys->now = (struct key_state){0};
}

void
keys_kept(struct store *store)
{
	struct key_index *keys = store->keys;
	if (!keys)
		return;
	if (keys->frozen.count && keys->now.cleared == keys->frozen.count)
		frozen_end(keys);
	if (!keys->frozen.count && keys->recent.count >= PART_KEYS)
		frozen_begin(keys);
	keys->durable = keys->now;
	keys->durable.recent = keys->recent.count;
}

void
keys_lost(struct store *store)
{
	struct key_index *keys = store->keys;
	if (!keys)
		return;
	if (keys->now.listed && !keys->durable.listed)
		key_filter_fini(&keys->parts[--keys->part_count].filter);
	if (keys->now.listed && !keys->durable.listed)
		keys->next_part--;
	key_log_cut(&keys->recent, keys->durable.recent);
	keys->now = keys->durable;
}

static bool
move_one(struct store *store, const struct key_entry *entry, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_KEYS, MOVE, err);
	if (!q)
		return false;
	query_int(q, "part", store->keys->next_part);
	query_blob(q, "hash", str_make(entry->hash, KEY_HASH));
	query_int(q, "run", entry->run);
	query_int(q, "at", entry->at_ms);
	query_int(q, "print", (int64_t)entry->print);
	return query_run(q, NULL, err);
}

static bool
part_add(struct store *store, struct err *err)
{
	struct key_index *keys = store->keys;
	struct key_filter filter;
	int64_t last_at = INT64_MIN;
	key_filter_init(&filter, keys->frozen.count);
	for (size_t i = 0; i < keys->frozen.count; i++) {
		key_filter_add(&filter, keys->frozen.list[i].hash);
		if (keys->frozen.list[i].at_ms > last_at)
			last_at = keys->frozen.list[i].at_ms;
	}
	struct str words = str_make(filter.words, filter.blocks * 64);
	AUTO(query_end) struct query *q = query_write(store, ROOM_KEYS, PART_ADD, err);
	bool ok = q != NULL;
	if (ok) {
		query_int(q, "part", keys->next_part);
		query_int(q, "last_seq", keys->frozen.list[keys->frozen.count - 1].seq);
		query_int(q, "last_at", last_at);
		query_int(q, "n", (int64_t)keys->frozen.count);
		query_blob(q, "filter", words);
		ok = query_run(q, NULL, err) && part_load(keys, keys->next_part, last_at, words);
	}
	if (ok) {
		keys->now.listed = true;
		keys->next_part++;
	}
	key_filter_fini(&filter);
	return ok;
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The part's rows, then its row, then what it took the place of: a few of them with every turn. */
void
keys_work(struct store *store)
{
	struct key_index *keys = store->keys;
	AUTO(err_fini) struct err err = ERR_INIT;
	bool ok = true;
	if (!keys || !keys->frozen.count || store->failed.code != E_OK)
		return;
	size_t claims = keys->recent.count - keys->durable.recent;
	size_t n = claims * MOVE_RATIO > MOVE_LEAST ? claims * MOVE_RATIO : MOVE_LEAST;
	if (keys->now.moved < keys->frozen.count) {
		size_t end = least(keys->now.moved + n, keys->frozen.count);
		while (ok && keys->now.moved < end)
			ok = move_one(store, &keys->frozen.list[keys->order[keys->now.moved++]],
				      &err);
	} else if (!keys->now.listed) {
		ok = part_add(store, &err);
	} else {
		keys->now.cleared = least(keys->now.cleared + n, keys->frozen.count);
		ok = log_clear(store, keys->frozen.list[keys->now.cleared - 1].seq, &err);
	}
	if (!ok)
		turn_fail(store, &err);
}

/* --- looking --- */

static bool
part_look(struct store *store, int64_t part, const unsigned char *hash, struct key_entry *ret,
	  struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_KEYS, FIND, err);
	if (!q)
		return false;
	query_int(q, "part", part);
	query_blob(q, "hash", str_make(hash, KEY_HASH));
	enum driver_step step = query_step(q, err);
	if (step == STEP_ROW && query_get_int(q, 1) >= store->keys->horizon) {
		ret->run = query_get_int(q, 0);
		ret->at_ms = query_get_int(q, 1);
		ret->print = (uint64_t)query_get_int(q, 2);
	}
	return step != STEP_FAILED;
}

/* ret->run 0: unknown. The newest first: what expired may have come again. */
static bool
keys_look(struct store *store, const unsigned char *hash, struct key_entry *ret, struct err *err)
{
	const struct key_index *keys = store->keys;
	ret->run = 0;
	if (!keys)
		return err_set(
			err, E_STATE,
			"this connection only reads; look for keys through the daemon's own");
	const struct key_entry *entry = key_log_find(&keys->recent, hash, keys->horizon);
	if (!entry)
		entry = key_log_find(&keys->frozen, hash, keys->horizon);
	if (entry) {
		*ret = *entry;
		return true;
	}
	for (size_t i = keys->part_count; i > 0 && !ret->run; i--) {
		const struct key_part *part = &keys->parts[i - 1];
		if (part->last_at >= keys->horizon && key_filter_may_have(&part->filter, hash) &&
		    !part_look(store, part->part, hash, ret, err))
			return false;
	}
	return true;
}

static struct digest
hash_of(struct str scope, struct str key)
{
	const struct str parts[] = {scope, {"", 1}, key};
	return digest_of_parts(DIGEST_SHA256, parts, ARRAY_LEN(parts));
}

bool
keys_claim(struct store *store, struct str scope, struct str key, uint64_t fingerprint, int64_t run,
	   struct wall now, int64_t *ret_known, bool *ret_same_print, struct err *err)
{
	struct digest d = hash_of(scope, key);
	struct key_entry known;
	if (!turn_begin(store, err) || !keys_look(store, d.bytes, &known, err))
		return false;
	*ret_known = known.run;
	*ret_same_print = !known.run || !fingerprint || !known.print || fingerprint == known.print;
	if (known.run)
		return true;
	struct key_entry entry = {
		.seq = store->keys->next_seq, .run = run, .at_ms = now.ms, .print = fingerprint};
	memcpy(entry.hash, d.bytes, KEY_HASH);
	AUTO(query_end) struct query *q = query_write(store, ROOM_KEYS, ADD, err);
	if (!q)
		return false;
	query_int(q, "seq", entry.seq);
	query_blob(q, "hash", str_make(entry.hash, KEY_HASH));
	query_int(q, "run", run);
	query_int(q, "at", now.ms);
	query_int(q, "print", (int64_t)fingerprint);
	if (!query_run(q, NULL, err))
		return false;
	store->keys->next_seq++;
	key_log_add(&store->keys->recent, &entry);
	return true;
}

bool
keys_find(struct store *store, struct str scope, struct str key, int64_t *ret_run, struct err *err)
{
	struct digest d = hash_of(scope, key);
	struct key_entry known;
	if (!keys_look(store, d.bytes, &known, err))
		return false;
	*ret_run = known.run;
	return true;
}

/* --- forgetting --- */

static bool
part_clear(struct store *store, int64_t part, unsigned most, int64_t *ret_gone, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_KEYS, PART_CLEAR, err);
	if (!q)
		return false;
	query_int(q, "part", part);
	query_int(q, "most", most);
	return query_run(q, ret_gone, err);
}

static bool
part_drop(struct store *store, size_t i, struct err *err)
{
	struct key_index *keys = store->keys;
	AUTO(query_end) struct query *q = query_write(store, ROOM_KEYS, PART_DROP, err);
	if (!q)
		return false;
	query_int(q, "part", keys->parts[i].part);
	if (!query_run(q, NULL, err))
		return false;
	key_filter_fini(&keys->parts[i].filter);
	keys->part_count--;
	memmove(&keys->parts[i], &keys->parts[i + 1],
		(keys->part_count - i) * sizeof(*keys->parts));
	return true;
}

/* Whole parts, the newest excepted: its number must not be given again, nor that of its last key.
 */
static bool
parts_expire(struct store *store, struct wall before, unsigned *most, struct err *err)
{
	struct key_index *keys = store->keys;
	for (size_t i = 0; i + 1 < keys->part_count && *most;) {
		int64_t gone;
		if (keys->parts[i].last_at >= before.ms) {
			i++;
			continue;
		}
		if (!part_clear(store, keys->parts[i].part, *most, &gone, err))
			return false;
		*most -= (unsigned)gone;
		if (!gone && !part_drop(store, i, err))
			return false;
	}
	return true;
}

static bool
recent_expire(struct store *store, struct wall before, unsigned *most, struct err *err)
{
	struct key_index *keys = store->keys;
	size_t end = keys->expired;
	while (end < keys->durable.recent && end - keys->expired < *most &&
	       keys->recent.list[end].at_ms < before.ms)
		end++;
	if (end == keys->expired)
		return true;
	if (!log_clear(store, keys->recent.list[end - 1].seq, err))
		return false;
	*most -= (unsigned)(end - keys->expired);
	keys->expired = end;
	return true;
}

bool
keys_expire(struct store *store, struct wall before, unsigned most, unsigned *ret_gone,
	    struct err *err)
{
	unsigned left = most;
	*ret_gone = 0;
	if (!turn_begin(store, err))
		return false;
	if (before.ms > store->keys->horizon)
		store->keys->horizon = before.ms;
	if (!parts_expire(store, before, &left, err))
		return false;
	/* While frozen keys are on their way, those before them in keys_new are not recent's to
	 * clear. */
	if (!store->keys->frozen.count && !recent_expire(store, before, &left, err))
		return false;
	*ret_gone = most - left;
	return true;
}
