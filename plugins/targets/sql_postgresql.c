/* SQL targets: PostgreSQL. libpq is loaded when a target first needs it, and every wait has an end.
 */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/sql.h"

#ifdef HAVE_LIBPQ

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "plugins/targets/sql_libpq.h"

struct sql_db {
	PGconn *conn;
	struct mono until;
	struct sql_kept kept; /* prepared as c0 c1 ... */
	bool lost;
};

/* --- errors -------------------------------------------------------------------------------- */

/* Beginnings of SQLSTATEs (PostgreSQL's appendix A); the first that fits. */
static const struct {
	const char *state;
	enum err_code code;
} states[] = {
	{"08", E_UNAVAILABLE},	  {"57014", E_TIMEOUT},
	{"57", E_UNAVAILABLE},	  {"53", E_FULL},
	{"40", E_UNAVAILABLE},	  {"55P03", E_UNAVAILABLE},
	{"55006", E_UNAVAILABLE}, {"25006", E_UNAVAILABLE},
	{"28", E_DENIED},	  {"42501", E_DENIED},
	{"3D", E_NOT_FOUND},	  {"23", E_CONFLICT},
	{"22", E_INVALID},	  {"42", E_INVALID},
	{"54", E_TOO_LARGE},	  {"58", E_IO},
	{"XX001", E_CORRUPT},	  {"P0", E_INVALID},
};

static enum err_code
code_of(const char *state)
{
	for (size_t i = 0; state && i < ARRAY_LEN(states); i++)
		if (!strncmp(state, states[i].state, strlen(states[i].state)))
			return states[i].code;
	return state ? E_INTERNAL : E_UNAVAILABLE;
}

/* One line of what it says. */
static bool
said(enum err_code code, const char *text, struct err *err)
{
	struct str line = str_trim(str_of(text)), first;

	str_split(line, '\n', &first);
	if (str_starts(first, STR("ERROR:")) || str_starts(first, STR("FATAL:")))
		first = str_trim(str_make(first.p + 6, first.len - 6));
	return err_set(err, code, "PostgreSQL: %.*s", STR_ARG(first));
}

static bool
lost(struct sql_db *db, struct err *err)
{
	db->lost = true;
	return said(E_UNAVAILABLE, pq.PQerrorMessage(db->conn), err);
}

static bool
result_failed(const PGresult *result, struct err *err)
{
	return said(code_of(pq.PQresultErrorField(result, PG_DIAG_SQLSTATE)),
		    pq.PQresultErrorMessage(result), err);
}

/* --- waiting ------------------------------------------------------------------------------- */

static bool
wait_for(struct sql_db *db, short events, struct err *err)
{
	struct pollfd poll_fd = {.fd = pq.PQsocket(db->conn), .events = events};
	int64_t left;

	for (;;) {
		left = db->until.ms - clock_mono(clock_system()).ms;
		if (left <= 0) {
			/* What it is doing it may still do: asked again, the ledger tells. */
			db->lost = true;
			return err_set(err, E_TIMEOUT,
				       "PostgreSQL did not answer in time (timeout)");
		}
		if (poll(&poll_fd, 1, (int)(left > 1000 ? 1000 : left)) > 0)
			return true;
	}
}

/* All that was sent is on its way, and an answer is there. */
static bool
answer_wait(struct sql_db *db, struct err *err)
{
	int rest;

	while ((rest = pq.PQflush(db->conn)) == 1)
		if (!wait_for(db, POLLIN | POLLOUT, err) || !pq.PQconsumeInput(db->conn))
			return db->lost && err && err->code == E_TIMEOUT ? false : lost(db, err);
	if (rest < 0)
		return lost(db, err);
	while (pq.PQisBusy(db->conn)) {
		if (!wait_for(db, POLLIN, err))
			return false;
		if (!pq.PQconsumeInput(db->conn))
			return lost(db, err);
	}
	return true;
}

static void
result_auto_clear(PGresult **result)
{
	pq.PQclear(*result);
}

