/* SQL targets: the simple form, where one table's rows are the entities. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/sql.h"

#include "plugins/targets/outcome.h"

void
sql_quote(struct buf *out, const char *name)
{
	buf_putc(out, '"');
	for (const char *p = name; *p; p++) {
		if (*p == '"')
			buf_putc(out, '"');
		buf_putc(out, *p);
	}
	buf_putc(out, '"');
}

static void
table_quote(struct buf *out, const struct sql_target *t)
{
	if (t->driver->quote_table)
		t->driver->quote_table(out, t->table);
	else
		sql_quote(out, t->table);
}

static bool
has_column(const struct sql_values *columns, const char *name)
{
	for (size_t i = 0; i < columns->count; i++)
		if (!strcmp(buf_cstr(&columns->items[i].bytes), name))
			return true;
	return false;
}

static bool
column_refuse(const struct sql_target *t, const struct sql_values *columns, const char *name,
	      struct err *err)
{
	const char *near = NULL;
	unsigned best = 3;

	for (size_t i = 0; i < columns->count; i++) {
		const char *column = buf_cstr(&columns->items[i].bytes);
		unsigned distance = str_distance(column, name);

		if (distance < best) {
			best = distance;
			near = column;
		}
	}
	return err_set(err, E_INVALID, "table %s has no column %s%s%s%s", t->table, name,
		       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* An image as a tree, for its names; values are taken from the text. NULL image: NULL tree. */
static bool
image_read(const char *image, const char *what, json_t **ret, struct err *err)
{
	*ret = NULL;
	if (!image || !strcmp(image, "null"))
		return true;
	if (!json_read(str_of(image), ret, err))
		return err_prefix(err, "%s", what);
	return json_is_object(*ret) ||
	       err_set(err, E_INVALID, "%s is no object; expected {\"COLUMN\":VALUE,...}", what);
}

static bool
columns_check(const struct sql_target *t, const struct sql_values *columns, const char *image,
	      json_t *tree, bool *ret_unknown, struct err *err)
{
	const char *name;
	json_t *value;

	json_object_foreach (tree, name, value) {
		AUTO(sql_value_fini) struct sql_value bound = {0};
		const struct json_step step = {.name = str_of(name)};
		struct str raw = STR("null");

		if (columns->count && !has_column(columns, name)) {
			if (ret_unknown)
				*ret_unknown = true;
			return column_refuse(t, columns, name, err);
		}
		json_raw_find(str_of(image), &step, 1, &raw);
		if (!sql_value_of(raw, name, &bound, err))
			return false;
	}
	return true;
}

/* after may name the id, but not another one. */
static bool
id_stays(const struct sql_target *t, const struct change_row *change, const char *wanted,
	 struct err *err)
{
	const struct json_step step = {.name = str_of(t->id_column)};
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str raw;

	if (!wanted || !json_raw_find(str_of(wanted), &step, 1, &raw))
		return true;
	if (!json_raw_string(raw, &text)) {
		buf_clear(&text);
		buf_add_str(&text, raw);
	}
	return str_eq_cstr(buf_str(&text), change->entity) ||
	       err_set(err, E_INVALID,
		       "after.%s is %s, but the entity is %s: an update does not move a row",
		       t->id_column, buf_cstr(&text), change->entity);
}

bool
sql_table_check(const struct sql_target *t, const struct sql_values *columns,
		const struct change_row *change, bool *ret_unknown, struct err *err)
{
	AUTO(json_auto_decref) json_t *after = NULL;
	AUTO(json_auto_decref) json_t *before = NULL;
	const char *wanted = change_wanted(change);
	bool create = !strcmp(change->op, "create"), update = !strcmp(change->op, "update");

	if (!strcmp(change->op, "call"))
		return err_set(err, E_INVALID,
			       "target %s is a table: it takes create, update and delete, not call",
			       change->target);
	if (!create && !change->entity)
		return err_set(err, E_INVALID, "a %s of target %s needs an entity: the row's %s",
			       change->op, change->target, t->id_column);
	if (!image_read(wanted, "after", &after, err) ||
	    !image_read(change->before, "before", &before, err))
		return false;
	if (update && !id_stays(t, change, wanted, err))
		return false;
	if ((update || create) && !json_object_size(after))
		return err_set(err, E_INVALID,
			       "a %s of target %s needs after: {\"COLUMN\":VALUE,...}", change->op,
			       change->target);
	return columns_check(t, columns, wanted, after, ret_unknown, err) &&
	       columns_check(t, columns, change->before, before, ret_unknown, err);
}

