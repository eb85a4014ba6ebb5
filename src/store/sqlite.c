/* SQLite behind the seam: one connection writes and checkpoints, all others only read. */
/* SPDX-License-Identifier: MIT */
#include "store/driver.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "base/buf.h"

#define BUSY_MS 2000   /* a person's sqlite3 holds the write lock */
#define DEPTH_MAX 16   /* savepoints within savepoints */
#define COPY_PAGES 256 /* of a backup between two words of progress */

enum own { OWN_BEGIN, OWN_COMMIT, OWN_ROLLBACK, OWNS };

struct driver_conn {
	sqlite3 *db;
	sqlite3_stmt *own[OWNS];
	sqlite3_stmt *points[DEPTH_MAX][3]; /* savepoint, release, undo */
	int log_end;			    /* frames of the log at the last commit */
	int log_copied;			    /* of these, in the main file */
	int disk_errno;
};

/* --- errors --- */

static enum err_code
code_of(struct driver_conn *conn, int rc)
{
	int why;
	switch (rc & 0xff) {
	case SQLITE_CONSTRAINT:
		return rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
				       rc == SQLITE_CONSTRAINT_ROWID
			       ? E_EXISTS
			       : E_INVALID;
	case SQLITE_FULL:
		conn->disk_errno = ENOSPC;
		return E_FULL;
	case SQLITE_IOERR:
		/* At a COMMIT SQLite keeps no errno: then it is the last one, as before each step
		 * there is none. */
		why = sqlite3_system_errno(conn->db);
		why = conn->disk_errno = why ? why : errno;
		/* A quota or a limit on the size of files is no fault of the disk, and may go away.
		 */
		return why == ENOSPC || why == EDQUOT || why == EFBIG || rc == SQLITE_IOERR_NOMEM
			       ? E_FULL
			       : E_IO;
	case SQLITE_NOMEM:
		return E_FULL;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return E_UNAVAILABLE;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return E_CORRUPT;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_CANTOPEN:
		return E_DENIED;
	case SQLITE_TOOBIG:
		return E_TOO_LARGE;
	default:
		return E_INTERNAL;
	}
}

static bool
fail(struct driver_conn *conn, int rc, const char *what, struct err *err)
{
	enum err_code code = code_of(conn, rc);
	return err_set(err, code, "database: %s: %s", what, sqlite3_errmsg(conn->db));
}

/* --- open, close --- */

static void
init_once(void)
{
	/* Counting memory takes a lock at every allocation. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_initialize();
}

/* Replaces SQLite's own checkpoints: when they happen is the turn's to say. */
static int
on_log(void *arg, sqlite3 *db UNUSED, const char *name UNUSED, int pages)
{
	struct driver_conn *conn = arg;
	if (pages < conn->log_end)
		conn->log_copied = 0;
	conn->log_end = pages;
	return SQLITE_OK;
}

static bool
script(struct driver_conn *conn, const char *sql, struct err *err)
{
	int rc = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK || fail(conn, rc, "cannot set up", err);
}

static void
guard(struct driver_conn *conn, bool on)
{
	sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DEFENSIVE, on, NULL);
}