/* The one result of what was sent; the connection is ready for more. False: err says what failed.
 */
static bool
result_take(struct sql_db *db, PGresult **ret, struct err *err)
{
	*ret = NULL;
	for (;;) {
		PGresult *result;

		if (!answer_wait(db, err))
			return false;
		result = pq.PQgetResult(db->conn);
		if (!result)
			break;
		pq.PQclear(*ret);
		*ret = result;
	}
	if (!*ret)
		return lost(db, err);
	switch (pq.PQresultStatus(*ret)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		return true;
	default:
		if (pq.PQstatus(db->conn) != CONNECTION_OK)
			db->lost = true;
		return result_failed(*ret, err);
	}
}

static bool
simple(struct sql_db *db, const char *text, struct err *err)
{
	AUTO(result_auto_clear) PGresult *result = NULL;

	if (db->lost || !pq.PQsendQuery(db->conn, text))
		return lost(db, err);
	return result_take(db, &result, err);
}

/* --- connections --------------------------------------------------------------------------- */

static void
on_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

static void
db_close(struct sql_db *db)
{
	if (!db)
		return;
	pq.PQfinish(db->conn);
	sql_kept_fini(&db->kept);
	free(db);
}

static bool
connect_wait(struct sql_db *db, struct err *err)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (pq.PQstatus(db->conn) != CONNECTION_BAD && status != PGRES_POLLING_OK) {
		if (!wait_for(db, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, err))
			return false;
		status = pq.PQconnectPoll(db->conn);
		if (status == PGRES_POLLING_FAILED)
			break;
	}
	return status == PGRES_POLLING_OK ||
	       said(strstr(pq.PQerrorMessage(db->conn), "authentication failed") ? E_DENIED
										 : E_UNAVAILABLE,
		    pq.PQerrorMessage(db->conn), err);
}

static bool
settings_send(struct sql_db *db, int64_t deadline_ms, int64_t busy_ms, bool read_only,
	      struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	/* on: a commit that is answered is on its disk, whatever the server's other users chose. */
	buf_printf(&text,
		   "SET statement_timeout = %lld; SET lock_timeout = %lld; "
		   "SET idle_in_transaction_session_timeout = %lld; "
		   "SET synchronous_commit = on; SET default_transaction_read_only = %s; "
		   "SET client_min_messages = error",
		   (long long)deadline_ms, (long long)busy_ms, (long long)deadline_ms * 2,
		   read_only ? "on" : "off");
	return simple(db, buf_cstr(&text), err);
}

/* where: the whole url; its password may stand behind a line end. */
static bool
db_open(const char *where, bool read_only, int64_t deadline_ms, int64_t busy_ms,
	struct sql_db **ret, struct err *err)
{
	static const char *const names[] = {
		"dbname",	   "password", "application_name", "client_encoding", "options",
		"keepalives_idle", NULL};
	struct str password, url;
	AUTO(auto_free) char *url_text = NULL;
	AUTO(auto_free) char *password_text = NULL;
	const char *values[ARRAY_LEN(names)] = {NULL, NULL, "rouse", "UTF8", "", "30", NULL};
	struct sql_db *db;

	if (!libpq_load(err))
		return false;
	password = str_split(str_of(where), '\n', &url);
	values[0] = url_text = str_dup(url);
	values[1] = password_text = password.p ? str_dup(password) : NULL;
	db = mem_alloc(sizeof(*db));
	db->until = (struct mono){clock_mono(clock_system()).ms + deadline_ms};
	db->conn = pq.PQconnectStartParams(names, values, 1);
	if (password_text)
		mem_zero(password_text, strlen(password_text));
	if (!db->conn) {
		db_close(db);
		return err_set(err, E_FULL, "no memory for a connection to PostgreSQL");
	}
	pq.PQsetNoticeProcessor(db->conn, on_notice, NULL);
	if (!connect_wait(db, err) || pq.PQsetnonblocking(db->conn, 1) ||
	    !settings_send(db, deadline_ms, busy_ms, read_only, err)) {
		if (!err || err->code == E_OK)
			lost(db, err);
		db_close(db);
		return false;
	}
	*ret = db;
	return true;
}

