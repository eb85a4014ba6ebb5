/* The journal of a mailbox: what was judged, what waits, what is to be marked; kept in memory,
 * written to the trigger's cursor and facts. */
/* SPDX-License-Identifier: MIT */
#include "triggers/imap/journal_parts.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/digest.h"
#include "base/log.h"
#include "store/events.h"
#include "store/state.h"

/* Facts: u/UID judged; p/UID tries: waits; n/UID event: to be marked ("copied" behind it: to be
 * deleted still); m/DAY/IDENTITY: known. */
#define UID_ITEM "%c/%010" PRIu64
#define DAY_MS 86400000
#define DROPS 24   /* old facts that one event takes along */
#define PRUNED 500 /* identities at a time */

/* --- small changes -------------------------------------------------------------------------------
 */

static struct journal_uid *
judged_find(const struct journal *j, uint64_t uid)
{
	struct journal_uid *found;

	HASH_FIND(hh, j->judged, &uid, sizeof(uid), found);
	return found;
}

void
journal_judged_note(struct journal *j, uint64_t uid)
{
	struct journal_uid *entry = judged_find(j, uid);

	if (entry)
		return;
	entry = mem_alloc(sizeof(*entry));
	entry->uid = uid;
	HASH_ADD(hh, j->judged, uid, sizeof(entry->uid), entry);
}

struct journal_pending *
journal_find_pending(const struct journal *j, uint64_t uid)
{
	struct journal_pending *found;

	HASH_FIND(hh, j->pending, &uid, sizeof(uid), found);
	return found;
}

struct journal_pending *
journal_pending_note(struct journal *j, uint64_t uid)
{
	struct journal_pending *entry = journal_find_pending(j, uid);

	if (entry)
		return entry;
	entry = mem_alloc(sizeof(*entry));
	entry->uid = uid;
	HASH_ADD(hh, j->pending, uid, sizeof(entry->uid), entry);
	return entry;
}

static void
pending_drop(struct journal *j, uint64_t uid)
{
	struct journal_pending *entry = journal_find_pending(j, uid);

	if (!entry)
		return;
	HASH_DEL(j->pending, entry);
	free(entry);
}

static struct journal_mark *
mark_find(const struct journal *j, uint64_t uid)
{
	struct journal_mark *found;

	HASH_FIND(hh, j->marks, &uid, sizeof(uid), found);
	return found;
}

struct journal_mark *
journal_mark_note(struct journal *j, uint64_t uid)
{
	struct journal_mark *entry = mark_find(j, uid);

	if (entry)
		return entry;
	entry = mem_alloc(sizeof(*entry));
	entry->uid = uid;
	HASH_ADD(hh, j->marks, uid, sizeof(entry->uid), entry);
	return entry;
}

void
journal_known_note(struct journal *j, struct str identity)
{
	struct journal_known *entry;

	if (identity.len != IDENTITY_LEN)
		return;
	HASH_FIND(hh, j->known, identity.p, identity.len, entry);
	if (entry)
		return;
	entry = mem_alloc(sizeof(*entry));
	memcpy(entry->identity, identity.p, identity.len);
	HASH_ADD_KEYPTR(hh, j->known, entry->identity, IDENTITY_LEN, entry);
}

bool
journal_is_known(const struct journal *j, const char *identity)
{
	struct journal_known *entry;

	HASH_FIND(hh, j->known, identity, strlen(identity), entry);
	return entry != NULL;
}

bool
journal_is_judged(const struct journal *j, uint64_t uid)
{
	return uid <= j->floor || judged_find(j, uid) ||
	       (uid <= j->last && uid + JOURNAL_WINDOW <= j->last);
}

#define FORGET_ALL(head)                                                                           \
	do {                                                                                       \
		__typeof__(head) entry_, next_;                                                    \
		HASH_ITER (hh, head, entry_, next_) {                                              \
			HASH_DEL(head, entry_);                                                    \
			free(entry_);                                                              \
		}                                                                                  \
	} while (0)

void
journal_fini(struct journal *j)
{
	FORGET_ALL(j->judged);
	FORGET_ALL(j->pending);
	FORGET_ALL(j->marks);
	FORGET_ALL(j->known);
}

/* --- cursor and facts
 * ------------------------------------------------------------------------------ */

static void
cursor_print(const struct journal *j, struct buf *out)
{
	buf_printf(out,
		   "1 %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %d %" PRId64,
		   j->place, j->uidvalidity, j->last, j->floor, j->until,
		   wall_is_set(j->since) ? j->since.ms : 0, j->reset,
		   wall_is_set(j->newest) ? j->newest.ms : 0);
}

bool
journal_save(struct journal *j, struct err *err)
{
	AUTO(buf_fini) struct buf cursor = BUF_INIT;

	cursor_print(j, &cursor);
	return cursors_set(j->core->store, j->trigger, buf_str(&cursor), err);
}

