/* Statements: tables of SQL beside the rows that they bind and fill; prepared once, when first
 * used. */
/* SPDX-License-Identifier: MIT */
#include "store/stmt.h"

#include <assert.h>
#include <stdlib.h>

#include "store/internal.h"

#define NO_FIELD 0xff

static const struct statements *const rooms[] = {
	[ROOM_EVENTS] = &events_statements,
	[ROOM_RUNS] = &runs_statements,
	[ROOM_MOVES] = &moves_statements,
	[ROOM_COUNTS] = &counts_statements,
	[ROOM_ATTEMPTS] = &attempts_statements,
	[ROOM_RUNLOG] = &runlog_statements,
	[ROOM_KEYS] = &keys_statements,
	[ROOM_CHANGES] = &changes_statements,
	[ROOM_CHANGES_WALK] = &changes_walk_statements,
	[ROOM_CHANGES_RULE] = &changes_rule_statements,
	[ROOM_CHANGES_VET] = &changes_vet_statements,
	[ROOM_SAMPLES] = &samples_statements,
	[ROOM_CHANGES_MOVE] = &changes_move_statements,
	[ROOM_OUTBOX] = &outbox_statements,
	[ROOM_STATE] = &state_statements,
	[ROOM_GATES] = &gates_statements,
	[ROOM_FACTS] = &facts_statements,
	[ROOM_BREAKERS] = &breakers_statements,
	[ROOM_BUDGETS] = &budgets_statements,
	[ROOM_BATCHES] = &batches_statements,
	[ROOM_ITEMS] = &items_statements,
	[ROOM_GATHER] = &gather_statements,
	[ROOM_HEALTH] = &health_statements,
	[ROOM_ROLLOUTS] = &rollouts_statements,
	[ROOM_SESSIONS] = &sessions_statements,
	[ROOM_STORE] = &store_statements,
	[ROOM_RETENTION] = &retention_statements,
	[ROOM_AUDIT] = &audit_statements,
	[ROOM_SPANS] = &spans_statements,
	[ROOM_NOTICES] = &notices_statements,
	[ROOM_INBOX] = &inbox_statements,
};
_Static_assert(ARRAY_LEN(rooms) == ROOMS, "every room has its statements");

struct query {
	struct store *store;
	const struct driver *driver;
	const struct statement *def;
	struct driver_stmt *stmt;
	bool busy;  /* between query_read and query_end */
	bool spare; /* a second one of a statement that was busy: freed at its end */
	bool writes;
	size_t note; /* where it stands in the turn's redo */
	int params, columns, next;
	char **names; /* of the parameters, from 1; the database's own go when it prepares anew */
	unsigned char *param_field, *column_field;
};

const struct statements *
statements_of(enum room room)
{
	return rooms[room];
}

/* --- preparing --- */

static unsigned char
field_find(const struct shape *shape, const char *name)
{
	for (size_t i = 0; shape && i < shape->count; i++) {
		if (!strcmp(shape->fields[i].name, name))
			return (unsigned char)i;
	}
	return NO_FIELD;
}

static void
query_free(struct query *q)
{
	q->driver->finalize(q->stmt);
	for (int i = 1; i <= q->params; i++)
		free(q->names[i]);
	free(q->names);
	free(q->param_field);
	free(q->column_field);
	free(q);
}

static struct query *
query_new(struct store *store, const struct statement *def, struct err *err)
{
	struct driver_stmt *stmt;
	if (!store->driver->prepare(store->conn, def->sql, &stmt, err))
		return NULL;
	struct query *q = mem_alloc(sizeof(*q));
	q->store = store;
	q->driver = store->driver;
	q->def = def;
	q->stmt = stmt;
	q->params = q->driver->params(stmt);
	q->columns = q->driver->columns(stmt);
	q->names = mem_alloc_array((size_t)q->params + 1, sizeof(*q->names));
	q->param_field = mem_alloc((size_t)q->params + 1);
	q->column_field = mem_alloc((size_t)q->columns + 1);
	assert(!def->shape || def->shape->count < NO_FIELD);
	for (int i = 1; i <= q->params; i++) {
		q->names[i] = mem_strdup(q->driver->param_name(stmt, i));
		q->param_field[i] = field_find(def->shape, q->names[i]);
	}
	for (int i = 0; i < q->columns; i++)
		q->column_field[i] = field_find(def->shape, q->driver->column_name(stmt, i));
	return q;
}