/* --- what is done -------------------------------------------------------------------------- */

/* One application in the making. */
struct table_plan {
	const struct sql_target *t;
	const struct sql_values *columns;
	const struct change_row *change;
	struct sql_plan *plan;
	struct err *err;
};

static bool
value_add(struct table_plan *p, struct str raw, const char *what)
{
	return sql_value_of(raw, what, sql_values_add(&p->plan->values), p->err);
}

/* The row's id: the entity, or for a row that was made without one the id that it then got. */
static bool
id_add(struct table_plan *p, struct sql_values *values)
{
	struct sql_value *value = sql_values_add(values);
	struct str raw;

	if (p->change->entity) {
		value->type = SQL_TEXT;
		buf_puts(&value->bytes, p->change->entity);
		return true;
	}
	if (change_image_find(change_wanted(p->change), p->t->id_column, &raw) ||
	    change_image_find(p->change->receipt, "id", &raw))
		return sql_value_of(raw, p->t->id_column, value, p->err);
	return err_set(p->err, E_INVALID,
		       "the change names no entity, and nothing else tells the row's %s",
		       p->t->id_column);
}

static bool
column_known(struct table_plan *p, const char *name)
{
	return has_column(p->columns, name) || column_refuse(p->t, p->columns, name, p->err);
}

/* name = ?N for every member of tree but the id, values from image (and, reverting, of the
 * fallback). */
static bool
plan_update(struct table_plan *p, json_t *tree, const char *image, const char *fallback)
{
	struct buf *text = &p->plan->text;
	const char *name;
	json_t *unused;
	bool first = true;

	buf_puts(text, "UPDATE ");
	table_quote(text, p->t);
	json_object_foreach (tree, name, unused) {
		const struct json_step step = {.name = str_of(name)};
		struct str raw;

		if (!column_known(p, name))
			return false;
		if (!strcmp(name, p->t->id_column))
			continue;
		if (!(image && json_raw_find(str_of(image), &step, 1, &raw)) &&
		    !(fallback && json_raw_find(str_of(fallback), &step, 1, &raw)))
			return err_set(p->err, E_STATE,
				       "what %s was before is not known; set it back by hand",
				       name);
		if (!value_add(p, raw, name))
			return false;
		buf_puts(text, first ? " SET " : ", ");
		sql_quote(text, name);
		buf_printf(text, " = %c%zu", p->t->driver->mark, p->plan->values.count);
		first = false;
	}
	if (first)
		return err_set(p->err, E_INVALID, "after names nothing to change but the row's %s",
			       p->t->id_column);
	if (!id_add(p, &p->plan->values))
		return false;
	buf_puts(text, " WHERE ");
	sql_quote(text, p->t->id_column);
	buf_printf(text, " = %c%zu", p->t->driver->mark, p->plan->values.count);
	return true;
}

static bool
plan_insert(struct table_plan *p, json_t *tree, const char *image)
{
	AUTO(buf_fini) struct buf marks = BUF_INIT;
	struct buf *text = &p->plan->text;
	bool needs_id = p->change->entity && !json_object_get(tree, p->t->id_column);
	const char *name;
	json_t *unused;

	buf_puts(text, "INSERT INTO ");
	table_quote(text, p->t);
	buf_puts(text, " (");
	json_object_foreach (tree, name, unused) {
		const struct json_step step = {.name = str_of(name)};
		struct str raw = STR("null");

		json_raw_find(str_of(image), &step, 1, &raw);
		if (!column_known(p, name) || !value_add(p, raw, name))
			return false;
		buf_puts(text, p->plan->values.count > 1 ? ", " : "");
		sql_quote(text, name);
		buf_printf(&marks, "%s%c%zu", marks.len ? ", " : "", p->t->driver->mark,
			   p->plan->values.count);
	}
	if (needs_id) {
		if (!id_add(p, &p->plan->values))
			return false;
		buf_puts(text, p->plan->values.count > 1 ? ", " : "");
		sql_quote(text, p->t->id_column);
		buf_printf(&marks, "%s%c%zu", marks.len ? ", " : "", p->t->driver->mark,
			   p->plan->values.count);
	}
	buf_printf(text, ") VALUES (%s)", buf_cstr(&marks));
	if (!p->change->entity && !p->t->driver->last_id) {
		buf_puts(text, " RETURNING ");
		sql_quote(text, p->t->id_column);
	}
	return true;
}

