/* SQL targets: what the drivers share: statements that are kept prepared, rows in the making. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/sql.h"

size_t
sql_kept_at(const struct sql_kept *kept, const char *text, bool *ret_is)
{
	for (size_t at = 0; at < SQL_KEPT; at++)
		if (kept->texts[at] && !strcmp(kept->texts[at], text)) {
			*ret_is = true;
			return at;
		}
	*ret_is = false;
	return kept->next % SQL_KEPT;
}

void
sql_kept_put(struct sql_kept *kept, size_t at, const char *text)
{
	sql_kept_drop(kept, at);
	kept->texts[at] = mem_strdup(text);
	kept->next = at + 1;
}

void
sql_kept_drop(struct sql_kept *kept, size_t at)
{
	free(TAKE(kept->texts[at]));
}

void
sql_kept_fini(struct sql_kept *kept)
{
	for (size_t at = 0; at < SQL_KEPT; at++)
		sql_kept_drop(kept, at);
}

struct sql_value *
sql_row_add(struct sql_row *row, const char *name, size_t bytes, struct err *err)
{
	size_t count = row->cells.count;

	row->bytes += bytes;
	if (row->bytes > SQL_ROW_BYTES_MAX) {
		err_set(err, E_TOO_LARGE,
			"the row has more than %d bytes; read only what is needed",
			SQL_ROW_BYTES_MAX);
		return NULL;
	}
	if (count % SQL_VALUES_STEP == 0)
		row->names =
			mem_realloc(row->names, (count + SQL_VALUES_STEP) * sizeof(*row->names));
	row->names[count] = mem_strdup(name);
	return sql_values_add(&row->cells);
}

bool
sql_value_take(struct sql_value *value, enum sql_type type, struct str bytes, struct err *err)
{
	value->type = type;
	if (!buf_try_reserve(&value->bytes, bytes.len))
		return err_set(err, E_FULL, "no memory for a value of %zu bytes", bytes.len);
	buf_add_str(&value->bytes, bytes);
	return true;
}