/* One fact outside of an event. value p NULL: forgotten. */
static bool
uid_fact(struct journal *j, char kind, uint64_t uid, struct str value, struct err *err)
{
	char item[32];

	snprintf(item, sizeof(item), UID_ITEM, kind, uid);
	return facts_write(j->core->store, j->trigger, &(struct fact){str_of(item), value}, 1, err);
}

/* --- epochs
 * ----------------------------------------------------------------------------------------- */

bool
journal_begin(struct journal *j, uint64_t uidvalidity, uint64_t floor, uint64_t until,
	      struct wall since, struct err *err)
{
	FORGET_ALL(j->judged);
	FORGET_ALL(j->pending);
	FORGET_ALL(j->marks);
	j->exists = true;
	j->uidvalidity = uidvalidity;
	j->floor = j->last = floor;
	j->until = until;
	j->since = since;
	j->reset = false;
	j->newest = core_wall(j->core);
	return facts_forget(j->core->store, j->trigger, err) && journal_save(j, err);
}

static bool
kinds_forget(struct journal *j, struct err *err)
{
	struct journal_uid *judged, *next_judged;
	struct journal_pending *pending, *next_pending;
	struct journal_mark *mark, *next_mark;
	bool ok = true;

	HASH_ITER (hh, j->judged, judged, next_judged)
		ok = ok && uid_fact(j, 'u', judged->uid, STR_NONE, err);
	HASH_ITER (hh, j->pending, pending, next_pending)
		ok = ok && uid_fact(j, 'p', pending->uid, STR_NONE, err);
	HASH_ITER (hh, j->marks, mark, next_mark)
		ok = ok && uid_fact(j, 'n', mark->uid, STR_NONE, err);
	FORGET_ALL(j->judged);
	FORGET_ALL(j->pending);
	FORGET_ALL(j->marks);
	return ok;
}

bool
journal_reset(struct journal *j, uint64_t uidvalidity, uint64_t until, struct err *err)
{
	if (HASH_COUNT(j->marks))
		log_warning("messages are not marked, as their numbers are void", "trigger",
			    j->trigger);
	if (!kinds_forget(j, err))
		return false;
	j->uidvalidity = uidvalidity;
	j->floor = j->last = 0;
	j->until = until;
	j->reset = true;
	j->since = WALL_NONE;
	if (wall_is_set(j->newest))
		j->since = (struct wall){j->newest.ms - JOURNAL_BACK_MS};
	return facts_each(j->core->store, j->trigger, STR("m/"), 0, journal_on_fact, j, err) &&
	       journal_save(j, err);
}

bool
journal_range_done(struct journal *j, struct err *err)
{
	j->floor = j->until;
	j->last = j->last > j->until ? j->last : j->until;
	j->until = 0;
	j->reset = false;
	FORGET_ALL(j->known);
	return journal_save(j, err);
}

void
journal_advance(struct journal *j, uint64_t uid)
{
	if (uid > j->last)
		j->last = uid;
}

struct known_prune {
	struct buf items; /* a line each */
	int64_t before;	  /* day */
};

static bool
on_known_fact(void *arg, const struct fact *fact)
{
	struct known_prune *prune = arg;
	struct str day;
	int64_t number;

	if (!str_starts(fact->item, STR("m/")))
		return false;
	str_split(str_make(fact->item.p + 2, fact->item.len - 2), '/', &day);
	if (!str_to_i64(day, &number) || number >= prune->before)
		return false;
	buf_add_str(&prune->items, fact->item);
	buf_putc(&prune->items, '\n');
	return true;
}

bool
journal_prune(struct journal *j, struct err *err)
{
	struct known_prune prune = {BUF_INIT, 0};
	struct str rest, line;
	bool ok;

	if (!wall_is_set(j->newest))
		return true;
	prune.before = j->newest.ms / DAY_MS - JOURNAL_KNOWN_DAYS;
	ok = facts_each(j->core->store, j->trigger, STR("m/"), PRUNED, on_known_fact, &prune, err);
	for (rest = buf_str(&prune.items); ok && rest.p && rest.len;) {
		rest = str_split(rest, '\n', &line);
		ok = facts_write(j->core->store, j->trigger, &(struct fact){line, STR_NONE}, 1,
				 err);
	}
	buf_fini(&prune.items);
	return ok;
}

/* --- entries
 * ------------------------------------------------------------------------------------------ */

static void
entry_add(struct journal_entry *entry, const char *item, const char *value)
{
	size_t i = entry->count++;

	buf_puts(&entry->text, item);
	entry->ends[i][0] = entry->text.len;
	buf_puts(&entry->text, value ? value : "");
	entry->ends[i][1] = entry->text.len;
	entry->forgets[i] = !value;
}

/* Slices only once the text grows no more. */
static void
entry_close(struct journal_entry *entry)
{
	size_t at = 0;

	for (size_t i = 0; i < entry->count; i++) {
		const char *text = entry->text.data;

		entry->facts[i].item = str_make(text + at, entry->ends[i][0] - at);
		entry->facts[i].value = entry->forgets[i]
						? STR_NONE
						: str_make(text + entry->ends[i][0],
							   entry->ends[i][1] - entry->ends[i][0]);
		at = entry->ends[i][1];
	}
}

