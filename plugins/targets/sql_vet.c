/* SQL targets: a server is asked in a thread whether a proposal fits its table. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/sql.h"

#include <string.h>

#include "plugins/targets/outcome.h"

/* A connection that nothing came for is closed. */
#define REST_MS 1000

void
sql_shape_fini(struct sql_shape *shape)
{
	for (size_t i = 0; i < shape->count; i++) {
		free(shape->items[i].name);
		free(shape->items[i].type);
	}
	free(shape->items);
	*shape = (struct sql_shape){0};
}

static const struct sql_column *
column_of(const struct sql_shape *shape, const char *name)
{
	for (size_t i = 0; i < shape->count; i++)
		if (!strcmp(shape->items[i].name, name))
			return &shape->items[i];
	return NULL;
}

static void
names_of(const struct sql_shape *shape, struct sql_values *ret)
{
	for (size_t i = 0; i < shape->count; i++) {
		struct sql_value *name = sql_values_add(ret);

		name->type = SQL_TEXT;
		buf_puts(&name->bytes, shape->items[i].name);
	}
}

static enum vet_verdict
verdict_of(const struct err *err)
{
	switch (err->code) {
	case E_INVALID:
	case E_NOT_FOUND:
	case E_EXISTS:
	case E_CONFLICT:
	case E_TOO_LARGE:
		return VET_REFUSED;
	default:
		return VET_UNKNOWN;
	}
}

/* --- values -------------------------------------------------------------------------------- */

/* A cast cuts what is too long for the column, an assignment does not. */
static bool
length_fits(const struct sql_column *column, const struct sql_value *value, struct err *err)
{
	const char *open = strchr(column->type, '(');
	size_t len = value->bytes.len, count = 0;
	uint64_t most;

	if (strncmp(column->type, "character", strlen("character")) || !open ||
	    !str_to_u64(str_make(open + 1, strcspn(open + 1, ")")), &most))
		return true;
	while (len && value->bytes.data[len - 1] == ' ')
		len--;
	for (size_t i = 0; i < len; i++)
		count += ((unsigned char)value->bytes.data[i] & 0xc0) != 0x80;
	return count <= most ||
	       err_set(err, E_INVALID, "%s has %zu characters; the column takes %llu (%s)",
		       column->name, count, (unsigned long long)most, column->type);
}

static bool
value_fits(const struct sql_target *t, struct sql_db *db, const struct sql_column *column,
	   const struct sql_value *value, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct sql_values values = {.items = (struct sql_value *)value, .count = 1};

	if (column->generated)
		return err_set(err, E_INVALID, "column %s of table %s is generated; leave it out",
			       column->name, t->table);
	if (value->type == SQL_NULL)
		return !column->not_null ||
		       err_set(err, E_INVALID, "column %s of table %s is never null", column->name,
			       t->table);
	buf_printf(&text, "SELECT CAST(%c1 AS %s)", t->driver->mark, column->type);
	return (t->driver->run(db, buf_cstr(&text), &values, NULL, NULL, err) ||
		err_prefix(err, "%s", column->name)) &&
	       length_fits(column, value, err);
}

static bool
id_fits(const struct sql_target *t, struct sql_db *db, const struct sql_shape *shape,
	const struct change_row *change, struct err *err)
{
	AUTO(sql_value_fini) struct sql_value id = {.type = SQL_TEXT};
	const struct sql_column *column = column_of(shape, t->id_column);
	struct sql_column plain;

	if (!column)
		return err_set(err, E_CONFIG, "table %s has no column %s (id_column)", t->table,
			       t->id_column);
	if (!change->entity)
		return true;
	/* What a generated one is compared with has to be of its type all the same. */
	plain = *column;
	plain.generated = false;
	buf_puts(&id.bytes, change->entity);
	return value_fits(t, db, &plain, &id, err);
}

static bool
after_fits(const struct sql_target *t, struct sql_db *db, const struct sql_shape *shape,
	   const char *after, json_t *tree, struct err *err)
{
	const char *name;
	json_t *unused;

	json_object_foreach (tree, name, unused) {
		AUTO(sql_value_fini) struct sql_value value = {0};
		const struct json_step step = {.name = str_of(name)};
		struct str raw = STR("null");

		json_raw_find(str_of(after), &step, 1, &raw);
		if (!sql_value_of(raw, name, &value, err) ||
		    !value_fits(t, db, column_of(shape, name), &value, err))
			return false;
	}
	return true;
}