static bool
plan_delete(struct table_plan *p)
{
	struct buf *text = &p->plan->text;

	buf_puts(text, "DELETE FROM ");
	table_quote(text, p->t);
	buf_puts(text, " WHERE ");
	sql_quote(text, p->t->id_column);
	buf_printf(text, " = %c1", p->t->driver->mark);
	return id_add(p, &p->plan->values);
}

static void
select_column(struct buf *text, const char *name)
{
	buf_puts(text, text->len > strlen("SELECT ") ? ", " : "");
	sql_quote(text, name);
}

/* What is there now: of an update only what it names, so that a row may have large other columns.
 */
static bool
plan_read(struct table_plan *p, const char *op, json_t *after, json_t *before)
{
	struct buf *text = &p->plan->read;
	const char *name;
	json_t *unused;

	if (!p->change->entity && !strcmp(op, "create") && !json_object_get(after, p->t->id_column))
		return true;
	buf_puts(text, "SELECT ");
	if (strcmp(op, "update")) {
		buf_putc(text, '*');
	} else {
		select_column(text, p->t->id_column);
		json_object_foreach (after, name, unused)
			if (has_column(p->columns, name) && strcmp(name, p->t->id_column))
				select_column(text, name);
		json_object_foreach (before, name, unused)
			if (has_column(p->columns, name) && strcmp(name, p->t->id_column) &&
			    !json_object_get(after, name))
				select_column(text, name);
	}
	buf_puts(text, " FROM ");
	table_quote(text, p->t);
	buf_puts(text, " WHERE ");
	sql_quote(text, p->t->id_column);
	buf_printf(text, " = %c1 LIMIT 2", p->t->driver->mark);
	return id_add(p, &p->plan->read_values);
}

bool
sql_table_plan(const struct sql_target *t, const struct sql_values *columns,
	       const struct change_row *change, const char *before, bool revert,
	       struct sql_plan *ret, struct err *err)
{
	AUTO(json_auto_decref) json_t *after = NULL;
	AUTO(json_auto_decref) json_t *was = NULL;
	const char *wanted = change_wanted(change), *op = change_op(change, revert);
	struct table_plan p = {
		.t = t, .columns = columns, .change = change, .plan = ret, .err = err};

	if (!column_known(&p, t->id_column) || !image_read(wanted, "after", &after, err) ||
	    !image_read(before, "before", &was, err) || !plan_read(&p, op, after, was))
		return false;
	ret->needs_row = strcmp(op, "create") != 0;
	ret->gives_id = !ret->needs_row && !change->entity;
	if (!strcmp(op, "delete"))
		return plan_delete(&p);
	if (!strcmp(op, "update"))
		return revert ? plan_update(&p, after, before, change->before)
			      : plan_update(&p, after, wanted, NULL);
	if (revert && !was)
		return err_set(
			err, E_STATE,
			"what the row was before it was deleted is not known; insert it by hand");
	return plan_insert(&p, revert ? was : after, revert ? before : wanted);
}

/* --- at a proposal ------------------------------------------------------------------------- */

bool
sql_table_look(const struct sql_target *t, struct sql_db *db, const struct change_row *change,
	       struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(sql_values_fini) struct sql_values values = {0};
	AUTO(sql_row_fini) struct sql_row row = {0};
	struct sql_value *id;
	bool create = !strcmp(change->op, "create");

	if (!change->entity)
		return true;
	buf_puts(&text, "SELECT 1 FROM ");
	table_quote(&text, t);
	buf_puts(&text, " WHERE ");
	sql_quote(&text, t->id_column);
	buf_printf(&text, " = %c1 LIMIT 1", t->driver->mark);
	id = sql_values_add(&values);
	id->type = SQL_TEXT;
	buf_puts(&id->bytes, change->entity);
	if (!t->driver->run(db, buf_cstr(&text), &values, &row, NULL, err))
		return false;
	if (create && row.rows)
		return err_set(err, E_EXISTS, "table %s has a row %s already; propose an update",
			       t->table, change->entity);
	return create || row.rows ||
	       err_set(err, E_NOT_FOUND, "table %s has no row with %s %s", t->table, t->id_column,
		       change->entity);
}
