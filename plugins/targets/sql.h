/* SQL targets, inside: statements with names in them, values, and what a database has to offer. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_SQL_H
#define ROUSE_PLUGINS_SQL_H

#include <pthread.h>

#include "plugins/targets/vetting.h"

extern const struct target_kind sql_target_kind;

/* --- values --- */

enum sql_type { SQL_NULL, SQL_INT, SQL_REAL, SQL_TEXT, SQL_BLOB };
struct sql_value {
	enum sql_type type;
	int64_t integer;
	double real;
	struct buf bytes; /* text and blob; owned */
};
void sql_value_fini(struct sql_value *value);
/* A raw JSON value: integers exactly, booleans as 1 and 0, objects and arrays as their text,
 * {"$base64":"..."} as bytes. E_INVALID for an integer beyond 64 bits; what: its name. */
bool sql_value_of(struct str raw, const char *what, struct sql_value *ret, struct err *err);
void sql_value_json(const struct sql_value *value, struct buf *out);

struct sql_values {
	struct sql_value *items;
	size_t count;
};
/* Room for so many at once: most statements have no more. */
#define SQL_VALUES_STEP 4
void sql_values_fini(struct sql_values *values);
struct sql_value *sql_values_add(struct sql_values *values);

/* The first row of a result, and how many there were. */
struct sql_row {
	char **names;
	struct sql_values cells;
	size_t rows;
	size_t bytes;
};
#define SQL_ROW_BYTES_MAX (4 << 20)
void sql_row_fini(struct sql_row *row);
/* Is all that expected (JSON) names there, each value plainly the same text, integer or null? False
 * does not say that it drifted: change_drifted() does. */
bool sql_row_is(const struct sql_row *row, const char *expected);
/* As a JSON object. expected (JSON, NULL) tells how what the database has no type for is meant: a
 * boolean that it keeps as 1, an object that it keeps as text, "5" that it keeps as 5. */
void sql_row_json(const struct sql_row *row, const char *expected, struct buf *out);

/* --- statements --- */

enum sql_source { SQL_FROM_ENTITY, SQL_FROM_KEY, SQL_FROM_OP, SQL_FROM_AFTER, SQL_FROM_BEFORE };
struct sql_param {
	enum sql_source source;
	char *path; /* NAME or NAME.NAME of an image; NULL */
};
struct sql_text {
	char *text; /* with ?1 ?2 ... */
	struct sql_param *params;
	size_t count;
};
/* :entity :key :op :after.NAME :before.NAME become numbered parameters, outside of strings, quoted
 * names and comments. mark: '?' or '$'. E_CONFIG with what is unknown. */
bool sql_text_parse(const char *statement, char mark, struct sql_text *ret, struct err *err);
void sql_text_fini(struct sql_text *text);

/* What names in a statement stand for. NULL: there is none. */
struct sql_images {
	const char *entity, *key, *op;
	const char *after;
	const char *before[2]; /* looked at in this order */
};
bool sql_text_bind(const struct sql_text *text, const struct sql_images *images,
		   struct sql_values *ret, struct err *err);

/* --- databases --- */

/* What a table takes. */
struct sql_column {
	char *name;
	char *type; /* as it stands in a CAST */
	bool not_null;
	bool filled;	/* with something of its own where nothing is given */
	bool generated; /* and nothing may be given */
};
struct sql_shape {
	struct sql_column *items;
	size_t count;
};
void sql_shape_fini(struct sql_shape *shape);

struct sql_db;
struct sql_driver {
	const char *scheme; /* "sqlite:" */
	char mark;
	bool is_remote; /* nobody asks it but from a thread */
	/* where: the url behind the scheme; relative paths are made absolute before. Never creates
	 * one. deadline_ms bounds everything that is done on it, busy_ms the waiting for others. */
	bool (*open)(const char *where, bool read_only, int64_t deadline_ms, int64_t busy_ms,
		     struct sql_db **ret, struct err *err);
	void (*close)(struct sql_db *db);		   /* what is not committed is undone */
	bool (*begin)(struct sql_db *db, struct err *err); /* as the one writer */
	bool (*commit)(struct sql_db *db, struct err *err);
	bool (*rollback)(struct sql_db *db, struct err *err);
	/* Is it good for more, for so long from now? Not when another database lies there now. */
	bool (*renew)(struct sql_db *db, int64_t deadline_ms);
	/* One statement. ret_row (may be NULL): its first row; ret_changed: rows that it touched.
	 */
	bool (*run)(struct sql_db *db, const char *text, const struct sql_values *values,
		    struct sql_row *ret_row, int64_t *ret_changed, struct err *err);
	/* Would it run? *ret_syntax: false when only a table or column is not there (yet). */
	bool (*check)(struct sql_db *db, const char *text, bool *ret_syntax, struct err *err);
	/* The columns of a table, names in the cells; E_NOT_FOUND when there is no such table. */
	bool (*columns)(struct sql_db *db, const char *table, struct sql_values *ret,
			struct err *err);
	/* The same with what they take; NULL: nobody asks. */
	bool (*shape)(struct sql_db *db, const char *table, struct sql_shape *ret, struct err *err);
	/* A table's name as it stands in a statement; NULL: sql_quote(). */
	void (*quote_table)(struct buf *out, const char *table);
	/* has_ledger: a row when it is there; NULL: make_ledger does no harm where it is.
	 * add_ledger: touches no row where the key is known. last_id: of the row that was inserted
	 * last; NULL: an INSERT says RETURNING. */
	const char *has_ledger, *make_ledger, *find_ledger, *add_ledger, *drop_ledger, *last_id;
};
extern const struct sql_driver sql_sqlite, sql_postgresql;

