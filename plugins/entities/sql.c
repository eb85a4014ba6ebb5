/* Entities from a database, sql:URL QUERY, read in work threads. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#include "plugins/entities/sql.h"

#include <ctype.h>
#include <inttypes.h>

#include "conf/conf.h"
#include "plugins/entities/threaded.h"

static const struct rows_driver *const drivers[] = {&rows_sqlite, &rows_postgresql};

#define GO_ON                                                                                      \
	"mend it, then rouse batch resume: the query runs anew, and entities that the batch has "  \
	"had are passed over"

struct entity_reader {
	struct threaded t; /* first */
	const struct rows_driver *driver;
	char *where, *query, *name;
	char *key; /* entity_key as it was written; NULL */
	struct entity_namer *namer;
	int64_t timeout_ms;
	struct rows *rows; /* of the thread that reads */
	bool by_first;	   /* the first column names an entity */
	uint64_t row;
};

static void
reader_free(struct threaded *t)
{
	struct entity_reader *r = (struct entity_reader *)t;

	if (r->rows)
		r->driver->close(r->rows);
	threaded_fini(t);
	entity_namer_free(r->namer);
	free(r->where);
	free(r->query);
	free(r->name);
	free(r->key);
	free(r);
}

/* //USER:PASSWORD@HOST, or password=. */
static bool
has_password(struct str where)
{
	const char *at = memchr(where.p, '@', where.len);
	size_t user = at ? (size_t)(at - where.p) : 0;

	return (user > 2 && memchr(where.p + 2, ':', user - 2)) ||
	       memmem(where.p, where.len, "password=", 9);
}

/* URL and query, which a blank separates. */
static bool
place_split(const char *text, const struct rows_driver **ret, struct str *ret_where,
	    struct str *ret_query, struct err *err)
{
	struct str rest = str_trim(str_of(text));
	size_t len = 0;

	while (len < rest.len && !isspace((unsigned char)rest.p[len]))
		len++;
	*ret_query = str_trim(str_make(rest.p + len, rest.len - len));
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		struct str scheme = str_of(drivers[i]->scheme);

		if (!str_starts(rest, scheme))
			continue;
		*ret = drivers[i];
		*ret_where = str_make(rest.p + scheme.len, len - scheme.len);
		if ((*ret)->is_remote && has_password(*ret_where))
			return err_set(err, E_CONFIG,
				       "sql: a password stands in the URL; keep it in a passfile "
				       "(PGPASSFILE, ~/.pgpass) of the daemon's user");
		if (!ret_where->len)
			return err_set(err, E_CONFIG, "sql: %s names no database", (*ret)->scheme);
		return ret_query->len ||
		       err_set(err, E_CONFIG,
			       "sql: there is no query behind %.*s; expected one, "
			       "as SELECT id, name FROM accounts",
			       (int)len, rest.p);
	}
	return err_set(err, E_CONFIG,
		       "sql: %.*s is no database that is known; expected sqlite:PATH or "
		       "postgresql://USER@HOST/DATABASE, and a query",
		       (int)len, rest.p);
}

static void read_run(struct threaded *t);

static void
sql_check(const struct entities_place *place, struct conf_report *report)
{
	const struct rows_driver *driver;
	struct str where, query;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!place_split(place->rest, &driver, &where, &query, &err))
		conf_complain(report, place->section, "entities", "%s", err_text(&err));
}

static bool
sql_open(struct core *core, const struct entities_place *place, struct str cursor,
	 struct entity_reader **ret, struct err *err)
{
	const struct rows_driver *driver;
	struct entity_reader *r;
	struct str where, query;

	(void)cursor;
	if (!place_split(place->rest, &driver, &where, &query, err))
		return false;
	r = mem_alloc(sizeof(*r));
	r->t = (struct threaded){.core = core, .run = read_run, .free = reader_free};
	r->driver = driver;
	r->where = driver->is_remote ? str_dup(where) : entities_path(place->section, where);
	r->query = str_dup(query);
	r->name = str_dup(where);
	r->key = mem_strdup(place->key);
	r->timeout_ms = conf_ms(place->section, "entities_timeout");
	if (entity_namer_new(place->key, &r->namer, err)) {
		*ret = r;
		return true;
	}
	reader_free(&r->t);
	return false;
}

/* --- in a thread --------------------------------------------------------------------------- */

static bool
key_find(struct entity_reader *r, struct err *err)
{
	AUTO(buf_fini) struct buf names = BUF_INIT;
	const char *wanted = r->key ? r->key : "id";

	if (*wanted == '.' || *wanted == '"' || r->driver->has(r->rows, wanted, &names))
		return true;
	r->by_first = !r->key;
	return r->by_first || err_set(err, E_INVALID,
				      "the query has no column %s (entity_key); expected one of %s",
				      wanted, buf_cstr(&names));
}

static bool
row_take(struct entity_reader *r, bool *ret_full, struct err *err)
{
	AUTO(buf_fini) struct buf object = BUF_INIT, first = BUF_INIT, key = BUF_INIT;

	if (!r->driver->next(r->rows, &object, &first, &r->t.page.end, err))
		return false;
	if (r->t.page.end)
		return true;
	r->row++;
	if (!r->by_first && !entity_name(r->namer, buf_str(&object), &key, err))
		return false;
	*ret_full = entity_page_add(&r->t.page, buf_str(r->by_first ? &first : &key),
				    buf_str(&object), r->row);
	return r->t.page.err.code == E_OK || err_move(err, &r->t.page.err);
}

static void
read_run(struct threaded *t)
{
	struct entity_reader *r = (struct entity_reader *)t;
	uint64_t number = 0;
	AUTO(err_fini) struct err err = ERR_INIT;
	bool full = false, ok = true;

	if (!r->rows)
		ok = r->driver->open(r->where, r->query, r->timeout_ms, &r->t.stop, &r->rows,
				     &err) &&
		     key_find(r, &err);
	if (!ok) {
		err_set(&r->t.page.err, err.code, "sql: %s%s: %s; " GO_ON, r->driver->scheme,
			r->name, err_text(&err));
		return;
	}
	while (ok && !full && !r->t.page.end && !r->t.stop) {
		number = r->row + 1;
		ok = row_take(r, &full, &err);
	}
	if (!ok)
		err_set(&r->t.page.err, err.code, "sql: %s%s, row %" PRIu64 ": %s; " GO_ON,
			r->driver->scheme, r->name, number, err_text(&err));
	buf_printf(&r->t.page.cursor, "%" PRIu64, r->row);
}

static void
sql_read(struct entity_reader *r, entities_on_page *on_page, void *arg)
{
	threaded_read(&r->t, on_page, arg);
}

static void
sql_close(struct entity_reader *r)
{
	threaded_close(&r->t);
}

/* A database file is at hand, a server is not. */
static bool
sql_is_cheap(const struct entities_place *place)
{
	return str_starts(str_trim(str_of(place->rest)), STR("sqlite:"));
}

const struct entity_kind sql_entities = {.name = "sql",
					 .unit = "row",
					 .is_cheap = sql_is_cheap,
					 .check = sql_check,
					 .open = sql_open,
					 .read = sql_read,
					 .close = sql_close};
