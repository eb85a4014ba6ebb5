/* The store's own: what open.c builds and the other files of this room share. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_INTERNAL_H
#define ROUSE_STORE_INTERNAL_H

#include "store/retention.h"
#include "store/stmt.h"

#define SAVEPOINTS_MAX 8

struct after {
	turn_fn *fn;
	void *arg;
	bool undone;
};
struct afters {
	struct after *list;
	size_t count, cap;
};

struct key_index;

struct store {
	const struct driver *driver;
	struct driver_conn *conn;
	char *path;
	int lock; /* descriptor that holds the lock beside the file; -1: a reader */
	bool reader;
	struct query **prepared[ROOMS];

	bool open;	   /* a transaction is */
	bool ending;	   /* turn_end is at work */
	struct err failed; /* the turn cannot be committed any more; code E_OK: it can */
	struct err broken; /* the disk lied: no write ever again */
	size_t savepoints;
	struct {
		size_t afters;
		size_t keys;
		size_t redo; /* REDO_NONE: it is one of the database's */
	} marks[SAVEPOINTS_MAX];
	struct afters afters, running;
	struct buf redo; /* redo.c */
	bool redo_full;
	int64_t rows_before;
	struct store_stats stats;
	struct mono last_commit;
	int64_t used; /* bytes, after used_commits commits; 0: not asked yet */
	uint64_t used_commits;

	/* The next seq of each table that counts in memory; 0: not read yet. Gaps are fine. */
	int64_t next_event, next_run;
	int64_t last_log;     /* largest seq given in the run log */
	uint64_t order_epoch; /* grows when rows are again as they were: see struct run_place */
	struct key_index *keys;
	int64_t retained[RETENTIONS]; /* where the next look of each begins */
};

/* Of open.c, for whoever puts another file in the place of the database. */
bool store_path_of(const char *url, char **ret, struct err *err);
/* E_EXISTS while a roused has it. */
bool store_lock(const char *path, int *ret, struct err *err);
/* Is it a database of ours that we understand? By its first bytes; flags: of open(2). *ret_size is
 * set where it is not empty. */
bool store_header_check(const char *path, int flags, int64_t *ret_size, struct err *err);
bool store_folder_sync(const char *path, struct err *err);

/* The turn can only be rolled back: what was said is kept for its afters. */
void turn_fail(struct store *store, const struct err *why);
/* E_IO of a write: the disk can no longer be believed. */
void store_break(struct store *store, const struct err *why);
/* Moves the log into the file. */
void store_checkpoint(struct store *store);
/* MAX(seq) + 1 of a table; statement of ROOM_STORE. */
bool store_next_seq(struct store *store, int64_t *next, int statement, struct err *err);
enum {
	STORE_MAX_EVENT,
	STORE_MAX_RUN,
	STORE_USED,
	STORE_PROBE,
	STORE_VERSION,
	STORE_QUICK_CHECK,
	STORE_CHECK,
	STORE_FOREIGN,
	STORE_STATEMENTS
};

/* Forgets every prepared statement: before the connection goes. */
void statements_forget(struct store *store);

/* The statements of the turn, noted with their values; see redo.c. */
#define REDO_NONE SIZE_MAX
enum redo_type { REDO_NULL, REDO_INT, REDO_REAL, REDO_TEXT, REDO_BLOB };
size_t redo_begin(struct store *store, int room, int statement);
void redo_value(struct store *store, size_t at, int param, enum redo_type type, const void *p,
		size_t len);
void redo_done(struct store *store, size_t at);
void redo_forget(struct store *store);
/* The turn as it was at the mark. On failure the turn cannot go on. */
bool redo_back_to(struct store *store, size_t mark, struct err *err);
struct driver_stmt *query_stmt(struct query *query);
const struct shape *query_shape(const struct query *query);

/* Keys in memory follow the turn: keys_work before its COMMIT, then keys_kept or keys_lost; back to
 * a mark at turn_undo. */
bool keys_load(struct store *store, struct err *err);
void keys_work(struct store *store);
void keys_kept(struct store *store);
void keys_lost(struct store *store);
size_t keys_mark(const struct store *store);
void keys_back_to(struct store *store, size_t mark);
void keys_free(struct store *store);

/* Of runs: queued, running or waiting. As the partial indexes of what is open have it. */
#define RUN_IS_OPEN "ended IS NULL"

/* A change with its run's id, for change_shape. */
#define CHANGE_WHOLE "SELECT c.*, r.id AS run_id FROM changes c LEFT JOIN runs r ON r.seq = c.run "
struct change_row;
/* All rows of a statement that has change_shape, lent. */
bool change_rows_each(struct query *q, bool (*fn)(void *arg, const struct change_row *row),
		      void *arg, struct err *err);
/* Moves the counts of n changes beside their status: of the target, and of the batch (NULL: none).
 * from NULL: they are new; to NULL: they are gone; the same: nothing. */
bool changes_note(struct store *store, const char *target, const char *batch, const char *from,
		  const char *to, int64_t n, struct err *err);

#endif