/* A row that is made needs all that the table does not give it. */
static bool
row_is_whole(const struct sql_target *t, const struct sql_shape *shape,
	     const struct change_row *change, const json_t *after, struct err *err)
{
	for (size_t i = 0; i < shape->count; i++) {
		const struct sql_column *column = &shape->items[i];

		if (!column->not_null || column->filled || column->generated ||
		    json_object_get(after, column->name) ||
		    (change->entity && !strcmp(column->name, t->id_column)))
			continue;
		return err_set(err, E_INVALID, "a row of table %s needs a %s (%s)", t->table,
			       column->name, column->type);
	}
	return true;
}

/* --- one proposal -------------------------------------------------------------------------- */

static bool
fits(const struct sql_target *t, struct sql_db *db, const struct sql_shape *shape,
     const struct sql_values *names, const struct change_row *change, struct err *err)
{
	AUTO(json_auto_decref) json_t *after = NULL;
	const char *wanted = change_wanted(change);
	bool create = !strcmp(change->op, "create");

	if (!sql_table_check(t, names, change, NULL, err) || !id_fits(t, db, shape, change, err))
		return false;
	if (create || !strcmp(change->op, "update")) {
		if (!json_read(str_of(wanted), &after, err) ||
		    (create && !row_is_whole(t, shape, change, after, err)) ||
		    !after_fits(t, db, shape, wanted, after, err))
			return false;
	}
	return sql_table_look(t, db, change, err);
}

/* --- a group of them, in a thread ---------------------------------------------------------- */

static bool
db_ready(struct sql_target *t, int64_t timeout_ms, struct err *err)
{
	if (t->vet_db && t->driver->renew(t->vet_db, timeout_ms))
		return true;
	if (t->vet_db)
		t->driver->close(TAKE(t->vet_db));
	return t->driver->open(t->where, true, timeout_ms, t->busy_ms, &t->vet_db, err);
}

static void
group_run(void *state, struct vettings *group)
{
	struct sql_target *t = state;
	AUTO(sql_shape_fini) struct sql_shape shape = {0};
	AUTO(sql_values_fini) struct sql_values names = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	struct vetting *vetting;
	bool ready = db_ready(t, STAILQ_FIRST(group)->timeout_ms, &err) &&
		     t->driver->shape(t->vet_db, t->table, &shape, &err);

	if (ready)
		names_of(&shape, &names);
	STAILQ_FOREACH (vetting, group, next) {
		if (!ready) {
			err_set(&vetting->err, err.code, "%s", err_text(&err));
			continue;
		}
		vetting->verdict =
			fits(t, t->vet_db, &shape, &names, vetting->change, &vetting->err)
				? VET_FITS
				: verdict_of(&vetting->err);
		/* One that could not be asked: the others would wait as long. */
		if (vetting->verdict != VET_UNKNOWN)
			continue;
		ready = false;
		err_set(&err, vetting->err.code, "%s", err_text(&vetting->err));
	}
	if (!ready && t->vet_db)
		t->driver->close(TAKE(t->vet_db));
}

static void
on_rest(void *arg)
{
	struct sql_target *t = arg;

	/* A thread has it: this comes again. */
	if (t->vet_db && STAILQ_EMPTY(&t->vets.asked))
		t->driver->close(TAKE(t->vet_db));
}

static void
group_done(struct core *core, void *state)
{
	struct sql_target *t = state;

	core_timer_arm(core, &t->vet_rest, REST_MS, on_rest, t);
}

void
sql_vet_init(struct sql_target *t)
{
	vet_queue_init(&t->vets, group_run, group_done, t);
}

void
sql_vet_fini(struct sql_target *t)
{
	core_timer_free(t->vet_rest);
	if (t->vet_db)
		t->driver->close(t->vet_db);
}

bool
sql_vets(const struct target *target, const struct change_row *change)
{
	const struct sql_target *t = target->state;

	(void)change;
	return t->driver->shape && t->table;
}

void
sql_vet(struct core *core, const struct target *target, const struct change_row *change,
	int64_t timeout_ms, target_on_vetted *on_vetted, void *arg)
{
	struct sql_target *t = target->state;

	vet_queue_add(&t->vets, vetting_new(core, target, change, timeout_ms, on_vetted, arg));
}