static bool
db_begin(struct sql_db *db, struct err *err)
{
	/* What somebody else writes between our look and our deed makes the deed fail, not theirs
	 * vanish. */
	return simple(db, "BEGIN ISOLATION LEVEL REPEATABLE READ", err);
}

static bool
db_commit(struct sql_db *db, struct err *err)
{
	return simple(db, "COMMIT", err);
}

static bool
db_rollback(struct sql_db *db, struct err *err)
{
	return db->lost || pq.PQtransactionStatus(db->conn) == PQTRANS_IDLE ||
	       simple(db, "ROLLBACK", err);
}

/* Also asks: a server that was started anew has forgotten us, and the socket knows. */
static bool
db_renew(struct sql_db *db, int64_t deadline_ms)
{
	db->until = (struct mono){clock_mono(clock_system()).ms + deadline_ms};
	return !db->lost && pq.PQconsumeInput(db->conn) && pq.PQstatus(db->conn) == CONNECTION_OK &&
	       simple(db, "SELECT 1", NULL);
}

/* --- statements ---------------------------------------------------------------------------- */

static bool
statement_name(struct sql_db *db, const char *text, char *ret, size_t size, struct err *err)
{
	AUTO(result_auto_clear) PGresult *result = NULL;
	AUTO(buf_fini) struct buf forget = BUF_INIT;
	bool is;
	size_t at = sql_kept_at(&db->kept, text, &is);

	snprintf(ret, size, "c%zu", at);
	if (is)
		return true;
	if (db->kept.texts[at]) {
		buf_printf(&forget, "DEALLOCATE %s", ret);
		sql_kept_drop(&db->kept, at);
		if (!simple(db, buf_cstr(&forget), err))
			return false;
	}
	if (db->lost || !pq.PQsendPrepare(db->conn, ret, text, 0, NULL))
		return lost(db, err);
	if (!result_take(db, &result, err))
		return false;
	sql_kept_put(&db->kept, at, text);
	return true;
}

/* As the text that the server reads for whatever type it takes it to be; owned; NULL for null. */
static char *
value_text(const struct sql_value *value)
{
	struct buf text = BUF_INIT;

	switch (value->type) {
	case SQL_NULL:
		return NULL;
	case SQL_INT:
		buf_printf(&text, "%lld", (long long)value->integer);
		break;
	case SQL_REAL:
		buf_printf(&text, "%.17g", value->real);
		break;
	case SQL_TEXT:
		buf_add_str(&text, buf_str(&value->bytes));
		break;
	case SQL_BLOB:
		buf_puts(&text, "\\x");
		hex_encode(&text, buf_str(&value->bytes));
		break;
	}
	return text.data ? buf_take(&text) : mem_strdup("");
}

/* Types whose texts are values of ours (catalog/pg_type.dat). */
enum {
	TYPE_BOOL = 16,
	TYPE_BYTEA = 17,
	TYPE_INT8 = 20,
	TYPE_INT2 = 21,
	TYPE_INT4 = 23,
	TYPE_FLOAT4 = 700,
	TYPE_FLOAT8 = 701,
	TYPE_NUMERIC = 1700
};

static void
number_read(struct str text, bool exact, struct sql_value *ret)
{
	if (str_to_i64(text, &ret->integer)) {
		ret->type = SQL_INT;
		return;
	}
	ret->real = strtod(text.p, NULL);
	/* A numeric of many digits stays as it is. */
	ret->type = exact && text.len > 16 ? SQL_TEXT : SQL_REAL;
	if (!isfinite(ret->real))
		ret->type = SQL_TEXT;
	if (ret->type == SQL_TEXT)
		buf_add_str(&ret->bytes, text);
}

