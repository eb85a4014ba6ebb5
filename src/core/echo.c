/* Echo: what Rouse itself has just written, so that a source which sees it knows by whom. SPEC 5.
 */
/* SPDX-License-Identifier: MIT */
#include "core/echo.h"

#include <assert.h>

#include "store/facts.h"

/* Whose facts these are: no trigger can have this name. */
#define OWNER "(echo)"
#define HASH_BYTES 32
#define KNOWN_MS 86400000LL
/* Those that are too old go when one is added, at most so many at a time. */
#define FORGET_MAX 64

/* A note: when, what, why. */
struct note {
	int64_t at_ms;
	char hash[HASH_BYTES];
};

static bool
note_cut(struct str value, struct note *ret, struct str *ret_cause)
{
	if (value.len < sizeof(*ret))
		return false;
	memcpy(ret, value.p, sizeof(*ret));
	*ret_cause = str_make(value.p + sizeof(*ret), value.len - sizeof(*ret));
	return true;
}

static bool
is_known(const struct core *core, const struct note *note)
{
	int64_t now = core_wall(core).ms;

	return note->at_ms > now - KNOWN_MS && note->at_ms < now + KNOWN_MS;
}

struct forgetting {
	const struct core *core;
	struct buf items;
	size_t lengths[FORGET_MAX], count;
};

static bool
on_fact(void *arg, const struct fact *fact)
{
	struct forgetting *old = arg;
	struct note note;
	struct str cause;

	if (note_cut(fact->value, &note, &cause) && is_known(old->core, &note))
		return true;
	buf_add_str(&old->items, fact->item);
	old->lengths[old->count++] = fact->item.len;
	return old->count < FORGET_MAX;
}

static bool
notes_forget(struct core *core, struct err *err)
{
	struct forgetting old = {.core = core};
	size_t at = 0;
	bool ok = facts_each(core->store, OWNER, STR_NONE, 0, on_fact, &old, err);

	for (size_t i = 0; ok && i < old.count; i++) {
		struct fact fact = {str_make(old.items.data + at, old.lengths[i]), STR_NONE};

		ok = facts_write(core->store, OWNER, &fact, 1, err);
		at += old.lengths[i];
	}
	buf_fini(&old.items);
	return ok;
}

bool
echo_note(struct core *core, const char *path, struct str sha256, struct str cause, struct err *err)
{
	AUTO(buf_fini) struct buf value = BUF_INIT;
	struct note note = {.at_ms = core_wall(core).ms};
	struct fact fact;

	assert(sha256.len == HASH_BYTES);
	memcpy(note.hash, sha256.p, HASH_BYTES);
	buf_add(&value, &note, sizeof(note));
	buf_add_str(&value, cause);
	fact = (struct fact){str_of(path), buf_str(&value)};
	return notes_forget(core, err) && facts_write(core->store, OWNER, &fact, 1, err);
}

static bool
note_get(struct core *core, struct str path, struct buf *value, struct note *ret,
	 struct str *ret_cause)
{
	AUTO(err_fini) struct err none = ERR_INIT;

	return facts_get(core->store, OWNER, path, value, &none) &&
	       note_cut(buf_str(value), ret, ret_cause) && is_known(core, ret);
}

bool
echo_is_noted(struct core *core, struct str path)
{
	AUTO(buf_fini) struct buf value = BUF_INIT;
	struct note note;
	struct str cause;

	return note_get(core, path, &value, &note, &cause);
}

bool
echo_find(struct core *core, struct str path, struct str sha256, struct buf *ret_cause)
{
	AUTO(buf_fini) struct buf value = BUF_INIT;
	struct note note;
	struct str cause;

	if (sha256.len != HASH_BYTES || !note_get(core, path, &value, &note, &cause) ||
	    memcmp(note.hash, sha256.p, HASH_BYTES) != 0)
		return false;
	buf_add_str(ret_cause, cause);
	return true;
}