/* Judged ones that nobody asks for any more. */
static void
entry_drop_old(struct journal *j, struct journal_entry *entry)
{
	struct journal_uid *judged, *next;
	char item[32];
	int drops = 0;

	HASH_ITER (hh, j->judged, judged, next) {
		/* They stand in order of arrival: the first young one ends it. */
		if (drops++ == DROPS || judged->uid > j->last ||
		    judged->uid + JOURNAL_WINDOW > j->last)
			return;
		snprintf(item, sizeof(item), UID_ITEM, 'u', judged->uid);
		entry_add(entry, item, NULL);
		HASH_DEL(j->judged, judged);
		free(judged);
	}
}

void
journal_entry(struct journal *j, uint64_t uid, const char *identity, const char *event,
	      struct wall at, struct journal_entry *ret)
{
	char item[64];

	*ret = (struct journal_entry){.count = 0};
	if (wall_is_set(at) && (!wall_is_set(j->newest) || at.ms > j->newest.ms) &&
	    at.ms <= core_wall(j->core).ms)
		j->newest = at;
	entry_drop_old(j, ret);
	snprintf(item, sizeof(item), UID_ITEM, 'u', uid);
	entry_add(ret, item, "");
	if (journal_find_pending(j, uid)) {
		snprintf(item, sizeof(item), UID_ITEM, 'p', uid);
		entry_add(ret, item, NULL);
	}
	if (event) {
		snprintf(item, sizeof(item), UID_ITEM, 'n', uid);
		entry_add(ret, item, event);
	}
	if (*identity) {
		snprintf(item, sizeof(item), "m/%06" PRId64 "/%s", core_wall(j->core).ms / DAY_MS,
			 identity);
		entry_add(ret, item, "");
	}
	entry_close(ret);
	cursor_print(j, &ret->cursor);
}

void
journal_entry_fini(struct journal_entry *entry)
{
	buf_fini(&entry->text);
	buf_fini(&entry->cursor);
}

bool
journal_judge(struct journal *j, uint64_t uid, struct err *err)
{
	if (journal_find_pending(j, uid) && !uid_fact(j, 'p', uid, STR_NONE, err))
		return false;
	if (!uid_fact(j, 'u', uid, STR(""), err))
		return false;
	pending_drop(j, uid);
	journal_judged_note(j, uid);
	return true;
}

void
journal_committed(struct journal *j, uint64_t uid, const char *identity, bool mark)
{
	pending_drop(j, uid);
	journal_judged_note(j, uid);
	if (j->reset && *identity)
		journal_known_note(j, str_of(identity));
	if (mark)
		journal_mark_note(j, uid);
}

/* --- waiting
 * ------------------------------------------------------------------------------------------- */

unsigned
journal_wait(struct journal *j, uint64_t uid, int64_t ms, bool counted)
{
	struct journal_pending *pending = journal_pending_note(j, uid);
	struct journal_uid *judged = judged_find(j, uid);
	AUTO(err_fini) struct err err = ERR_INIT;
	char tries[16];

	pending->tries += counted;
	pending->due = (struct mono){clock_mono(j->core->clock).ms + ms};
	snprintf(tries, sizeof(tries), "%u", pending->tries);
	if (judged) {
		uid_fact(j, 'u', uid, STR_NONE, &err);
		HASH_DEL(j->judged, judged);
		free(judged);
	}
	if (err.code != E_OK || !uid_fact(j, 'p', uid, str_of(tries), &err))
		log_warning("a message that waits is not noted", "trigger", j->trigger, "error",
			    err_text(&err));
	return pending->tries;
}

int64_t
journal_next_due(const struct journal *j)
{
	struct journal_pending *pending, *next;
	int64_t due = INT64_MAX;

	HASH_ITER (hh, j->pending, pending, next)
		if (pending->due.ms < due)
			due = pending->due.ms;
	return due;
}

size_t
journal_waiting(const struct journal *j)
{
	return HASH_COUNT(j->pending);
}

/* --- marks
 * -----------------------------------------------------------------------------------------------
 */

bool
journal_unmark(struct journal *j, const uint64_t *uids, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		struct journal_mark *mark = mark_find(j, uids[i]);

		if (!uid_fact(j, 'n', uids[i], STR_NONE, err))
			return false;
		if (mark) {
			HASH_DEL(j->marks, mark);
			free(mark);
		}
	}
	return true;
}

bool
journal_copied(struct journal *j, const uint64_t *uids, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_fini) struct buf value = BUF_INIT;
		char item[32];

		snprintf(item, sizeof(item), UID_ITEM, 'n', uids[i]);
		if (!facts_get(j->core->store, j->trigger, str_of(item), &value, err))
			return false;
		buf_puts(&value, " copied");
		if (!uid_fact(j, 'n', uids[i], buf_str(&value), err))
			return false;
		journal_mark_note(j, uids[i])->copied = true;
	}
	return true;
}