struct query *
query_read(struct store *store, enum room room, int id, struct err *err)
{
	const struct statements *table = rooms[room];
	assert(id >= 0 && id < table->count);
	if (!store->prepared[room])
		store->prepared[room] =
			mem_alloc_array((size_t)table->count, sizeof(struct query *));
	struct query **kept = &store->prepared[room][id];
	struct query *q = *kept;
	if (!q || q->busy) {
		q = query_new(store, &table->list[id], err);
		if (!q)
			return NULL;
		q->spare = *kept != NULL;
		if (!*kept)
			*kept = q;
	}
	q->busy = true;
	q->writes = false;
	q->note = REDO_NONE;
	q->next = 1;
	return q;
}

const struct shape *
query_shape(const struct query *q)
{
	return q->def->shape;
}

struct driver_stmt *
query_stmt(struct query *q)
{
	return q->stmt;
}

struct query *
query_write(struct store *store, enum room room, int id, struct err *err)
{
	if (!turn_begin(store, err))
		return NULL;
	struct query *q = query_read(store, room, id, err);
	if (!q)
		return NULL;
	q->writes = true;
	q->note = redo_begin(store, room, id);
	return q;
}

void
query_end(struct query **query)
{
	struct query *q = *query;
	if (!q)
		return;
	*query = NULL;
	q->driver->reset(q->stmt);
	q->busy = false;
	if (q->spare)
		query_free(q);
}

void
statements_forget(struct store *store)
{
	for (int room = 0; room < ROOMS; room++) {
		for (int i = 0; store->prepared[room] && i < rooms[room]->count; i++) {
			if (store->prepared[room][i])
				query_free(store->prepared[room][i]);
		}
		free(store->prepared[room]);
		store->prepared[room] = NULL;
	}
}

/* --- binding --- */

/* Callers bind in the order of the statement, so the first guess is right. */
static int
param(struct query *q, const char *name)
{
	int i = q->next;
	if (i > q->params || strcmp(q->names[i], name) != 0) {
		for (i = 1; i <= q->params && strcmp(q->names[i], name) != 0;)
			i++;
	}
	assert(i <= q->params);
	q->next = i + 1;
	return i;
}

/* Every bind passes here, to be noted with the turn. */
static void
put_null(struct query *q, int i)
{
	q->driver->bind_null(q->stmt, i);
	redo_value(q->store, q->note, i, REDO_NULL, NULL, 0);
}

static void
put_int(struct query *q, int i, int64_t v)
{
	q->driver->bind_int(q->stmt, i, v);
	redo_value(q->store, q->note, i, REDO_INT, &v, sizeof(v));
}

static void
put_real(struct query *q, int i, double v)
{
	q->driver->bind_real(q->stmt, i, v);
	redo_value(q->store, q->note, i, REDO_REAL, &v, sizeof(v));
}

static void
put_text(struct query *q, int i, struct str v)
{
	if (!v.p) {
		put_null(q, i);
		return;
	}
	q->driver->bind_text(q->stmt, i, v);
	redo_value(q->store, q->note, i, REDO_TEXT, v.p, v.len);
}

void
query_int(struct query *q, const char *name, int64_t v)
{
	put_int(q, param(q, name), v);
}

void
query_ref(struct query *q, const char *name, int64_t v)
{
	int i = param(q, name);
	v ? put_int(q, i, v) : put_null(q, i);
}

void
query_str(struct query *q, const char *name, struct str v)
{
	put_text(q, param(q, name), v);
}

void
query_text(struct query *q, const char *name, const char *v)
{
	put_text(q, param(q, name), str_of(v));
}

void
query_blob(struct query *q, const char *name, struct str v)
{
	int i = param(q, name);
	q->driver->bind_blob(q->stmt, i, v);
	redo_value(q->store, q->note, i, REDO_BLOB, v.p, v.len);
}

void
query_wall(struct query *q, const char *name, struct wall v)
{
	int i = param(q, name);
	wall_is_set(v) ? put_int(q, i, v.ms) : put_null(q, i);
}

static void
field_bind(struct query *q, int i, enum field_type type, const void *member)
{
	int64_t n;
	switch (type) {
	case FIELD_INT:
		put_int(q, i, *(const int64_t *)member);
		return;
	case FIELD_REF:
		n = *(const int64_t *)member;
		n ? put_int(q, i, n) : put_null(q, i);
		return;
	case FIELD_SMALL:
		put_int(q, i, *(const int *)member);
		return;
	case FIELD_BOOL:
		put_int(q, i, *(const bool *)member);
		return;
	case FIELD_TEXT:
		put_text(q, i, str_of(*(char *const *)member));
		return;
	case FIELD_NAME:
		put_text(q, i, *(char *const *)member ? str_of(*(char *const *)member) : STR(""));
		return;
	case FIELD_WALL:
		n = ((const struct wall *)member)->ms;
		n != WALL_NONE.ms ? put_int(q, i, n) : put_null(q, i);
		return;
	case FIELD_SHARE:
		if (*(const double *)member >= 0)
			put_real(q, i, *(const double *)member);
		else
			put_null(q, i);
		return;
	}
}

