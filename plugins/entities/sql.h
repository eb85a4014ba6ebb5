/* Entities from a database, sql:URL QUERY, read in work threads. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_ENTITIES_SQL_H
#define ROUSE_PLUGINS_ENTITIES_SQL_H

#include "core/entities.h"

extern const struct entity_kind sql_entities;

/* The rows of one query, an object each. Used by one thread at a time. */
struct rows;
struct rows_driver {
	const char *scheme; /* "sqlite:" */
	bool is_remote;	    /* what follows is no path */
	/* where: the url behind the scheme (sqlite: an absolute path). stop: looked at while it
	 * blocks; true: it gives up. */
	bool (*open)(const char *where, const char *query, int64_t timeout_ms,
		     const volatile bool *stop, struct rows **ret, struct err *err);
	/* The next row as a JSON object, and the text of its first column in first (NULL: it is
	 * null). *ret_end: there is none. */
	bool (*next)(struct rows *rows, struct buf *object, struct buf *first, bool *ret_end,
		     struct err *err);
	/* The column of that name is there; before the first row. names: all, for a sentence. */
	bool (*has)(struct rows *rows, const char *name, struct buf *names);
	void (*close)(struct rows *rows);
};
extern const struct rows_driver rows_sqlite, rows_postgresql;

#endif
