/* The seam to a database: what a second kind would have to do. SQLite's is sqlite.c. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_DRIVER_H
#define ROUSE_STORE_DRIVER_H

#include "base/err.h"
#include "base/str.h"

enum driver_step { STEP_FAILED, STEP_ROW, STEP_DONE };
enum driver_mode { DRIVER_WRITE, DRIVER_READ };

struct driver_conn;
struct driver_stmt;

/* Functions that may fail return false (STEP_FAILED) and say why. Codes: E_EXISTS a unique key,
 * E_INVALID another constraint, E_FULL no space, E_IO the disk, E_CORRUPT, E_UNAVAILABLE locked by
 * a stranger, E_INTERNAL our SQL. */
struct driver {
	const char *name;
	bool (*open)(const char *path, enum driver_mode mode, struct driver_conn **ret,
		     struct err *err);
	/* keep_log: leaves what has not reached the main file where it is. */
	void (*close)(struct driver_conn *conn, bool keep_log);
	/* Any number of statements without parameters. */
	bool (*script)(struct driver_conn *conn, const char *sql, struct err *err);
	/* Does it guard its own tables, the schema's among them? As opened it does. */
	void (*guard)(struct driver_conn *conn, bool on);

	bool (*prepare)(struct driver_conn *conn, const char *sql, struct driver_stmt **ret,
			struct err *err);
	void (*finalize)(struct driver_stmt *stmt);
	int (*params)(struct driver_stmt *stmt); /* how many; they count from 1 */
	const char *(*param_name)(struct driver_stmt *stmt, int i); /* without its colon */
	/* Text and blobs are not copied: they must live until reset. */
	void (*bind_null)(struct driver_stmt *stmt, int i);
	void (*bind_int)(struct driver_stmt *stmt, int i, int64_t v);
	void (*bind_real)(struct driver_stmt *stmt, int i, double v);
	void (*bind_text)(struct driver_stmt *stmt, int i, struct str v);
	void (*bind_blob)(struct driver_stmt *stmt, int i, struct str v);
	enum driver_step (*step)(struct driver_conn *conn, struct driver_stmt *stmt,
				 struct err *err);
	void (*reset)(struct driver_stmt *stmt);  /* forgets the binds, too */
	int (*columns)(struct driver_stmt *stmt); /* how many; they count from 0 */
	const char *(*column_name)(struct driver_stmt *stmt, int i);
	bool (*column_is_null)(struct driver_stmt *stmt, int i);
	int64_t (*column_int)(struct driver_stmt *stmt, int i);
	double (*column_real)(struct driver_stmt *stmt, int i);
	struct str (*column_text)(struct driver_stmt *stmt,
				  int i); /* NUL behind it; until the next step; p NULL: null */
	struct str (*column_blob)(struct driver_stmt *stmt, int i);

	bool (*begin)(struct driver_conn *conn, struct err *err); /* a transaction that writes */
	bool (*commit)(struct driver_conn *conn,
		       struct err *err); /* on disk when it returns true */
	void (*rollback)(struct driver_conn *conn);
	bool (*in_transaction)(struct driver_conn *conn); /* false after one that undid itself */
	bool (*savepoint)(struct driver_conn *conn, int depth, struct err *err);
	bool (*release)(struct driver_conn *conn, int depth, struct err *err);
	bool (*undo)(struct driver_conn *conn, int depth, struct err *err);

	int64_t (*rows_written)(struct driver_conn *conn); /* since open */
	int64_t (*rows_changed)(struct driver_conn *conn); /* by the last statement */
	/* The log that commits go to before they reach the main file: its frames not yet there, and
	 * moving them. */
	int64_t (*log_pages)(struct driver_conn *conn);
	bool (*checkpoint)(struct driver_conn *conn, struct err *err);
	int (*disk_error)(struct driver_conn *conn); /* errno of the last E_IO or E_FULL */
	bool (*copy)(struct driver_conn *conn, const char *to,
		     void (*progress)(void *arg, int done, int total), void *arg, struct err *err);
};

extern const struct driver driver_sqlite;

#endif
