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

void
sql_mark(struct buf *out, char mark, size_t number)
{
	char digits[24], *p = digits + sizeof(digits);

	do
		*--p = (char)('0' + number % 10);
	while (number /= 10);
	buf_putc(out, mark);
	buf_add(out, p, (size_t)(digits + sizeof(digits) - p));
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

/* An image's members in its order, each name once; values are slices of its text. */
struct member {
	char *name;
	struct str raw;
};
struct image {
	bool is; /* an object; otherwise nothing, or null */
	struct member *members;
	size_t count;
};

static void
image_fini(struct image *image)
{
	for (size_t i = 0; i < image->count; i++)
		free(image->members[i].name);
	free(image->members);
	*image = (struct image){0};
}

static const struct member *
image_find(const struct image *image, const char *name)
{
	for (size_t i = 0; i < image->count; i++)
		if (!strcmp(image->members[i].name, name))
			return &image->members[i];
	return NULL;
}

static char *
name_read(struct str raw)
{
	struct buf name = BUF_INIT;

	if (!memchr(raw.p, '\\', raw.len))
		return str_dup(raw);
	/* With its quotes, which stand around it. */
	json_raw_string(str_make(raw.p - 1, raw.len + 2), &name);
	return name.data ? buf_take(&name) : mem_strdup("");
}

/* Text that was JSON when it was proposed. The slices live as long as the text. */
static bool
image_read(const char *text, const char *what, struct image *ret, struct err *err)
{
	struct json_member_walk walk;
	struct str name, raw;

	if (!text || !strcmp(text, "null"))
		return true;
	if (*text != '{')
		return err_set(err, E_INVALID, "%s is no object; expected {\"COLUMN\":VALUE,...}",
			       what);
	ret->is = true;
	json_members(str_of(text), &walk);
	while (json_member_next(&walk, &name, &raw)) {
		AUTO(auto_free) char *own = name_read(name);

		if (image_find(ret, own))
			continue;
		if (!(ret->count & (ret->count - 1)))
			ret->members = mem_realloc(ret->members, (ret->count ? ret->count * 2 : 1) *
									 sizeof(*ret->members));
		ret->members[ret->count++] = (struct member){TAKE(own), raw};
	}
	return true;
}

static bool
columns_check(const struct sql_target *t, const struct sql_values *columns,
	      const struct image *image, bool *ret_unknown, struct err *err)
{
	for (size_t i = 0; i < image->count; i++) {
		AUTO(sql_value_fini) struct sql_value bound = {0};
		const struct member *member = &image->members[i];

		if (columns->count && !has_column(columns, member->name)) {
			if (ret_unknown)
				*ret_unknown = true;
			return column_refuse(t, columns, member->name, err);
		}
		if (!sql_value_of(member->raw, member->name, &bound, err))
			return false;
	}
	return true;
}

/* after may name the id, but not another one. */
static bool
id_stays(const struct sql_target *t, const struct change_row *change, const struct image *wanted,
	 struct err *err)
{
	const struct member *id = image_find(wanted, t->id_column);
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!id)
		return true;
	if (!json_raw_string(id->raw, &text)) {
		buf_clear(&text);
		buf_add_str(&text, id->raw);
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
	AUTO(image_fini) struct image after = {0};
	AUTO(image_fini) struct image before = {0};
	bool create = !strcmp(change->op, "create"), update = !strcmp(change->op, "update");

	if (!strcmp(change->op, "call"))
		return err_set(err, E_INVALID,
			       "target %s is a table: it takes create, update and delete, not call",
			       change->target);
	if (!create && !change->entity)
		return err_set(err, E_INVALID, "a %s of target %s needs an entity: the row's %s",
			       change->op, change->target, t->id_column);
	if (!image_read(change_wanted(change), "after", &after, err) ||
	    !image_read(change->before, "before", &before, err))
		return false;
	if (update && !id_stays(t, change, &after, err))
		return false;
	if ((update || create) && !after.count)
		return err_set(err, E_INVALID,
			       "a %s of target %s needs after: {\"COLUMN\":VALUE,...}", change->op,
			       change->target);
	return columns_check(t, columns, &after, ret_unknown, err) &&
	       columns_check(t, columns, &before, ret_unknown, err);
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

/* The parameter that the value added last is bound to. */
static void
mark_put(struct table_plan *p, struct buf *out)
{
	sql_mark(out, p->t->driver->mark, p->plan->values.count);
}

/* name = ?N for every member of names but the id, values from image (and, reverting, of the
 * fallback, which may be NULL). */
static bool
plan_update(struct table_plan *p, const struct image *names, const struct image *image,
	    const struct image *fallback)
{
	struct buf *text = &p->plan->text;
	bool first = true;

	buf_puts(text, "UPDATE ");
	table_quote(text, p->t);
	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->members[i].name;
		const struct member *value;

		if (!column_known(p, name))
			return false;
		if (!strcmp(name, p->t->id_column))
			continue;
		value = image_find(image, name);
		if (!value && fallback)
			value = image_find(fallback, name);
		if (!value)
			return err_set(p->err, E_STATE,
				       "what %s was before is not known; set it back by hand",
				       name);
		if (!value_add(p, value->raw, name))
			return false;
		buf_puts(text, first ? " SET " : ", ");
		sql_quote(text, name);
		buf_puts(text, " = ");
		mark_put(p, text);
		first = false;
	}
	if (first)
		return err_set(p->err, E_INVALID, "after names nothing to change but the row's %s",
			       p->t->id_column);
	if (!id_add(p, &p->plan->values))
		return false;
	buf_puts(text, " WHERE ");
	sql_quote(text, p->t->id_column);
	buf_puts(text, " = ");
	mark_put(p, text);
	return true;
}

/* One column of an INSERT, its value added. */
static void
insert_column(struct table_plan *p, const char *name, struct buf *marks)
{
	struct buf *text = &p->plan->text;

	buf_puts(text, p->plan->values.count > 1 ? ", " : "");
	sql_quote(text, name);
	buf_puts(marks, marks->len ? ", " : "");
	mark_put(p, marks);
}

static bool
plan_insert(struct table_plan *p, const struct image *image)
{
	AUTO(buf_fini) struct buf marks = BUF_INIT;
	struct buf *text = &p->plan->text;

	buf_puts(text, "INSERT INTO ");
	table_quote(text, p->t);
	buf_puts(text, " (");
	for (size_t i = 0; i < image->count; i++) {
		const struct member *member = &image->members[i];

		if (!column_known(p, member->name) || !value_add(p, member->raw, member->name))
			return false;
		insert_column(p, member->name, &marks);
	}
	if (p->change->entity && !image_find(image, p->t->id_column)) {
		if (!id_add(p, &p->plan->values))
			return false;
		insert_column(p, p->t->id_column, &marks);
	}
	buf_cat(text, ") VALUES (", buf_cstr(&marks), ")");
	if (!p->change->entity && !p->t->driver->last_id) {
		buf_puts(text, " RETURNING ");
		sql_quote(text, p->t->id_column);
	}
	return true;
}

/* The row, by its id alone. */
static bool
where_id(struct table_plan *p, struct buf *text, struct sql_values *values)
{
	buf_puts(text, " FROM ");
	table_quote(text, p->t);
	buf_puts(text, " WHERE ");
	sql_quote(text, p->t->id_column);
	buf_puts(text, " = ");
	sql_mark(text, p->t->driver->mark, 1);
	return id_add(p, values);
}

static bool
plan_delete(struct table_plan *p)
{
	buf_puts(&p->plan->text, "DELETE");
	return where_id(p, &p->plan->text, &p->plan->values);
}

static void
select_columns(struct table_plan *p, const struct image *image, const struct image *not_these)
{
	struct buf *text = &p->plan->read;

	for (size_t i = 0; i < image->count; i++) {
		const char *name = image->members[i].name;

		if (!has_column(p->columns, name) || !strcmp(name, p->t->id_column) ||
		    (not_these && image_find(not_these, name)))
			continue;
		buf_puts(text, ", ");
		sql_quote(text, name);
	}
}

/* What is there now: of an update only what it names, so that a row may have large other columns.
 */
static bool
plan_read(struct table_plan *p, const char *op, const struct image *after,
	  const struct image *before)
{
	struct buf *text = &p->plan->read;

	if (!p->change->entity && !strcmp(op, "create") && !image_find(after, p->t->id_column))
		return true;
	buf_puts(text, "SELECT ");
	if (strcmp(op, "update")) {
		buf_putc(text, '*');
	} else {
		sql_quote(text, p->t->id_column);
		select_columns(p, after, NULL);
		select_columns(p, before, after);
	}
	if (!where_id(p, text, &p->plan->read_values))
		return false;
	buf_puts(text, " LIMIT 2");
	return true;
}

bool
sql_table_plan(const struct sql_target *t, const struct sql_values *columns,
	       const struct change_row *change, const char *before, bool revert,
	       struct sql_plan *ret, struct err *err)
{
	AUTO(image_fini) struct image after = {0};
	AUTO(image_fini) struct image was = {0};
	AUTO(image_fini) struct image said = {0};
	const char *op = change_op(change, revert);
	struct table_plan p = {
		.t = t, .columns = columns, .change = change, .plan = ret, .err = err};

	if (!column_known(&p, t->id_column) ||
	    !image_read(change_wanted(change), "after", &after, err) ||
	    !image_read(before, "before", &was, err) || !plan_read(&p, op, &after, &was))
		return false;
	ret->needs_row = strcmp(op, "create") != 0;
	ret->gives_id = !ret->needs_row && !change->entity;
	if (!strcmp(op, "delete"))
		return plan_delete(&p);
	if (!strcmp(op, "update") && !revert)
		return plan_update(&p, &after, &after, NULL);
	if (!strcmp(op, "update"))
		return image_read(change->before, "before", &said, err) &&
		       plan_update(&p, &after, &was, &said);
	if (revert && !was.is)
		return err_set(
			err, E_STATE,
			"what the row was before it was deleted is not known; insert it by hand");
	return plan_insert(&p, revert ? &was : &after);
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
	buf_puts(&text, " = ");
	sql_mark(&text, t->driver->mark, 1);
	buf_puts(&text, " LIMIT 1");
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
