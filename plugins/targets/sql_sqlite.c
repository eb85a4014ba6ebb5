/* SQL targets: SQLite. A connection for each application, so that threads share nothing. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/sql.h"

#include <errno.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

/* Steps of SQLite's machine between two looks at the clock. */
#define LOOK_STEPS 20000

struct sql_db {
	sqlite3 *sqlite;
	char *path;
	struct mono until;
	dev_t device;
	ino_t inode;
	struct sql_kept kept;
	sqlite3_stmt *stmts[SQL_KEPT]; /* of the texts that are kept */
};

static const struct {
	int code;
	enum err_code err;
	const char *hint;
} codes[] = {
	{SQLITE_BUSY, E_UNAVAILABLE, "; another program is writing to it"},
	{SQLITE_LOCKED, E_UNAVAILABLE, ""},
	{SQLITE_SCHEMA, E_UNAVAILABLE, ""},
	{SQLITE_PROTOCOL, E_UNAVAILABLE, ""},
	{SQLITE_INTERRUPT, E_TIMEOUT, "; it took longer than timeout"},
	{SQLITE_FULL, E_FULL, ""},
	{SQLITE_NOMEM, E_FULL, ""},
	{SQLITE_IOERR, E_IO, ""},
	{SQLITE_READONLY, E_DENIED,
	 "; the daemon's user needs to write to the file and its folder"},
	{SQLITE_PERM, E_DENIED, ""},
	{SQLITE_AUTH, E_DENIED, ""},
	{SQLITE_CANTOPEN, E_DENIED,
	 "; the daemon's user needs to open the file and write to its folder"},
	{SQLITE_CORRUPT, E_CORRUPT, ""},
	{SQLITE_NOTADB, E_CORRUPT, ""},
	{SQLITE_CONSTRAINT, E_CONFLICT, ""},
	{SQLITE_TOOBIG, E_TOO_LARGE, ""},
	{SQLITE_MISMATCH, E_INVALID, ""},
	{SQLITE_RANGE, E_INVALID, ""},
	{SQLITE_ERROR, E_INVALID, ""},
};

static bool
db_failed(const struct sql_db *db, int code, struct err *err)
{
	const char *text = db->sqlite ? sqlite3_errmsg(db->sqlite) : sqlite3_errstr(code);

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].code == (code & 0xff))
			return err_set(err, codes[i].err, "%s: %s%s", db->path, text,
				       codes[i].hint);
	return err_set(err, E_INTERNAL, "%s: %s", db->path, text);
}

static int
on_steps(void *arg)
{
	const struct sql_db *db = arg;

	return clock_mono(clock_system()).ms > db->until.ms;
}

static void
db_close(struct sql_db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < SQL_KEPT; i++)
		sqlite3_finalize(db->stmts[i]);
	sql_kept_fini(&db->kept);
	sqlite3_close(db->sqlite);
	free(db->path);
	free(db);
}

static bool
db_exec(struct sql_db *db, const char *text, struct err *err)
{
	int code = sqlite3_exec(db->sqlite, text, NULL, NULL, NULL);

	return code == SQLITE_OK || db_failed(db, code, err);
}

static bool
db_open(const char *where, bool read_only, int64_t deadline_ms, int64_t busy_ms,
	struct sql_db **ret, struct err *err)
{
	struct sql_db *db;
	struct stat st = {.st_ino = 0};
	int code;