static bool
cell_read(const PGresult *result, int column, struct sql_value *ret, struct err *err)
{
	struct str text = str_make(pq.PQgetvalue(result, 0, column),
				   (size_t)pq.PQgetlength(result, 0, column));

	if (pq.PQgetisnull(result, 0, column))
		return true;
	switch (pq.PQftype(result, column)) {
	case TYPE_BOOL:
		ret->type = SQL_INT;
		ret->integer = text.len && *text.p == 't';
		return true;
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8:
	case TYPE_FLOAT4:
	case TYPE_FLOAT8:
		number_read(text, false, ret);
		return true;
	case TYPE_NUMERIC:
		number_read(text, true, ret);
		return true;
	case TYPE_BYTEA:
		ret->type = SQL_BLOB;
		return text.len < 2 ||
		       hex_decode(str_make(text.p + 2, text.len - 2), &ret->bytes) ||
		       err_set(err, E_INVALID, "bytea_output of the server is not hex");
	default:
		return sql_value_take(ret, SQL_TEXT, text, err);
	}
}

static bool
row_read(const PGresult *result, struct sql_row *row, struct err *err)
{
	int columns = pq.PQnfields(result);

	row->rows = (size_t)pq.PQntuples(result);
	if (!row->rows)
		return true;
	for (int i = 0; i < columns; i++) {
		struct sql_value *cell = sql_row_add(row, pq.PQfname(result, i),
						     (size_t)pq.PQgetlength(result, 0, i), err);

		if (!cell || !cell_read(result, i, cell, err))
			return false;
	}
	return true;
}

static bool
db_run_named(struct sql_db *db, const char *name, const struct sql_values *values,
	     PGresult **ret_result, struct err *err)
{
	size_t count = values ? values->count : 0;
	AUTO(auto_free) char **texts = mem_alloc_array(count + 1, sizeof(*texts));
	bool ok;

	for (size_t i = 0; i < count; i++)
		texts[i] = value_text(&values->items[i]);
	ok = !db->lost && pq.PQsendQueryPrepared(db->conn, name, (int)count,
						 (const char *const *)texts, NULL, NULL, 0);
	for (size_t i = 0; i < count; i++)
		free(texts[i]);
	return ok ? result_take(db, ret_result, err) : lost(db, err);
}

static bool
db_run(struct sql_db *db, const char *text, const struct sql_values *values,
       struct sql_row *ret_row, int64_t *ret_changed, struct err *err)
{
	AUTO(result_auto_clear) PGresult *result = NULL;
	char name[16];

	if (!statement_name(db, text, name, sizeof(name), err) ||
	    !db_run_named(db, name, values, &result, err))
		return false;
	if (ret_changed) {
		*ret_changed = 0;
		str_to_i64(str_of(pq.PQcmdTuples(result)), ret_changed);
	}
	return !ret_row || row_read(result, ret_row, err);
}

static bool
db_check(struct sql_db *db, const char *text, bool *ret_syntax, struct err *err)
{
	AUTO(err_fini) struct err why = ERR_INIT;
	char name[16];

	if (statement_name(db, text, name, sizeof(name), &why))
		return true;
	*ret_syntax = strstr(err_text(&why), "syntax error") != NULL;
	return err_move(err, &why);
}

/* schema.table is two names. */
static void
table_quote(struct buf *out, const char *table)
{
	struct str rest = str_of(table), part;
	const char *dot = "";

	while (rest.p) {
		AUTO(auto_free) char *name = NULL;

		rest = str_split(rest, '.', &part);
		name = str_dup(part);
		buf_puts(out, dot);
		dot = ".";
		sql_quote(out, name);
	}
}

/* A query about a table, whose name is its one parameter. */
static bool
table_query(struct sql_db *db, const char *query, const char *table, struct sql_values *values,
	    PGresult **ret_result, struct err *err)
{
	struct sql_value *quoted = sql_values_add(values);
	char name[16];

	quoted->type = SQL_TEXT;
	table_quote(&quoted->bytes, table);
	return statement_name(db, query, name, sizeof(name), err) &&
	       db_run_named(db, name, values, ret_result, err);
}