static const struct {
	int what, on;
} settings[] = {
	{SQLITE_DBCONFIG_DEFENSIVE, 1},
	{SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
	{SQLITE_DBCONFIG_DQS_DML, 0},
	{SQLITE_DBCONFIG_DQS_DDL, 0},
	{SQLITE_DBCONFIG_ENABLE_FKEY, 1},
	/* Plans do not follow the values bound: those that the tests saw stay, and none is made
	   anew at a bind. */
	{SQLITE_DBCONFIG_ENABLE_QPSG, 1},
	{SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
};

static const char pragmas_both[] =
	"PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;"
	"PRAGMA recursive_triggers = OFF;";
/* Deleted rows are not overwritten: secrets do not enter the database, and zeroing is writing. */
static const char pragmas_write[] =
	"PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF; PRAGMA cache_size = -32768;"
	"PRAGMA journal_size_limit = 67108864;";
static const char pragmas_read[] =
	"PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -4096;";

static void
sqlite_close(struct driver_conn *conn, bool keep_log)
{
	if (!conn)
		return;
	for (int i = 0; i < OWNS; i++)
		sqlite3_finalize(conn->own[i]);
	for (int i = 0; i < DEPTH_MAX; i++)
		for (int j = 0; j < 3; j++)
			sqlite3_finalize(conn->points[i][j]);
	if (keep_log)
		sqlite3_db_config(conn->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close_v2(conn->db);
	free(conn);
}

static bool
log_mode(struct driver_conn *conn, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(conn->db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	const char *mode = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
	bool ok = mode && !strcmp(mode, "wal");
	if (rc != SQLITE_ROW)
		fail(conn, rc, "cannot use a write-ahead log", err);
	else if (!ok)
		err_set(err, E_STATE,
			"database: its file system keeps no write-ahead log (journal mode is %s); "
			"expected a local disk: move the state folder to one",
			mode ? mode : "unknown");
	sqlite3_finalize(stmt);
	return ok;
}

static bool
set_up(struct driver_conn *conn, enum driver_mode mode, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		sqlite3_db_config(conn->db, settings[i].what, settings[i].on, NULL);
	sqlite3_extended_result_codes(conn->db, 1);
	sqlite3_busy_timeout(conn->db, BUSY_MS);
	if (!script(conn, pragmas_both, err))
		return false;
	if (mode == DRIVER_READ)
		return script(conn, pragmas_read, err);
	if (!log_mode(conn, err) || !script(conn, pragmas_write, err))
		return false;
	sqlite3_wal_hook(conn->db, on_log, conn);
	return true;
}

static bool
sqlite_open(const char *path, enum driver_mode mode, struct driver_conn **ret, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, init_once);
	struct driver_conn *conn = mem_alloc(sizeof(*conn));
	int flags = mode == DRIVER_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	int rc = sqlite3_open_v2(path, &conn->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (!conn->db)
		abort();
	if (rc != SQLITE_OK)
		fail(conn, rc, "cannot open", err);
	else if (mode == DRIVER_WRITE && sqlite3_db_readonly(conn->db, "main") == 1)
		err_set(err, E_DENIED, "database: may not write to it");
	else if (set_up(conn, mode, err)) {
		*ret = conn;
		return true;
	}
	sqlite_close(conn, true);
	return false;
}

/* --- statements: a struct driver_stmt is a sqlite3_stmt --- */

static sqlite3_stmt *
own(struct driver_stmt *stmt)
{
	return (sqlite3_stmt *)stmt;
}

static bool
prepare(struct driver_conn *conn, const char *sql, struct driver_stmt **ret, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v3(conn->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (rc != SQLITE_OK)
		return fail(conn, rc, "cannot prepare", err);
	*ret = (struct driver_stmt *)stmt;
	return true;
}

static void
finalize(struct driver_stmt *stmt)
{
	sqlite3_finalize(own(stmt));
}

static int
params(struct driver_stmt *stmt)
{
	return sqlite3_bind_parameter_count(own(stmt));
}

static const char *
param_name(struct driver_stmt *stmt, int i)
{
	const char *name = sqlite3_bind_parameter_name(own(stmt), i);
	return name ? name + 1 : "";
}

static void
bind_null(struct driver_stmt *stmt, int i)
{
	sqlite3_bind_null(own(stmt), i);
}

static void
bind_int(struct driver_stmt *stmt, int i, int64_t v)
{
	sqlite3_bind_int64(own(stmt), i, v);
}

static void
bind_real(struct driver_stmt *stmt, int i, double v)
{
	sqlite3_bind_double(own(stmt), i, v);
}

static void
bind_text(struct driver_stmt *stmt, int i, struct str v)
{
	sqlite3_bind_text64(own(stmt), i, v.p, v.len, SQLITE_STATIC, SQLITE_UTF8);
}

static void
bind_blob(struct driver_stmt *stmt, int i, struct str v)
{
	sqlite3_bind_blob64(own(stmt), i, v.p, v.len, SQLITE_STATIC);
}

static enum driver_step
step(struct driver_conn *conn, struct driver_stmt *stmt, struct err *err)
{
	errno = 0;
	int rc = sqlite3_step(own(stmt));
	if (rc == SQLITE_ROW)
		return STEP_ROW;
	if (rc == SQLITE_DONE)
		return STEP_DONE;
	fail(conn, rc, "cannot read or write", err);
	return STEP_FAILED;
}

static void
reset(struct driver_stmt *stmt)
{
	sqlite3_reset(own(stmt));
	sqlite3_clear_bindings(own(stmt));
}

static int
columns(struct driver_stmt *stmt)
{
	return sqlite3_column_count(own(stmt));
}

static const char *
column_name(struct driver_stmt *stmt, int i)
{
	return sqlite3_column_name(own(stmt), i);
}

static bool
column_is_null(struct driver_stmt *stmt, int i)
{
	return sqlite3_column_type(own(stmt), i) == SQLITE_NULL;
}

static int64_t
column_int(struct driver_stmt *stmt, int i)
{
	return sqlite3_column_int64(own(stmt), i);
}

static double
column_real(struct driver_stmt *stmt, int i)
{
	return sqlite3_column_double(own(stmt), i);
}

static struct str
column_text(struct driver_stmt *stmt, int i)
{
	const unsigned char *p = sqlite3_column_text(own(stmt), i);
	return p ? str_make(p, (size_t)sqlite3_column_bytes(own(stmt), i)) : STR_NONE;
}

static struct str
column_blob(struct driver_stmt *stmt, int i)
{
	const void *p = sqlite3_column_blob(own(stmt), i);
	return p ? str_make(p, (size_t)sqlite3_column_bytes(own(stmt), i)) : STR_NONE;
}

/* --- transactions --- */

static bool
run(struct driver_conn *conn, sqlite3_stmt **kept, const char *sql, struct err *err)
{
	int rc = SQLITE_OK;
	errno = 0;
	if (!*kept)
		rc = sqlite3_prepare_v3(conn->db, sql, -1, SQLITE_PREPARE_PERSISTENT, kept, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(*kept);
	if (rc == SQLITE_DONE || rc == SQLITE_ROW) {
		sqlite3_reset(*kept);
		return true;
	}
	fail(conn, rc, sql, err);
	sqlite3_reset(*kept);
	return false;
}

/* IMMEDIATE: whoever holds the lock is met here, not in the middle. */
static bool
begin(struct driver_conn *conn, struct err *err)
{
	return run(conn, &conn->own[OWN_BEGIN], "BEGIN IMMEDIATE", err);
}

static bool
in_transaction(struct driver_conn *conn)
{
	return !sqlite3_get_autocommit(conn->db);
}

static void
rollback(struct driver_conn *conn)
{
	if (in_transaction(conn))
		run(conn, &conn->own[OWN_ROLLBACK], "ROLLBACK", NULL);
}

static bool
commit(struct driver_conn *conn, struct err *err)
{
	return run(conn, &conn->own[OWN_COMMIT], "COMMIT", err);
}

static bool
point(struct driver_conn *conn, int depth, int what, const char *verb, struct err *err)
{
	AUTO(buf_fini) struct buf sql = BUF_INIT;
	if (depth >= DEPTH_MAX)
		return err_set(err, E_INTERNAL, "database: more than %d savepoints at once",
			       DEPTH_MAX);
	if (!conn->points[depth][what])
		buf_printf(&sql, "%s point_%d", verb, depth);
	return run(conn, &conn->points[depth][what], buf_cstr(&sql), err);
}

static bool
savepoint(struct driver_conn *conn, int depth, struct err *err)
{
	return point(conn, depth, 0, "SAVEPOINT", err);
}

static bool
release(struct driver_conn *conn, int depth, struct err *err)
{
	return point(conn, depth, 1, "RELEASE", err);
}

static bool
undo(struct driver_conn *conn, int depth, struct err *err)
{
	return point(conn, depth, 2, "ROLLBACK TO", err) && release(conn, depth, err);
}

static int64_t
rows_written(struct driver_conn *conn)
{
	return sqlite3_total_changes64(conn->db);
}

static int64_t
rows_changed(struct driver_conn *conn)
{
	return sqlite3_changes64(conn->db);
}

static int
disk_error(struct driver_conn *conn)
{
	return conn->disk_errno;
}

/* --- the log --- */

static int64_t
log_pages(struct driver_conn *conn)
{
	return conn->log_end - conn->log_copied;
}

/* Passive: waits for nobody. What a reader still needs stays, and the log grows until it is gone.
 */
static bool
checkpoint(struct driver_conn *conn, struct err *err)
{
	int end = 0, copied = 0;
	errno = 0;
	int rc =
		sqlite3_wal_checkpoint_v2(conn->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &end, &copied);
	if (rc == SQLITE_BUSY)
		return true;
	if (rc != SQLITE_OK)
		return fail(conn, rc, "cannot move its log into the file", err);
	if (end >= 0) {
		conn->log_end = end;
		conn->log_copied = copied;
	}
	return true;
}

/* --- copy --- */

static bool
copy_pages(struct driver_conn *from, sqlite3 *to, void (*progress)(void *arg, int done, int total),
	   void *arg, struct err *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from->db, "main");
	if (!backup)
		return err_set(err, E_IO, "cannot begin the copy: %s", sqlite3_errmsg(to));
	int rc;
	do {
		rc = sqlite3_backup_step(backup, COPY_PAGES);
		int total = sqlite3_backup_pagecount(backup);
		if (progress)
			progress(arg, total - sqlite3_backup_remaining(backup), total);
	} while (rc == SQLITE_OK);
	int end = sqlite3_backup_finish(backup);
	if (rc == SQLITE_DONE && end == SQLITE_OK)
		return true;
	if (rc == SQLITE_DONE)
		rc = end;
	return err_set(err,
		       (rc & 0xff) == SQLITE_FULL      ? E_FULL
		       : (rc & 0xff) == SQLITE_CORRUPT ? E_CORRUPT
						       : E_IO,
		       "cannot copy the database: %s", sqlite3_errstr(rc));
}

/* conn only reads. Its snapshot is held, so that writers beside it neither change the copy nor make
 * it begin anew. */
static bool
copy(struct driver_conn *conn, const char *to, void (*progress)(void *arg, int done, int total),
     void *arg, struct err *err)
{
	sqlite3 *db = NULL;
	bool ok = false;
	if (!script(conn, "BEGIN; SELECT count(*) FROM sqlite_schema", err))
		return false;
	int rc = sqlite3_open_v2(to, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	/* Whether it is whole is said by its name, given when it has been synced: no journal
	 * needed. */
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF", NULL,
				  NULL, NULL);
	if (rc != SQLITE_OK)
		err_set(err, E_IO, "cannot open %s: %s", to, sqlite3_errstr(rc));
	else
		ok = copy_pages(conn, db, progress, arg, err);
	/* So that it is one file, and reading it makes no others beside it. */
	if (ok &&
	    (rc = sqlite3_exec(db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL)) != SQLITE_OK)
		ok = err_set(err, E_IO, "cannot finish %s: %s", to, sqlite3_errstr(rc));
	sqlite3_close(db);
	rollback(conn);
	return ok;
}

const struct driver driver_sqlite = {
	.name = "sqlite",
	.open = sqlite_open,
	.close = sqlite_close,
	.script = script,
	.guard = guard,
	.prepare = prepare,
	.finalize = finalize,
	.params = params,
	.param_name = param_name,
	.bind_null = bind_null,
	.bind_int = bind_int,
	.bind_real = bind_real,
	.bind_text = bind_text,
	.bind_blob = bind_blob,
	.step = step,
	.reset = reset,
	.columns = columns,
	.column_name = column_name,
	.column_is_null = column_is_null,
	.column_int = column_int,
	.column_real = column_real,
	.column_text = column_text,
	.column_blob = column_blob,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.in_transaction = in_transaction,
	.savepoint = savepoint,
	.release = release,
	.undo = undo,
	.rows_written = rows_written,
	.rows_changed = rows_changed,
	.log_pages = log_pages,
	.checkpoint = checkpoint,
	.disk_error = disk_error,
	.copy = copy,
};