	if (stat(where, &st) && errno == ENOENT)
		return err_set(err, E_NOT_FOUND,
			       "there is no database %s; Rouse makes none, put it there", where);
	db = mem_alloc(sizeof(*db));
	db->path = mem_strdup(where);
	db->device = st.st_dev;
	db->inode = st.st_ino;
	db->until = (struct mono){clock_mono(clock_system()).ms + deadline_ms};
	code = sqlite3_open_v2(where, &db->sqlite,
			       (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
				       SQLITE_OPEN_NOMUTEX,
			       NULL);
	if (code == SQLITE_OK) {
		sqlite3_busy_timeout(db->sqlite,
				     (int)(busy_ms < deadline_ms ? busy_ms : deadline_ms));
		sqlite3_progress_handler(db->sqlite, LOOK_STEPS, on_steps, db);
		/* A name in double quotes that is no column is an error, not a string. */
		sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
		/* FULL: what is applied stays applied, whatever the file's other users chose for
		 * themselves. */
		if (db_exec(db, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON", err)) {
			*ret = db;
			return true;
		}
	} else {
		db_failed(db, code, err);
	}
	db_close(db);
	return false;
}

static bool
db_begin(struct sql_db *db, struct err *err)
{
	return db_exec(db, "BEGIN IMMEDIATE", err);
}

static bool
db_commit(struct sql_db *db, struct err *err)
{
	return db_exec(db, "COMMIT", err);
}

static bool
db_rollback(struct sql_db *db, struct err *err)
{
	return sqlite3_get_autocommit(db->sqlite) || db_exec(db, "ROLLBACK", err);
}

/* A file that was put in its place is another database. */
static bool
db_renew(struct sql_db *db, int64_t deadline_ms)
{
	struct stat st;

	if (stat(db->path, &st) || st.st_dev != db->device || st.st_ino != db->inode)
		return false;
	db->until = (struct mono){clock_mono(clock_system()).ms + deadline_ms};
	return true;
}

/* --- statements ---------------------------------------------------------------------------- */

static void
stmt_auto_free(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
}

static bool
db_prepare(struct sql_db *db, const char *text, sqlite3_stmt **ret, struct err *err)
{
	const char *tail = NULL;
	int code = sqlite3_prepare_v2(db->sqlite, text, -1, ret, &tail);

	if (code != SQLITE_OK)
		return db_failed(db, code, err);
	if (!*ret)
		return err_set(
			err, E_INVALID,
			"the statement does nothing; expected SELECT, INSERT, UPDATE or DELETE");
	/* Nothing but another statement would make a statement of it. */
	if (tail && *tail) {
		AUTO(stmt_auto_free) sqlite3_stmt *more = NULL;

		if (sqlite3_prepare_v2(db->sqlite, tail, -1, &more, NULL) != SQLITE_OK || more)
			return err_set(err, E_INVALID,
				       "more than one statement; expected one, what follows its ; "
				       "is refused");
	}
	return true;
}

/* The statement of a text, prepared once; the connection's. */
static bool
db_statement(struct sql_db *db, const char *text, sqlite3_stmt **ret, struct err *err)
{
	bool is;
	size_t at = sql_kept_at(&db->kept, text, &is);

	if (is) {
		*ret = db->stmts[at];
		return true;
	}
	if (!db_prepare(db, text, ret, err)) {
		sqlite3_finalize(*ret);
		return false;
	}
	sqlite3_finalize(db->stmts[at]);
	db->stmts[at] = *ret;
	sql_kept_put(&db->kept, at, text);
	return true;
}

static void
stmt_auto_reset(sqlite3_stmt **stmt)
{
	sqlite3_reset(*stmt);
	sqlite3_clear_bindings(*stmt);
}

static int
value_bind(sqlite3_stmt *stmt, int at, const struct sql_value *value)
{
	switch (value->type) {
	case SQL_NULL:
		return sqlite3_bind_null(stmt, at);
	case SQL_INT:
		return sqlite3_bind_int64(stmt, at, value->integer);
	case SQL_REAL:
		return sqlite3_bind_double(stmt, at, value->real);
	case SQL_TEXT:
		return sqlite3_bind_text64(stmt, at, buf_cstr(&value->bytes), value->bytes.len,
					   SQLITE_STATIC, SQLITE_UTF8);
	case SQL_BLOB:
		return sqlite3_bind_blob64(stmt, at, buf_cstr(&value->bytes), value->bytes.len,
					   SQLITE_STATIC);
	}
	return SQLITE_MISUSE;
}

static struct str
slice(const void *p, int len)
{
	return str_make(p ? p : "", (size_t)len);
}

static bool
cell_take(sqlite3_stmt *stmt, int at, struct sql_value *value, struct err *err)
{
	switch (sqlite3_column_type(stmt, at)) {
	case SQLITE_INTEGER:
		value->type = SQL_INT;
		value->integer = sqlite3_column_int64(stmt, at);
		return true;
	case SQLITE_FLOAT:
		value->type = SQL_REAL;
		value->real = sqlite3_column_double(stmt, at);
		return true;
	case SQLITE_TEXT:
		return sql_value_take(
			value, SQL_TEXT,
			slice(sqlite3_column_text(stmt, at), sqlite3_column_bytes(stmt, at)), err);
	case SQLITE_BLOB:
		return sql_value_take(
			value, SQL_BLOB,
			slice(sqlite3_column_blob(stmt, at), sqlite3_column_bytes(stmt, at)), err);
	default:
		return true;
	}
}

static bool
row_take(sqlite3_stmt *stmt, struct sql_row *row, struct err *err)
{
	int count = sqlite3_column_count(stmt);

	if (row->rows++)
		return true;
	for (int i = 0; i < count; i++) {
		struct sql_value *cell = sql_row_add(row, sqlite3_column_name(stmt, i),
						     (size_t)sqlite3_column_bytes(stmt, i), err);

		if (!cell || !cell_take(stmt, i, cell, err))
			return false;
	}
	return true;
}

static bool
db_run(struct sql_db *db, const char *text, const struct sql_values *values,
       struct sql_row *ret_row, int64_t *ret_changed, struct err *err)
{
	AUTO(stmt_auto_reset) sqlite3_stmt *stmt = NULL;
	int64_t before = sqlite3_total_changes64(db->sqlite);
	int code;

	if (!db_statement(db, text, &stmt, err))
		return false;
	if ((size_t)sqlite3_bind_parameter_count(stmt) > (values ? values->count : 0))
		return err_set(err, E_INVALID,
			       "the statement has a parameter that nothing fills; expected only "
			       ":entity, :key, :op, "
			       ":after.NAME, :before.NAME");
	for (size_t i = 0; values && i < values->count; i++) {
		code = value_bind(stmt, (int)i + 1, &values->items[i]);
		if (code != SQLITE_OK)
			return db_failed(db, code, err);
	}
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW)
		if (ret_row && !row_take(stmt, ret_row, err))
			return false;
	if (code != SQLITE_DONE)
		return db_failed(db, code, err);
	/* Not total_changes, which counts what triggers did; but 0 for a statement that changes
	 * nothing. */
	if (ret_changed)
		*ret_changed = sqlite3_total_changes64(db->sqlite) > before
				       ? sqlite3_changes64(db->sqlite)
				       : 0;
	return true;
}

static bool
db_check(struct sql_db *db, const char *text, bool *ret_syntax, struct err *err)
{
	AUTO(stmt_auto_free) sqlite3_stmt *stmt = NULL;

	if (db_prepare(db, text, &stmt, err))
		return true;
	*ret_syntax = !strstr(err_text(err), "no such") && err->code == E_INVALID;
	return false;
}

static bool
db_columns(struct sql_db *db, const char *table, struct sql_values *ret, struct err *err)
{
	AUTO(stmt_auto_free) sqlite3_stmt *stmt = NULL;
	int code;

	if (!db_prepare(db, "SELECT name FROM pragma_table_info(?1)", &stmt, err))
		return false;
	code = sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (!sql_value_take(
			    sql_values_add(ret), SQL_TEXT,
			    slice(sqlite3_column_text(stmt, 0), sqlite3_column_bytes(stmt, 0)),
			    err))
			return false;
		code = SQLITE_OK;
	}
	if (code != SQLITE_DONE)
		return db_failed(db, code, err);
	return ret->count || err_set(err, E_NOT_FOUND, "%s has no table %s", db->path, table);
}

const struct sql_driver sql_sqlite = {
	.scheme = "sqlite:",
	.mark = '?',
	.open = db_open,
	.close = db_close,
	.begin = db_begin,
	.commit = db_commit,
	.rollback = db_rollback,
	.renew = db_renew,
	.run = db_run,
	.check = db_check,
	.columns = db_columns,
	.make_ledger = "CREATE TABLE IF NOT EXISTS rouse_applied (key TEXT PRIMARY KEY, change "
		       "TEXT, at TEXT)",
	.find_ledger = "SELECT change, at FROM rouse_applied WHERE key = ?1",
	.add_ledger = "INSERT INTO rouse_applied (key, change, at) VALUES (?1, ?2, "
		      "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) ON CONFLICT DO NOTHING",
	.drop_ledger = "DELETE FROM rouse_applied WHERE key = ?1",
	.last_id = "SELECT last_insert_rowid()",
};