void
query_row(struct query *q, const void *row)
{
	for (int i = 1; i <= q->params; i++) {
		if (q->param_field[i] == NO_FIELD)
			continue;
		const struct field *f = &q->def->shape->fields[q->param_field[i]];
		field_bind(q, i, f->type, (const char *)row + f->offset);
	}
}

/* --- stepping --- */

/* What these codes say of a write is true of all that the turn wrote before it. */
static void
write_failed(struct query *q, const struct err *err)
{
	struct store *store = q->store;
	if (err->code == E_IO)
		store_break(store, err);
	if (err->code == E_IO || err->code == E_FULL || err->code == E_CORRUPT ||
	    (store->open && !q->driver->in_transaction(store->conn)))
		turn_fail(store, err);
}

enum driver_step
query_step(struct query *q, struct err *err)
{
	struct err why = ERR_INIT;
	enum driver_step step = q->driver->step(q->store->conn, q->stmt, &why);
	if (step == STEP_FAILED) {
		if (q->writes)
			write_failed(q, &why);
		err_move(err, &why);
	} else {
		redo_done(q->store, q->note);
	}
	err_fini(&why);
	return step;
}

bool
query_run(struct query *q, int64_t *ret_changed, struct err *err)
{
	enum driver_step step;
	while ((step = query_step(q, err)) == STEP_ROW)
		;
	if (step == STEP_FAILED)
		return false;
	if (ret_changed)
		*ret_changed = q->driver->rows_changed(q->store->conn);
	return true;
}

bool
query_number(struct query *q, int64_t none, int64_t *ret, struct err *err)
{
	enum driver_step step = query_step(q, err);
	if (step == STEP_FAILED)
		return false;
	bool is = step == STEP_ROW && !q->driver->column_is_null(q->stmt, 0);
	*ret = is ? q->driver->column_int(q->stmt, 0) : none;
	return true;
}

/* --- rows --- */

int64_t
query_get_int(struct query *q, int column)
{
	return q->driver->column_int(q->stmt, column);
}

struct str
query_get_text(struct query *q, int column)
{
	return q->driver->column_text(q->stmt, column);
}

struct str
query_get_blob(struct query *q, int column)
{
	return q->driver->column_blob(q->stmt, column);
}

struct wall
query_get_wall(struct query *q, int column)
{
	return q->driver->column_is_null(q->stmt, column)
		       ? WALL_NONE
		       : (struct wall){q->driver->column_int(q->stmt, column)};
}

static void
field_read(struct query *q, int i, enum field_type type, void *member, bool lend)
{
	const struct driver *d = q->driver;
	struct str text;
	switch (type) {
	case FIELD_INT:
	case FIELD_REF:
		*(int64_t *)member = d->column_int(q->stmt, i);
		return;
	case FIELD_SMALL:
		*(int *)member = (int)d->column_int(q->stmt, i);
		return;
	case FIELD_BOOL:
		*(bool *)member = d->column_int(q->stmt, i) != 0;
		return;
	case FIELD_TEXT:
	case FIELD_NAME:
		text = d->column_text(q->stmt, i);
		*(char **)member = !text.p ? NULL
				   : lend  ? (char *)(uintptr_t)text.p
					   : mem_memdup(text.p, text.len);
		return;
	case FIELD_WALL:
		*(struct wall *)member = query_get_wall(q, i);
		return;
	case FIELD_SHARE:
		*(double *)member = d->column_is_null(q->stmt, i) ? -1 : d->column_real(q->stmt, i);
		return;
	}
}

void
query_get_row(struct query *q, void *row, bool lend)
{
	const struct shape *shape = q->def->shape;
	memset(row, 0, shape->size);
	for (size_t i = 0; i < shape->count; i++) {
		if (shape->fields[i].type == FIELD_WALL)
			*(struct wall *)(void *)((char *)row + shape->fields[i].offset) = WALL_NONE;
	}
	for (int i = 0; i < q->columns; i++) {
		if (q->column_field[i] == NO_FIELD)
			continue;
		const struct field *f = &shape->fields[q->column_field[i]];
		field_read(q, i, f->type, (char *)row + f->offset, lend);
	}
}

void
row_fini(const struct shape *shape, void *row)
{
	for (size_t i = 0; i < shape->count; i++) {
		if (shape->fields[i].type == FIELD_TEXT || shape->fields[i].type == FIELD_NAME)
			free(TAKE(*(char **)(void *)((char *)row + shape->fields[i].offset)));
	}
}
