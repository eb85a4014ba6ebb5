/* Idempotency keys: which run a key of a trigger (or agent) already has. Promise 2. */
/* SPDX-License-Identifier: MIT */
#include "store/keys.h"

#include "base/digest.h"
#include "store/internal.h"

#define HASH_BYTES 16

enum { CLAIM, FIND, EXPIRE, STATEMENTS };

static const struct statement list[] = {
	[CLAIM] = {"INSERT INTO keys (hash, run, at, print) VALUES (:hash, :run, :at, :print) "
		   "ON CONFLICT (hash) DO NOTHING",
		   NULL},
	[FIND] = {"SELECT run, print FROM keys WHERE hash = :hash", NULL},
	[EXPIRE] = {"DELETE FROM keys WHERE hash IN (SELECT hash FROM keys WHERE at < :before LIMIT :most)", NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements keys_statements = {"keys", list, STATEMENTS};

static struct digest hash_of(struct str scope, struct str key)
{
	const struct str parts[] = {scope, {"", 1}, key};
	return digest_of_parts(DIGEST_SHA256, parts, ARRAY_LEN(parts));
}

bool keys_load(struct store *store UNUSED, struct err *err UNUSED)
{
	return true;
}
uint64_t keys_mark(const struct store *store UNUSED)
{
	return 0;
}
void keys_back_to(struct store *store UNUSED, uint64_t mark UNUSED)
{
}
void keys_kept(struct store *store UNUSED)
{
}
void keys_free(struct store *store UNUSED)
{
}

static bool keys_look(struct store *store, struct str hash, int64_t *ret_run, uint64_t *ret_print,
		      struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_KEYS, FIND, err);
	*ret_run = 0;
	if (!q)
		return false;
	query_blob(q, "hash", hash);
	enum driver_step step = query_step(q, err);
	if (step == STEP_ROW) {
		*ret_run = query_get_int(q, 0);
		*ret_print = (uint64_t)query_get_int(q, 1);
	}
	return step != STEP_FAILED;
}

bool keys_claim(struct store *store, struct str scope, struct str key, uint64_t fingerprint,
		int64_t run, struct wall now, int64_t *ret_known, bool *ret_same_print,
		struct err *err)
{
	struct digest d = hash_of(scope, key);
	struct str hash = str_make(d.bytes, HASH_BYTES);
	int64_t changed;
	uint64_t print = 0;
	AUTO(query_end) struct query *q = query_write(store, ROOM_KEYS, CLAIM, err);
	*ret_same_print = true;
	*ret_known = 0;
	if (!q)
		return false;
	query_blob(q, "hash", hash);
	query_int(q, "run", run);
	query_int(q, "at", now.ms);
	query_int(q, "print", (int64_t)fingerprint);
	if (!query_run(q, &changed, err))
		return false;
	if (changed)
		return true;
	if (!keys_look(store, hash, ret_known, &print, err))
		return false;
	*ret_same_print = !fingerprint || !print || fingerprint == print;
	return true;
}

bool keys_find(struct store *store, struct str scope, struct str key, int64_t *ret_run,
	       struct err *err)
{
	struct digest d = hash_of(scope, key);
	uint64_t print;
	return keys_look(store, str_make(d.bytes, HASH_BYTES), ret_run, &print, err);
}

bool keys_expire(struct store *store, struct wall before, unsigned most, unsigned *ret_gone,
		 struct err *err)
{
	int64_t changed = 0;
	AUTO(query_end) struct query *q = query_write(store, ROOM_KEYS, EXPIRE, err);
	*ret_gone = 0;
	if (!q)
		return false;
	query_int(q, "before", before.ms);
	query_int(q, "most", most);
	if (!query_run(q, &changed, err))
		return false;
	*ret_gone = (unsigned)changed;
	return true;
}
