/* SQL targets: changes become rows, each in one transaction with the key that says it was done.
 * SPEC 10. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/sql.h"

#include <assert.h>

#include "conf/secret.h"

/* How long a look at load or at a proposal may wait for others; it holds the loop up. */
#define LOOK_MS 200
#define LOOK_REST_MS 1000

/* In the order of enum sql_slot. */
static const char *const slot_keys[] = {
	"apply", "apply_create", "apply_update", "apply_delete", "apply_call", "revert", "read"};
static_assert(ARRAY_LEN(slot_keys) == SQL_SLOTS, "a key for every statement");

static const struct sql_driver *const drivers[] = {&sql_sqlite, &sql_postgresql};

#define NAMES "may use :entity :key :op :after.NAME :before.NAME"
static const struct conf_key keys[] = {
	{"url", CONF_STRING, .flags = CONF_REQUIRED,
	 .help = "sqlite:PATH of a database that is there, or postgresql://USER@HOST/DATABASE"},
	{"password", CONF_SECRET, .help = "of the user of a PostgreSQL url"},
	{"table", CONF_STRING,
	 .help = "simple form: the table (of PostgreSQL also SCHEMA.TABLE) whose rows are the "
		 "entities; columns are the names in "
		 "after"},
	{"id_column", CONF_STRING, "id", .help = "simple form: the column that holds the entity"},
	{"apply", CONF_STRING, .help = "general form: statement that carries a change out; " NAMES},
	{"apply_create", CONF_STRING, .help = "the same for creates"},
	{"apply_update", CONF_STRING, .help = "the same for updates"},
	{"apply_delete", CONF_STRING, .help = "the same for deletes"},
	{"apply_call", CONF_STRING, .help = "the same for calls"},
	{"revert", CONF_STRING,
	 .help = "statement that takes a change back; default: that of the opposite, with before "
		 "and after exchanged"},
	{"read", CONF_STRING,
	 .help = "query for the one row that a change is about; without it nobody sees whether it "
		 "has drifted"},
	{"ledger", CONF_BOOL, "yes",
	 .help = "keep applied keys in a table rouse_applied of the same database: exactly once"},
	{"busy_timeout", CONF_DURATION, "5s", .min = 0, .max = 3600000,
	 .help = "how long to wait for other writers"},
};

static const struct conf_table sql_table = {
	.section = "target",
	.named = true,
	.selector = "kind",
	.value = "sql",
	.keys = keys,
	.count = ARRAY_LEN(keys),
	.help = "a target that is a database: a change is a row, or a statement",
};

/* --- at load ------------------------------------------------------------------------------- */

/* The password goes behind the url, which has none in it. */
static void
remote_open(struct sql_target *t, const struct conf_section *section, const char *url,
	    struct conf_report *report)
{
	const char *at = strchr(url, '@'), *user = strstr(url, "://");
	struct buf where = BUF_INIT;
	AUTO(secrets_fini) struct secrets password = SECRETS_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!t->driver->run) {
		conf_complain(report, section, "url",
			      "this Rouse was built without PostgreSQL; build it where libpq-dev "
			      "is");
		return;
	}
	if (at && user && memchr(user + 3, ':', (size_t)(at > user + 3 ? at - user - 3 : 0))) {
		conf_complain(report, section, "url",
			      "has a password in it; write password = file:PATH instead");
		return;
	}
	if (conf_is_set(section, "password") &&
	    !secrets_resolve(section, "password", &password, &err)) {
		conf_complain(report, section, "password", "%s", err_text(&err));
		return;
	}
	buf_puts(&where, url);
	if (password.count) {
		buf_reserve(&where, password.items[0].len + 2);
		buf_putc(&where, '\n');
		buf_add_str(&where, password.items[0]);
	}
	t->where = buf_take(&where);
}

static void
url_open(struct sql_target *t, const struct conf_section *section, struct conf_report *report)
{
	const char *url = conf_str(section, "url"), *where;
	struct buf path = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(drivers) && url; i++)
		if (str_starts(str_of(url), str_of(drivers[i]->scheme)))
			t->driver = drivers[i];
	if (!t->driver) {
		if (url)
			conf_complain(
				report, section, "url",
				"\"%s\" is no database that is known; expected sqlite:PATH or "
				"postgresql://USER@HOST/DATABASE",
				url);
		return;
	}
	if (t->driver->is_remote) {
		remote_open(t, section, url, report);
		return;
	}
	where = url + strlen(t->driver->scheme);
	if (!*where) {
		conf_complain(report, section, "url", "names no file; expected sqlite:PATH");
		return;
	}
	if (*where != '/')
		buf_printf(&path, "%s/", conf_dir(conf_section_conf(section)));
	buf_puts(&path, where);
	t->where = buf_take(&path);
}

static void
statements_open(struct sql_target *t, const struct conf_section *section,
		struct conf_report *report)
{
	bool any = false;

	for (int i = 0; i < SQL_SLOTS; i++) {
		AUTO(err_fini) struct err err = ERR_INIT;
		const char *text = conf_str(section, slot_keys[i]);

		if (!text)
			continue;
		any |= i <= SQL_APPLY_CALL;
		if (t->table)
			conf_complain(report, section, slot_keys[i],
				      "does not go together with table; use one of them");
		else if (t->driver &&
			 !sql_text_parse(text, t->driver->mark, &t->statements[i], &err))
			conf_complain(report, section, slot_keys[i], "%s", err_text(&err));
	}
	if (!any && !t->table)
		conf_complain(report, section, NULL,
			      "says nothing about what is done; set table = NAME for the simple "
			      "form, or apply = STATEMENT");
}

