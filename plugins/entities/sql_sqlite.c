/* Entities from a database: SQLite, opened for reading. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "plugins/entities/sql.h"

/* Steps of SQLite's machine between two looks at the clock. */
#define LOOK_STEPS 20000
#define BUSY_MS 5000

struct rows {
	sqlite3 *db;
	sqlite3_stmt *stmt;
	int64_t timeout_ms;
	struct mono until; /* of the row that is waited for */
	const volatile bool *stop;
};

static void
rows_close(struct rows *rows)
{
	if (!rows)
		return;
	sqlite3_finalize(rows->stmt);
	sqlite3_close(rows->db);
	free(rows);
}

static int
on_steps(void *arg)
{
	const struct rows *rows = arg;

	return *rows->stop || clock_mono(clock_system()).ms > rows->until.ms;
}

static bool
said(struct rows *rows, int code, struct err *err)
{
	if ((code & 0xff) == SQLITE_INTERRUPT)
		return err_set(err, E_TIMEOUT, "the query gave no row for entities_timeout");
	return err_set(err, (code & 0xff) == SQLITE_BUSY ? E_UNAVAILABLE : E_IO, "%s",
		       rows->db ? sqlite3_errmsg(rows->db) : sqlite3_errstr(code));
}

static bool
query_prepare(struct rows *rows, const char *query, struct err *err)
{
	const char *tail = NULL;
	int code = sqlite3_prepare_v2(rows->db, query, -1, &rows->stmt, &tail);

	if (code != SQLITE_OK)
		return said(rows, code, err);
	if (!rows->stmt || (tail && str_trim(str_of(tail)).len))
		return err_set(err, E_INVALID, "expected one query, as SELECT id, name FROM ...");
	if (!sqlite3_stmt_readonly(rows->stmt) || !sqlite3_column_count(rows->stmt))
		return err_set(err, E_INVALID, "expected a query that only reads, as SELECT");
	for (int i = 0; i < sqlite3_column_count(rows->stmt); i++)
		for (int k = 0; k < i; k++)
			if (!strcmp(sqlite3_column_name(rows->stmt, i),
				    sqlite3_column_name(rows->stmt, k)))
				return err_set(err, E_INVALID,
					       "columns %d and %d of the query are both named %s; "
					       "give one another name with AS",
					       k + 1, i + 1, sqlite3_column_name(rows->stmt, i));
	return true;
}

static bool
rows_open(const char *where, const char *query, int64_t timeout_ms, const volatile bool *stop,
	  struct rows **ret, struct err *err)
{
	struct rows *rows;
	int code;

	if (access(where, R_OK))
		return err_errno(err, errno, "%s cannot be opened", where);
	rows = mem_alloc(sizeof(*rows));
	rows->timeout_ms = timeout_ms;
	rows->stop = stop;
	rows->until = (struct mono){clock_mono(clock_system()).ms + timeout_ms};
	code = sqlite3_open_v2(where, &rows->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX,
			       NULL);
	if (code == SQLITE_OK) {
		sqlite3_busy_timeout(rows->db, (int)(timeout_ms < BUSY_MS ? timeout_ms : BUSY_MS));
		sqlite3_progress_handler(rows->db, LOOK_STEPS, on_steps, rows);
		sqlite3_db_config(rows->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
		sqlite3_limit(rows->db, SQLITE_LIMIT_LENGTH, ENTITY_BYTES_MAX);
	}
	if (code == SQLITE_OK ? query_prepare(rows, query, err) : said(rows, code, err)) {
		*ret = rows;
		return true;
	}
	rows_close(rows);
	return false;
}

static bool
cell_json(sqlite3_stmt *stmt, int i, struct buf *out, struct err *err)
{
	struct str bytes;

	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_INTEGER:
		buf_printf(out, "%lld", (long long)sqlite3_column_int64(stmt, i));
		return true;
	case SQLITE_FLOAT:
		if (isfinite(sqlite3_column_double(stmt, i)))
			buf_printf(out, "%.17g", sqlite3_column_double(stmt, i));
		else
			buf_puts(out, "null");
		return true;
	case SQLITE_NULL:
		buf_puts(out, "null");
		return true;
	case SQLITE_BLOB:
		bytes.p = sqlite3_column_blob(stmt, i);
		bytes.len = (size_t)sqlite3_column_bytes(stmt, i);
		buf_puts(out, "{\"$base64\":\"");
		base64_encode(out, bytes);
		buf_puts(out, "\"}");
		return true;
	default:
		bytes.p = (const char *)sqlite3_column_text(stmt, i);
		bytes.len = (size_t)sqlite3_column_bytes(stmt, i);
		if (!bytes.p || !str_is_utf8(bytes) || memchr(bytes.p, '\0', bytes.len))
			return err_set(err, E_INVALID,
				       "column %s is no text in UTF-8; cast it to BLOB",
				       sqlite3_column_name(stmt, i));
		buf_json_str(out, bytes);
		return true;
	}
}

static bool
rows_next(struct rows *rows, struct buf *object, struct buf *first, bool *ret_end, struct err *err)
{
	int code;

	rows->until = (struct mono){clock_mono(clock_system()).ms + rows->timeout_ms};
	code = sqlite3_step(rows->stmt);
	*ret_end = code == SQLITE_DONE;
	if (*ret_end)
		return true;
	if (code != SQLITE_ROW)
		return said(rows, code, err);
	for (int i = 0; i < sqlite3_column_count(rows->stmt); i++) {
		buf_putc(object, i ? ',' : '{');
		buf_json_cstr(object, sqlite3_column_name(rows->stmt, i));
		buf_putc(object, ':');
		if (!cell_json(rows->stmt, i, object, err))
			return false;
	}
	buf_putc(object, '}');
	if (sqlite3_column_type(rows->stmt, 0) != SQLITE_NULL)
		buf_add(first, sqlite3_column_text(rows->stmt, 0),
			(size_t)sqlite3_column_bytes(rows->stmt, 0));
	return true;
}

static bool
rows_has(struct rows *rows, const char *name, struct buf *names)
{
	bool has = false;

	for (int i = 0; i < sqlite3_column_count(rows->stmt); i++) {
		buf_cat(names, i ? ", " : "", sqlite3_column_name(rows->stmt, i));
		has |= !strcmp(sqlite3_column_name(rows->stmt, i), name);
	}
	return has;
}

const struct rows_driver rows_sqlite = {.scheme = "sqlite:",
					.open = rows_open,
					.next = rows_next,
					.has = rows_has,
					.close = rows_close};
