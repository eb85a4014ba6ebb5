/* The journal of a mailbox: what was judged, what waits, what is to be marked; in memory and in the
 * trigger's cursor and facts. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_IMAP_JOURNAL_H
#define ROUSE_TRIGGERS_IMAP_JOURNAL_H

#include "base/map.h"
#include "core/core.h"
#include "store/facts.h"

/* So many UIDs below the last are looked at again: some servers show them late. */
#define JOURNAL_WINDOW 50
/* How far back a mailbox whose UIDs are new is read, and for how long identities are known. */
#define JOURNAL_BACK_MS (2LL * 86400000)
#define JOURNAL_KNOWN_DAYS 4
#define IDENTITY_LEN 32 /* hexadecimal digits */

struct journal_uid {
	uint64_t uid;
	UT_hash_handle hh;
};
/* A message that could not be had yet. */
struct journal_pending {
	uint64_t uid;
	unsigned tries;
	struct mono due;
	UT_hash_handle hh;
};
/* A message to be marked. */
struct journal_mark {
	uint64_t uid;
	bool copied; /* to where it is to be moved; to be deleted still */
	UT_hash_handle hh;
};
struct journal_known {
	char identity[IDENTITY_LEN + 1];
	UT_hash_handle hh;
};

struct journal {
	struct core *core;
	const char *trigger; /* borrowed */
	char place[17];	     /* a digest of server, user and mailbox */
	bool exists;	     /* the mailbox was looked at before */
	uint64_t uidvalidity;
	uint64_t last;	/* all up to here are judged or pending */
	uint64_t floor; /* up to here they never are */
	/* Up to here only what came since then counts; and where the UIDs are new (`reset`), only
	 * whose identity is not known. 0: no such range. */
	uint64_t until;
	struct wall since;
	bool reset;
	struct wall newest;	    /* of the messages seen */
	struct journal_uid *judged; /* those above last - JOURNAL_WINDOW */
	struct journal_pending *pending;
	struct journal_mark *marks;
	struct journal_known *known; /* filled while `reset` */
};

/* Reads it. place: text that names server, user and mailbox; another than before: all anew. */
bool journal_load(struct journal *journal, struct core *core, const char *trigger,
		  const char *place, struct err *err);
void journal_fini(struct journal *journal);

/* The first look ever: everything up to floor is left alone; up to until, what came since counts.
 */
bool journal_begin(struct journal *journal, uint64_t uidvalidity, uint64_t floor, uint64_t until,
		   struct wall since, struct err *err);
/* UIDVALIDITY is another: UIDs say nothing any more. until: UIDNEXT - 1. */
bool journal_reset(struct journal *journal, uint64_t uidvalidity, uint64_t until, struct err *err);
/* The range up to `until` is through. */
bool journal_range_done(struct journal *journal, struct err *err);
/* Everything up to uid is judged or pending. On disk with the next event, or journal_save(). */
void journal_advance(struct journal *journal, uint64_t uid);
bool journal_save(struct journal *journal, struct err *err);

/* Lets go of some identities that nobody asks for any more. */
bool journal_prune(struct journal *journal, struct err *err);

bool journal_is_judged(const struct journal *journal, uint64_t uid);
bool journal_is_known(const struct journal *journal, const char *identity);
struct journal_pending *journal_find_pending(const struct journal *journal, uint64_t uid);

/* What goes along with an event: cursor and facts. Slices of it live until journal_entry_fini(). */
#define JOURNAL_ENTRY_FACTS 40
struct journal_entry {
	struct buf text, cursor;
	size_t ends[JOURNAL_ENTRY_FACTS][2]; /* of item and value, in text */
	bool forgets[JOURNAL_ENTRY_FACTS];
	struct fact facts[JOURNAL_ENTRY_FACTS];
	size_t count;
};
/* uid is judged, as message identity ("" where it is not known); event: to be marked once it is
 * committed (NULL: not). */
void journal_entry(struct journal *journal, uint64_t uid, const char *identity, const char *event,
		   struct wall at, struct journal_entry *ret);
void journal_entry_fini(struct journal_entry *entry);
/* The same without an event: it is gone, known, or does not match. */
bool journal_judge(struct journal *journal, uint64_t uid, struct err *err);
/* The event of an entry is on disk. */
void journal_committed(struct journal *journal, uint64_t uid, const char *identity, bool mark);

/* It waits for another try, due in ms; counted: one more try failed. Returns how many have. */
unsigned journal_wait(struct journal *journal, uint64_t uid, int64_t ms, bool counted);
/* When the first is due; INT64_MAX: none waits. */
int64_t journal_next_due(const struct journal *journal);
size_t journal_waiting(const struct journal *journal);

/* Those of uids are marked, or are not to be. */
bool journal_unmark(struct journal *journal, const uint64_t *uids, size_t count, struct err *err);
/* They are copied, and only to be deleted. */
bool journal_copied(struct journal *journal, const uint64_t *uids, size_t count, struct err *err);

#endif
