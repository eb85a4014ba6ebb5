/* Statements: tables of SQL beside the rows that they bind and fill; prepared once, when first
 * used. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_STMT_H
#define ROUSE_STORE_STMT_H

#include "store/driver.h"
#include "store/store.h"

/* How a member of a row struct stands in a column. */
enum field_type {
	FIELD_INT,   /* int64_t */
	FIELD_REF,   /* int64_t; 0 is NULL */
	FIELD_SMALL, /* int */
	FIELD_BOOL,  /* bool */
	FIELD_TEXT,  /* char *; NULL is NULL */
	FIELD_NAME,  /* char *; NULL is '' */
	FIELD_WALL,  /* struct wall; WALL_NONE is NULL */
	FIELD_SHARE, /* double; below 0 is NULL */
};
struct field {
	const char *name; /* of the column, and of the parameter */
	enum field_type type;
	size_t offset;
};
#define FIELD(row, member, column, kind)                                                           \
	{                                                                                          \
		column, kind, offsetof(struct row, member)                                         \
	}

/* The columns of one row struct; what a statement selects or binds is a subset, by name. */
struct shape {
	const struct field *fields;
	size_t count;
	size_t size; /* of the struct */
};
extern const struct shape event_shape, run_shape, attempt_shape, log_shape, change_shape,
	gate_shape, token_shape, notice_shape, notification_shape, audit_shape;
/* Frees the text of a row. */
void row_fini(const struct shape *shape, void *row);

struct statement {
	const char *sql;
	const struct shape *shape; /* of row_bind() and row_read(); NULL: neither */
};

/* Which table of statements. */
enum room {
	ROOM_EVENTS,
	ROOM_RUNS,
	ROOM_MOVES,
	ROOM_COUNTS,
	ROOM_ATTEMPTS,
	ROOM_RUNLOG,
	ROOM_KEYS,
	ROOM_CHANGES,
	ROOM_CHANGES_WALK,
	ROOM_CHANGES_RULE,
	ROOM_CHANGES_VET,
	ROOM_SAMPLES,
	ROOM_CHANGES_MOVE,
	ROOM_OUTBOX,
	ROOM_STATE,
	ROOM_GATES,
	ROOM_FACTS,
	ROOM_BUDGETS,
	ROOM_BREAKERS,
	ROOM_HEALTH,
	ROOM_ROLLOUTS,
	ROOM_GATHER,
	ROOM_NOTICES,
	ROOM_INBOX,
	ROOM_BATCHES,
	ROOM_ITEMS,
	ROOM_SESSIONS,
	ROOM_STORE,
	ROOM_RETENTION,
	ROOM_AUDIT,
	ROOM_SPANS,
	ROOMS
};
struct statements {
	const char *name;
	const struct statement *list;
	int count;
};
extern const struct statements events_statements, runs_statements, moves_statements,
	counts_statements, attempts_statements, runlog_statements, keys_statements,
	changes_statements, changes_walk_statements, changes_rule_statements,
	changes_vet_statements, samples_statements, changes_move_statements, outbox_statements,
	state_statements, gates_statements, facts_statements, breakers_statements,
	budgets_statements, gather_statements, health_statements, rollouts_statements,
	sessions_statements, batches_statements, items_statements, notices_statements,
	inbox_statements, store_statements, retention_statements, spans_statements,
	audit_statements;
const struct statements *statements_of(enum room room);

/* A statement in use. AUTO(query_end) struct query *q = query_read(…); NULL: err says why. */
struct query;
struct query *query_read(struct store *store, enum room room, int id, struct err *err);
/* Opens the turn; refused when the turn has failed. */
struct query *query_write(struct store *store, enum room room, int id, struct err *err);
void query_end(struct query **query);

/* By name, without colon; asserts that there is such a parameter. Text is not copied: it lives
 * until query_end. */
void query_int(struct query *query, const char *name, int64_t v);
void query_ref(struct query *query, const char *name, int64_t v);      /* 0: NULL */
void query_text(struct query *query, const char *name, const char *v); /* NULL: NULL */
void query_str(struct query *query, const char *name, struct str v);
void query_blob(struct query *query, const char *name, struct str v);
void query_wall(struct query *query, const char *name, struct wall v);
/* Every parameter that row's shape names. */
void query_row(struct query *query, const void *row);

/* To the next row: STEP_ROW, STEP_DONE, or STEP_FAILED with err. */
enum driver_step query_step(struct query *query, struct err *err);
/* Runs what gives no rows. ret_changed (may be NULL): how many it wrote. */
bool query_run(struct query *query, int64_t *ret_changed, struct err *err);
/* One row of one number: *ret is it; `none` when there is no row or it is NULL. */
bool query_number(struct query *query, int64_t none, int64_t *ret, struct err *err);

int64_t query_get_int(struct query *query, int column);
struct str query_get_text(struct query *query,
			  int column); /* lives until the next step; p NULL: null */
struct str query_get_blob(struct query *query, int column);
struct wall query_get_wall(struct query *query, int column);
/* The columns that the shape names into row; members that none names are NULL, 0 or WALL_NONE.
 * lend: text is the statement's, until the next step, and row_fini must not be called; otherwise
 * copied. */
void query_get_row(struct query *query, void *row, bool lend);

/* --- patterns --- */

/* One row into ret (a struct of the shape), copied; E_NOT_FOUND "WHAT is unknown". */
bool query_one(struct query *query, void *ret, const char *what, struct err *err);
/* Every row, lent, to fn until it returns false. */
typedef bool row_fn(void *arg, const void *row);
bool query_each(struct query *query, row_fn *fn, void *arg, struct err *err);
/* Binds :lo and :hi, between which all ids lie that begin with `id`; E_INVALID when it is shorter
 * than 8. Finds one row by it: E_NOT_FOUND, E_INVALID when several match. noun: "run". */
bool query_by_id(struct query *query, const char *noun, const char *id, void *ret, struct err *err);

/* Lists, newest first. A variant is the same list led by another index: the first whose column (and
 * value, NULL: any) is among the filters is used; the last has none. */
struct list_variant {
	const char *column, *value;
	int statement;
};
struct list_def {
	enum room room;
	const char *noun;
	const char *const *columns; /* parameters of the filters, NULL-terminated */
	const struct list_variant *variants;
	size_t time_offset; /* in the row, of the struct wall that `since` is held against */
};
bool list_run(struct store *store, const struct list_def *def, const struct list_query *query,
	      row_fn *fn, void *arg, struct err *err);

#endif