/* sql_driver.c: what drivers are made of. Statements of a group are few, and come again and again:
 * they are kept prepared, by their texts. */
#define SQL_KEPT 12
struct sql_kept {
	char *texts[SQL_KEPT];
	size_t next; /* the one that goes when another comes */
};
/* Where a text is, or (not *ret_is) where it may go; another one may be there. */
size_t sql_kept_at(const struct sql_kept *kept, const char *text, bool *ret_is);
void sql_kept_put(struct sql_kept *kept, size_t at, const char *text);
void sql_kept_drop(struct sql_kept *kept, size_t at);
void sql_kept_fini(struct sql_kept *kept);
/* The next column of the first row: its cell, null. bytes: of its value. NULL, E_TOO_LARGE: beyond
 * SQL_ROW_BYTES_MAX. */
struct sql_value *sql_row_add(struct sql_row *row, const char *name, size_t bytes, struct err *err);
/* Text or bytes of any size; E_FULL. */
bool sql_value_take(struct sql_value *value, enum sql_type type, struct str bytes, struct err *err);

/* Appends name in double quotes. */
void sql_quote(struct buf *out, const char *name);
/* Appends the mark of the parameter of that number. */
void sql_mark(struct buf *out, char mark, size_t number);

/* --- a target --- */

enum sql_slot {
	SQL_APPLY,
	SQL_APPLY_CREATE,
	SQL_APPLY_UPDATE,
	SQL_APPLY_DELETE,
	SQL_APPLY_CALL,
	SQL_REVERT,
	SQL_READ,
	SQL_SLOTS
};
struct sql_target {
	const struct sql_driver *driver;
	char *where;
	const char *table, *id_column; /* the simple form; NULL */
	bool ledger;
	int64_t busy_ms, timeout_ms;
	struct sql_text statements[SQL_SLOTS]; /* text NULL: not set */
	struct sql_values columns;	       /* of table, as last seen */
	struct sql_db *look;		       /* by check(), read-only, kept for a moment */
	struct core_timer *look_rest;
	struct vet_queue vets; /* proposals that a server is asked about */
	struct sql_db *vet_db; /* by the thread that asks, kept for a moment */
	struct core_timer *vet_rest;

	/* One group after the other; what the last one was done on is kept for the next, for a
	 * moment. */
	pthread_mutex_t lock;
	struct sql_db *spare;
	struct core_timer *rest;
};

/* sql_apply.c */
void sql_apply(struct core *core, const struct target *target, const struct change_row *change,
	       bool revert, target_on_done *on_done, void *arg);
void sql_apply_many(struct core *core, const struct target *target,
		    const struct change_row *const *changes, size_t count, bool revert,
		    target_on_all_done *on_done, void *arg);

/* What one application does on the database. */
struct sql_plan {
	struct buf read, text; /* empty: none */
	struct sql_values read_values, values;
	bool needs_row; /* touching nothing is a failure */
	bool gives_id;	/* it creates a row without an entity: what id did it get? */
};
void sql_plan_fini(struct sql_plan *plan);
/* sql_table.c: for the simple form. before: change_before(). columns: of the table, as they are
 * now. */
bool sql_table_plan(const struct sql_target *t, const struct sql_values *columns,
		    const struct change_row *change, const char *before, bool revert,
		    struct sql_plan *ret, struct err *err);
/* Does a proposal fit the table? columns count 0: not known. *ret_unknown (may be NULL): a column
 * was refused. */
bool sql_table_check(const struct sql_target *t, const struct sql_values *columns,
		     const struct change_row *change, bool *ret_unknown, struct err *err);
/* sql_statement.c: for the general form. */
bool sql_statement_plan(const struct sql_target *t, const struct change_row *change,
			const char *before, bool revert, struct sql_plan *ret, struct err *err);
/* Is the row there that an update or delete is about, and none where one is created? E_NOT_FOUND,
 * E_EXISTS; anything else: it could not be seen. */
bool sql_table_look(const struct sql_target *t, struct sql_db *db, const struct change_row *change,
		    struct err *err);
bool sql_statement_check(const struct sql_target *t, const struct change_row *change,
			 struct err *err);

/* sql_vet.c: proposals that a server is asked about */
void sql_vet_init(struct sql_target *t);
void sql_vet_fini(struct sql_target *t);
bool sql_vets(const struct target *target, const struct change_row *change);
void sql_vet(struct core *core, const struct target *target, const struct change_row *change,
	     int64_t timeout_ms, target_on_vetted *on_vetted, void *arg);

#endif
