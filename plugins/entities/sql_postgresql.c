/* Entities from a database: PostgreSQL, by the driver of the targets; a cursor, row by row. */
/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "plugins/entities/sql.h"
#include "plugins/targets/sql.h"

struct rows {
	struct sql_db *db;
	struct sql_row row; /* that comes next */
	int64_t timeout_ms;
	struct mono renewed;
};

static void
rows_close(struct rows *rows)
{
	if (!rows)
		return;
	if (rows->db)
		sql_postgresql.close(rows->db);
	sql_row_fini(&rows->row);
	free(rows);
}

/* The driver bounds all that is done on a connection: each row has its own time. */
static bool
row_fetch(struct rows *rows, struct err *err)
{
	struct mono now = clock_mono(clock_system());

	if (now.ms - rows->renewed.ms > rows->timeout_ms / 4) {
		if (!sql_postgresql.renew(rows->db, rows->timeout_ms))
			return err_set(err, E_UNAVAILABLE, "the connection is gone");
		rows->renewed = now;
	}
	sql_row_fini(&rows->row);
	rows->row = (struct sql_row){0};
	return sql_postgresql.run(rows->db, "FETCH 1 FROM rouse_entities", NULL, &rows->row, NULL,
				  err);
}

static bool
rows_open(const char *where, const char *query, int64_t timeout_ms, const volatile bool *stop,
	  struct rows **ret, struct err *err)
{
	AUTO(buf_fini) struct buf declare = BUF_INIT, url = BUF_INIT;
	struct rows *rows = mem_alloc(sizeof(*rows));

	(void)stop;
	rows->timeout_ms = timeout_ms;
	rows->renewed = clock_mono(clock_system());
	buf_cat(&url, sql_postgresql.scheme, where);
	buf_cat(&declare, "DECLARE rouse_entities NO SCROLL CURSOR FOR ", query);
	if (sql_postgresql.open(buf_cstr(&url), true, timeout_ms, timeout_ms, &rows->db, err) &&
	    sql_postgresql.begin(rows->db, err) &&
	    sql_postgresql.run(rows->db, buf_cstr(&declare), NULL, NULL, NULL, err) &&
	    row_fetch(rows, err)) {
		*ret = rows;
		return true;
	}
	rows_close(rows);
	return false;
}

static bool
rows_next(struct rows *rows, struct buf *object, struct buf *first, bool *ret_end, struct err *err)
{
	const struct sql_value *cell;

	*ret_end = !rows->row.rows;
	if (*ret_end)
		return true;
	cell = &rows->row.cells.items[0];
	sql_row_json(&rows->row, NULL, object);
	if (cell->type == SQL_TEXT)
		buf_add_str(first, buf_str(&cell->bytes));
	else if (cell->type == SQL_INT)
		buf_printf(first, "%lld", (long long)cell->integer);
	return row_fetch(rows, err);
}

static bool
rows_has(struct rows *rows, const char *name, struct buf *names)
{
	bool has = !rows->row.rows;

	for (size_t i = 0; rows->row.rows && i < rows->row.cells.count; i++) {
		buf_cat(names, i ? ", " : "", rows->row.names[i]);
		has |= !strcmp(rows->row.names[i], name);
	}
	return has;
}

const struct rows_driver rows_postgresql = {.scheme = "postgresql:",
					    .is_remote = true,
					    .open = rows_open,
					    .next = rows_next,
					    .has = rows_has,
					    .close = rows_close};
