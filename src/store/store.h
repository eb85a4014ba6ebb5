/* The store: one database file, opened, checked, migrated, copied. The only room that speaks SQL.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_STORE_H
#define ROUSE_STORE_STORE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

struct store;

/* url: sqlite:PATH or a plain path. Makes a missing file (0600, its folder must exist), migrates an
 * older one in one transaction. Refuses with a sentence, and leaves the file as it is: a newer
 * schema (E_STATE), no Rouse database (E_STATE), a corrupt one (E_CORRUPT, quick_check's words),
 * a file that another roused has open (E_EXISTS, by a lock beside it), no permission (E_DENIED). */
bool store_open(const char *url, struct store **ret, struct err *err);
/* An open turn is rolled back. */
void store_close(struct store *store);

/* A second, read-only view of the same database, for a work thread: lists, exports, statistics.
 * Sees what is committed; everything that writes answers E_STATE. Closed with store_close(), before
 * the store itself. */
bool store_open_reader(const struct store *store, struct store **ret, struct err *err);

/* The turn (ARCHITECTURE.md): the first write opens a transaction; what the world would notice
 * waits for turn_end. Every function of this room that writes calls turn_begin itself. */
bool turn_begin(struct store *store, struct err *err); /* nothing to do when one is open */
bool turn_is_open(const struct store *store);
/* Is there a turn to end: something written, or an after waiting? */
bool turn_is_due(const struct store *store);
/* fn runs at the end of this turn, in order of registration, err E_OK when the COMMIT is on disk;
 * when it failed (E_FULL, E_IO, ...) every after of the turn gets that error and nothing of the
 * turn is in the database. With nothing written, fn runs at turn_end all the same. */
typedef void turn_fn(void *arg, const struct err *err);
void turn_after(struct store *store, turn_fn *fn, void *arg);
/* Commits (fsync) and runs the afters. What these write belongs to the next turn. */
void turn_end(struct store *store);
/* For what may fail halfway: to a savepoint and back, within the turn. Nests, to 8. Afters
 * registered since the savepoint get E_STATE at the end of the turn when turn_undo goes back behind
 * them. turn_end asserts that no savepoint is left. */
bool turn_savepoint(struct store *store, struct err *err);
void turn_release(struct store *store);
void turn_undo(struct store *store);

struct store_stats {
	uint64_t commits, rows; /* rows written */
	uint64_t commit_us_total, commit_us_max;
	uint64_t commit_us_buckets[12]; /* <=100us 250 500 1ms 2.5 5 10 25 50 100 1s more */
	uint64_t failed_commits, checkpoints;
	int64_t file_bytes, wal_bytes;
	bool full; /* the last commit found no space */
};
struct store_stats store_stats(struct store *store);
/* Bytes of the database that something stands in: pages that were freed do not count. Asked once a
 * commit, so that it may be asked for every event. */
int64_t store_used_bytes(struct store *store);
/* The disk answered EIO to a write or a sync: nothing is written any more, every turn_begin and
 * every after gets E_IO, and the daemon should end with a failure, to come back with what the disk
 * truly holds. */
bool store_has_failed(const struct store *store);
/* Cheap truth for /health: can it be written now? Tries a write of one row when it could not last
 * time. */
bool store_is_writable(struct store *store);
/* Can it be read, down to a row? Also while the disk is full. */
bool store_answers(struct store *store, struct err *err);
/* Called by the loop when idle for a moment: checkpoint, optimise. */
void store_idle(struct store *store);

/* Online copy, consistent, fsynced, under its final name only when whole. path must not exist.
 * Blocks: for a work thread; opens its own read-only connection. progress may be NULL. */
bool store_backup(struct store *store, const char *path,
		  void (*progress)(void *arg, int done, int total), void *arg, int64_t *ret_bytes,
		  struct err *err);
/* Puts a copy of the backup `from` into the place of the database, while no roused has it; what was
 * there stays beside it, under the name *ret_aside ("": nothing was there). Refuses with a
 * sentence, and changes nothing: a database that is open (E_EXISTS), a file that is none of ours,
 * newer or empty (E_STATE), one that is not whole (E_CORRUPT). A death midway leaves either of the
 * two. */
bool store_restore(const char *url, const char *from, struct buf *ret_aside, struct err *err);
/* integrity_check, foreign_key_check, the invariants of the schema (e.g. statuses, one live attempt
 * a run, keys that point nowhere). A line a finding in out; true when there is none. Blocks
 * likewise. */
bool store_check(struct store *store, struct buf *out, struct err *err);
bool store_vacuum(struct store *store, struct err *err); /* E_STATE while a turn is open */

/* How lists are asked for: newest first. */
struct list_filter {
	const char *column; /* one of the list's own columns (its header names them); E_USAGE
			       otherwise */
	const char *value;
};
#define LIST_FILTERS 10
struct list_query {
	struct list_filter filters[LIST_FILTERS]; /* a column NULL ends them */
	struct wall since;			  /* WALL_NONE: from the beginning */
	int64_t before_seq; /* cursor: rows with a smaller seq; 0: from the newest */
	unsigned limit;	    /* 1..1000 */
};

#endif