/* Only what can be seen without waiting; what is not there may still come. */
static void
database_look(const struct sql_target *t, const struct conf_section *section,
	      struct conf_report *report)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(sql_values_fini) struct sql_values columns = {0};
	struct sql_db *db = NULL;

	if (!t->driver->open(t->where, true, LOOK_MS, LOOK_MS, &db, &err)) {
		conf_warn(report, section, "url", "%s", err_text(&err));
		return;
	}
	for (int i = 0; i < SQL_SLOTS; i++) {
		bool syntax = false;

		if (!t->statements[i].text ||
		    t->driver->check(db, t->statements[i].text, &syntax, &err))
			continue;
		if (syntax)
			conf_complain(report, section, slot_keys[i], "%s", err_text(&err));
		else
			conf_warn(report, section, slot_keys[i], "%s", err_text(&err));
	}
	if (t->table && !t->driver->columns(db, t->table, &columns, &err))
		conf_warn(report, section, "table", "%s", err_text(&err));
	t->driver->close(db);
}

static void
target_close(struct target *target)
{
	struct sql_target *t = target->state;

	if (!t)
		return;
	for (int i = 0; i < SQL_SLOTS; i++)
		sql_text_fini(&t->statements[i]);
	sql_values_fini(&t->columns);
	core_timer_free(t->rest);
	if (t->spare)
		t->driver->close(t->spare);
	pthread_mutex_destroy(&t->lock);
	core_timer_free(t->look_rest);
	sql_vet_fini(t);
	if (t->look)
		t->driver->close(t->look);
	if (t->where)
		mem_zero(t->where, strlen(t->where));
	free(t->where);
	free(t);
	target->state = NULL;
}

static bool
target_open(struct target *target, struct conf_report *report)
{
	const struct conf_section *section = target->section;
	struct sql_target *t = mem_alloc(sizeof(*t));
	size_t before = conf_report_errors(report);

	target->state = t;
	pthread_mutex_init(&t->lock, NULL);
	sql_vet_init(t);
	t->table = conf_str(section, "table");
	t->id_column = conf_str(section, "id_column");
	t->ledger = conf_bool(section, "ledger");
	t->busy_ms = conf_ms(section, "busy_timeout");
	t->timeout_ms = target->timeout_ms;
	url_open(t, section, report);
	statements_open(t, section, report);
	if (conf_report_errors(report) == before && !t->driver->is_remote)
		database_look(t, section, report);
	return conf_report_errors(report) == before;
}

/* --- at a proposal ------------------------------------------------------------------------- */

static void
on_look_rest(void *arg)
{
	struct sql_target *t = arg;

	if (t->look)
		t->driver->close(TAKE(t->look));
}

/* A connection to look with; NULL: what cannot be seen at once, applying will tell. */
static struct sql_db *
look_open(struct core *core, struct sql_target *t)
{
	if (t->look && !t->driver->renew(t->look, LOOK_MS))
		t->driver->close(TAKE(t->look));
	if (!t->look && !t->driver->open(t->where, true, LOOK_MS, 0, &t->look, NULL))
		t->look = NULL;
	if (t->look)
		core_timer_arm(core, &t->look_rest, LOOK_REST_MS, on_look_rest, t);
	return t->look;
}

/* The columns as they are now. */
static void
columns_look(struct core *core, struct sql_target *t)
{
	struct sql_db *db = look_open(core, t);

	sql_values_fini(&t->columns);
	if (db && !t->driver->columns(db, t->table, &t->columns, NULL))
		sql_values_fini(&t->columns);
}

/* What cannot be seen at once, applying will tell. */
static bool
row_look(struct core *core, struct sql_target *t, const struct change_row *change, struct err *err)
{
	AUTO(err_fini) struct err why = ERR_INIT;
	struct sql_db *db = look_open(core, t);

	return !db || sql_table_look(t, db, change, &why) ||
	       (why.code != E_NOT_FOUND && why.code != E_EXISTS) || err_move(err, &why);
}

static bool
target_check(struct core *core, const struct target *target, const struct change_row *change,
	     struct err *err)
{
	static const struct sql_values not_known;
	struct sql_target *t = target->state;
	bool unknown = false;

	if (!t->table)
		return sql_statement_check(t, change, err);
	/* A server is not waited for here: sql_vet() asks it. */
	if (t->driver->is_remote)
		return sql_table_check(t, &not_known, change, NULL, err);
	if (!t->columns.count)
		columns_look(core, t);
	if (!sql_table_check(t, &t->columns, change, &unknown, err)) {
		if (!unknown)
			return false;
		/* It may have been added since. */
		columns_look(core, t);
		if (!sql_table_check(t, &t->columns, change, NULL, err))
			return false;
	}
	return row_look(core, t, change, err);
}

const struct target_kind sql_target_kind = {
	.name = "sql",
	.table = &sql_table,
	.open = target_open,
	.close = target_close,
	.check = target_check,
	.vets = sql_vets,
	.vet = sql_vet,
	.apply = sql_apply,
	.apply_many = sql_apply_many,
};