static bool
no_table(const char *table, struct err *err)
{
	return err_set(err, E_NOT_FOUND, "PostgreSQL has no table %s there", table);
}

static bool
db_columns(struct sql_db *db, const char *table, struct sql_values *ret, struct err *err)
{
	static const char query[] =
		"SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND "
		"attnum > 0 AND NOT attisdropped ORDER BY attnum";
	AUTO(result_auto_clear) PGresult *result = NULL;
	AUTO(sql_values_fini) struct sql_values values = {0};

	if (!table_query(db, query, table, &values, &result, err))
		return false;
	for (int i = 0; i < pq.PQntuples(result); i++) {
		struct sql_value *name = sql_values_add(ret);

		name->type = SQL_TEXT;
		buf_puts(&name->bytes, pq.PQgetvalue(result, i, 0));
	}
	return ret->count || no_table(table, err);
}

static bool
flag_read(const PGresult *result, int row, int column)
{
	return *pq.PQgetvalue(result, row, column) == 't';
}

static bool
db_shape(struct sql_db *db, const char *table, struct sql_shape *ret, struct err *err)
{
	static const char query[] =
		"SELECT attname::text, format_type(atttypid, atttypmod), attnotnull, atthasdef OR "
		"attidentity <> '', attgenerated <> '' OR attidentity = 'a' FROM pg_attribute "
		"WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY "
		"attnum";
	AUTO(result_auto_clear) PGresult *result = NULL;
	AUTO(sql_values_fini) struct sql_values values = {0};

	if (!table_query(db, query, table, &values, &result, err))
		return false;
	ret->count = (size_t)pq.PQntuples(result);
	ret->items = mem_alloc_array(ret->count + 1, sizeof(*ret->items));
	for (int i = 0; i < pq.PQntuples(result); i++)
		ret->items[i] = (struct sql_column){.name = mem_strdup(pq.PQgetvalue(result, i, 0)),
						    .type = mem_strdup(pq.PQgetvalue(result, i, 1)),
						    .not_null = flag_read(result, i, 2),
						    .filled = flag_read(result, i, 3),
						    .generated = flag_read(result, i, 4)};
	return ret->count || no_table(table, err);
}

const struct sql_driver sql_postgresql = {
	.scheme = "postgresql:",
	.mark = '$',
	.is_remote = true,
	.open = db_open,
	.close = db_close,
	.begin = db_begin,
	.commit = db_commit,
	.rollback = db_rollback,
	.renew = db_renew,
	.run = db_run,
	.check = db_check,
	.columns = db_columns,
	.shape = db_shape,
	.quote_table = table_quote,
	.has_ledger = "SELECT 1 WHERE to_regclass('rouse_applied') IS NOT NULL",
	.make_ledger = "CREATE TABLE IF NOT EXISTS rouse_applied (key text PRIMARY KEY, change "
		       "text, at timestamptz)",
	.find_ledger = "SELECT change, at::text FROM rouse_applied WHERE key = $1",
	.add_ledger = "INSERT INTO rouse_applied (key, change, at) VALUES ($1, $2, now()) "
		      "ON CONFLICT DO NOTHING",
	.drop_ledger = "DELETE FROM rouse_applied WHERE key = $1",
};

#else

static bool
db_open(const char *where, bool read_only, int64_t deadline_ms, int64_t busy_ms,
	struct sql_db **ret, struct err *err)
{
	(void)where;
	(void)read_only;
	(void)deadline_ms;
	(void)busy_ms;
	(void)ret;
	return err_set(err, E_CONFIG,
		       "this Rouse was built without PostgreSQL; build it where libpq-dev is");
}

const struct sql_driver sql_postgresql = {
	.scheme = "postgresql:", .mark = '$', .is_remote = true, .open = db_open};

#endif
