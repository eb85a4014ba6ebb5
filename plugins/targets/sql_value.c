/* SQL targets: values on their way between JSON and a database. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/sql.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"

static const struct json_step base64_step = {.name = {"$base64", 7}};

void
sql_value_fini(struct sql_value *value)
{
	buf_fini(&value->bytes);
}

void
sql_values_fini(struct sql_values *values)
{
	for (size_t i = 0; i < values->count; i++)
		sql_value_fini(&values->items[i]);
	free(values->items);
	*values = (struct sql_values){0};
}

struct sql_value *
sql_values_add(struct sql_values *values)
{
	if (values->count % SQL_VALUES_STEP == 0)
		values->items = mem_realloc(values->items, (values->count + SQL_VALUES_STEP) *
								   sizeof(*values->items));
	values->items[values->count] = (struct sql_value){0};
	return &values->items[values->count++];
}

void
sql_row_fini(struct sql_row *row)
{
	for (size_t i = 0; i < row->cells.count; i++)
		free(row->names[i]);
	free(row->names);
	sql_values_fini(&row->cells);
	*row = (struct sql_row){0};
}

static bool
number_of(struct str raw, const char *what, struct sql_value *ret, struct err *err)
{
	AUTO(auto_free) char *text = str_dup(raw);

	if (str_to_i64(raw, &ret->integer)) {
		ret->type = SQL_INT;
		return true;
	}
	if (!strpbrk(text, ".eE"))
		return err_set(err, E_INVALID,
			       "%s is %s: more than 64 bits can hold; send it as a string", what,
			       text);
	ret->type = SQL_REAL;
	ret->real = strtod(text, NULL);
	return true;
}

static bool
bytes_of(struct str raw, struct sql_value *ret)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str inside;

	if (!json_raw_find(raw, &base64_step, 1, &inside) || !json_raw_string(inside, &text) ||
	    !base64_decode(buf_str(&text), &ret->bytes))
		return false;
	ret->type = SQL_BLOB;
	return true;
}

bool
sql_value_of(struct str raw, const char *what, struct sql_value *ret, struct err *err)
{
	switch (raw.len ? *raw.p : 'n') {
	case 'n':
		ret->type = SQL_NULL;
		return true;
	case 't':
	case 'f':
		ret->type = SQL_INT;
		ret->integer = *raw.p == 't';
		return true;
	case '"':
		ret->type = SQL_TEXT;
		return json_raw_string(raw, &ret->bytes) ||
		       err_set(err, E_INVALID, "%s is no string that can be kept", what);
	case '{':
	case '[':
		if (bytes_of(raw, ret))
			return true;
		buf_clear(&ret->bytes);
		ret->type = SQL_TEXT;
		buf_add_str(&ret->bytes, raw);
		return true;
	default:
		return number_of(raw, what, ret, err);
	}
}

static void
real_json(double real, struct buf *out)
{
	char text[40];

	if (!isfinite(real)) {
		/* JSON has no name for it. */
		buf_puts(out, "null");
		return;
	}
	/* The shortest that reads back the same. */
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, real);
		if (strtod(text, NULL) == real)
			break;
	}
	buf_puts(out, text);
	if (!strpbrk(text, ".e"))
		buf_puts(out, ".0");
}

void
sql_value_json(const struct sql_value *value, struct buf *out)
{
	switch (value->type) {
	case SQL_NULL:
		buf_puts(out, "null");
		return;
	case SQL_INT:
		buf_printf(out, "%lld", (long long)value->integer);
		return;
	case SQL_REAL:
		real_json(value->real, out);
		return;
	case SQL_TEXT:
		buf_json_str(out, buf_str(&value->bytes));
		return;
	case SQL_BLOB:
		buf_puts(out, "{\"$base64\":\"");
		base64_encode(out, buf_str(&value->bytes));
		buf_puts(out, "\"}");
		return;
	}
}

static const struct sql_value *
row_find(const struct sql_row *row, struct str name)
{
	for (size_t i = row->cells.count; i > 0; i--)
		if (str_eq_cstr(name, row->names[i - 1]))
			return &row->cells.items[i - 1];
	return NULL;
}

/* Of a string only one without escapes, of a number only an integer as it is written. */
static bool
is_plainly(const struct sql_value *cell, struct str raw)
{
	int64_t number;

	switch (cell->type) {
	case SQL_NULL:
		return str_eq_cstr(raw, "null");
	case SQL_INT:
		return str_to_i64(raw, &number) && number == cell->integer;
	case SQL_TEXT:
		return raw.len >= 2 && *raw.p == '"' && !memchr(raw.p, '\\', raw.len) &&
		       str_eq(str_make(raw.p + 1, raw.len - 2), buf_str(&cell->bytes));
	default:
		return false;
	}
}

bool
sql_row_is(const struct sql_row *row, const char *expected)
{
	struct json_member_walk walk;
	struct str name, raw;

	if (!expected || *expected != '{')
		return false;
	json_members(str_of(expected), &walk);
	while (json_member_next(&walk, &name, &raw)) {
		const struct sql_value *cell = row_find(row, name);

		if (!cell || memchr(name.p, '\\', name.len) || !is_plainly(cell, raw))
			return false;
	}
	return true;
}

/* The text of a number or a string, without its quotes. */
static bool
scalar_text(struct str raw, struct buf *out)
{
	if (raw.len && *raw.p == '"')
		return json_raw_string(raw, out);
	if (!raw.len || !strchr("-0123456789", *raw.p))
		return false;
	buf_add_str(out, raw);
	return true;
}

/* Is the cell what the database made of `expected`? Then it is shown as that. */
static bool
means(const struct sql_value *cell, struct str expected)
{
	AUTO(buf_fini) struct buf want = BUF_INIT;
	AUTO(buf_fini) struct buf have = BUF_INIT;
	AUTO(buf_fini) struct buf json = BUF_INIT;

	if (cell->type == SQL_INT &&
	    (str_eq_cstr(expected, "true") || str_eq_cstr(expected, "false")))
		return cell->integer == (*expected.p == 't');
	if (cell->type == SQL_TEXT && expected.len && (*expected.p == '{' || *expected.p == '['))
		return str_eq(buf_str(&cell->bytes), expected);
	sql_value_json(cell, &json);
	return scalar_text(expected, &want) && scalar_text(buf_str(&json), &have) &&
	       str_eq(buf_str(&want), buf_str(&have));
}

/* An object or array kept as text, in whatever order and spacing: shown as what it is. */
static bool
is_json_text(const struct sql_value *cell, struct str expected)
{
	struct str text = buf_str(&cell->bytes);

	return cell->type == SQL_TEXT && expected.len &&
	       (*expected.p == '{' || *expected.p == '[') && text.len &&
	       (*text.p == '{' || *text.p == '[') && json_check(text, NULL);
}

void
sql_row_json(const struct sql_row *row, const char *expected, struct buf *out)
{
	buf_putc(out, '{');
	for (size_t i = 0; i < row->cells.count; i++) {
		const struct sql_value *cell = &row->cells.items[i];
		const struct json_step step = {.name = str_of(row->names[i])};
		struct str raw;

		buf_puts(out, i ? "," : "");
		buf_json_cstr(out, row->names[i]);
		buf_putc(out, ':');
		if (!expected || !json_raw_find(str_of(expected), &step, 1, &raw))
			sql_value_json(cell, out);
		else if (means(cell, raw))
			buf_add_str(out, raw);
		else if (is_json_text(cell, raw))
			buf_add_str(out, buf_str(&cell->bytes));
		else
			sql_value_json(cell, out);
	}
	buf_putc(out, '}');
}
