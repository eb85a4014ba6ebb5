/* SQL targets: changes become rows, each in one transaction with the key that says it was done.
 * SPEC 10. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/sql.h"

#include <assert.h>

#include "base/os.h"
#include "io/work.h"
#include "plugins/targets/outcome.h"

/* How long a look at load or at a proposal may wait for others; it holds the loop up. */
#define LOOK_MS 200

/* In the order of enum sql_slot. */
static const char *const slot_keys[] = {
	"apply", "apply_create", "apply_update", "apply_delete", "apply_call", "revert", "read"};
static_assert(ARRAY_LEN(slot_keys) == SQL_SLOTS, "a key for every statement");

static const struct sql_driver *const drivers[] = {&sql_sqlite};

#define NAMES "may use :entity :key :op :after.NAME :before.NAME"
static const struct conf_key keys[] = {
	{"url", CONF_STRING, .flags = CONF_REQUIRED,
	 .help = "sqlite:PATH of a database that is there"},
	{"table", CONF_STRING,
	 .help = "simple form: the table whose rows are the entities; columns are the names in "
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

void
sql_plan_fini(struct sql_plan *plan)
{
	buf_fini(&plan->read);
	buf_fini(&plan->text);
	sql_values_fini(&plan->read_values);
	sql_values_fini(&plan->values);
}

/* --- at load ------------------------------------------------------------------------------- */

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
			conf_complain(report, section, "url",
				      "\"%s\" is no database that is known; expected sqlite:PATH",
				      url);
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
	t->table = conf_str(section, "table");
	t->id_column = conf_str(section, "id_column");
	t->ledger = conf_bool(section, "ledger");
	t->busy_ms = conf_ms(section, "busy_timeout");
	t->timeout_ms = target->timeout_ms;
	url_open(t, section, report);
	statements_open(t, section, report);
	if (conf_report_errors(report) == before)
		database_look(t, section, report);
	return conf_report_errors(report) == before;
}

/* --- at a proposal ------------------------------------------------------------------------- */

/* The columns as they are now; where that cannot be seen at once, applying will tell. */
static void
columns_look(struct sql_target *t)
{
	struct sql_db *db = NULL;

	sql_values_fini(&t->columns);
	if (!t->driver->open(t->where, true, LOOK_MS, 0, &db, NULL))
		return;
	if (!t->driver->columns(db, t->table, &t->columns, NULL))
		sql_values_fini(&t->columns);
	t->driver->close(db);
}

static bool
target_check(const struct target *target, const struct change_row *change, struct err *err)
{
	struct sql_target *t = target->state;
	bool unknown = false;

	if (!t->table)
		return sql_statement_check(t, change, err);
	if (!t->columns.count)
		columns_look(t);
	if (sql_table_check(t, change, &unknown, err))
		return true;
	if (!unknown)
		return false;
	/* It may have been added since. */
	columns_look(t);
	return sql_table_check(t, change, NULL, err);
}

/* --- applying ------------------------------------------------------------------------------ */

struct sql_job {
	struct outcome outcome;
	const struct sql_target *t;
	const struct change_row *change;
	bool revert;
};

static bool
ledger_values(const struct sql_job *job, bool with_change, struct sql_values *ret)
{
	struct sql_value *key = sql_values_add(ret), *id;

	key->type = SQL_TEXT;
	change_key(job->change, job->revert, &key->bytes);
	if (!with_change)
		return true;
	id = sql_values_add(ret);
	id->type = SQL_TEXT;
	buf_puts(&id->bytes, job->change->id);
	return true;
}

/* Was it done before, under this key? */
static bool
ledger_look(struct sql_job *job, struct sql_db *db, bool *ret_known, struct err *err)
{
	const struct sql_driver *driver = job->t->driver;
	AUTO(sql_values_fini) struct sql_values key = {0};
	AUTO(sql_row_fini) struct sql_row row = {0};

	*ret_known = false;
	if (!job->t->ledger)
		return true;
	ledger_values(job, false, &key);
	if (!driver->run(db, driver->make_ledger, NULL, NULL, NULL, err) ||
	    !driver->run(db, driver->find_ledger, &key, &row, NULL, err))
		return err_prefix(err, "ledger");
	*ret_known = row.rows > 0;
	if (row.rows) {
		buf_puts(&job->outcome.receipt, "{\"already\":");
		sql_row_json(&row, NULL, &job->outcome.receipt);
		buf_putc(&job->outcome.receipt, '}');
	}
	return true;
}

static bool
ledger_add(struct sql_job *job, struct sql_db *db, struct err *err)
{
	AUTO(sql_values_fini) struct sql_values values = {0};

	if (!job->t->ledger)
		return true;
	ledger_values(job, true, &values);
	return job->t->driver->run(db, job->t->driver->add_ledger, &values, NULL, NULL, err);
}

/* What is there: into outcome.current, empty when nothing is. */
static bool
current_read(struct sql_job *job, struct sql_db *db, const struct sql_plan *plan,
	     const char *expected, struct err *err)
{
	AUTO(sql_row_fini) struct sql_row row = {0};

	if (!job->t->driver->run(db, buf_cstr(&plan->read), &plan->read_values, &row, NULL, err))
		return err_prefix(err, "read");
	if (row.rows > 1)
		return err_set(err, E_INVALID,
			       "there is more than one row for entity %s; a change is about one",
			       job->change->entity ? job->change->entity : "(none)");
	if (row.rows)
		sql_row_json(&row, expected, &job->outcome.current);
	return true;
}

static bool
plan_make(struct sql_job *job, struct sql_db *db, const char *before, struct sql_plan *ret,
	  struct err *err)
{
	if (job->t->table)
		return sql_table_plan(job->t, db, job->change, before, job->revert, ret, err);
	return sql_statement_plan(job->t, job->change, before, job->revert, ret, err);
}

static void
receipt_write(struct sql_job *job, int64_t rows, const struct sql_row *id)
{
	struct buf *receipt = &job->outcome.receipt;

	buf_printf(receipt, "{\"rows\":%lld", (long long)rows);
	if (job->outcome.current.len) {
		buf_puts(receipt, ",\"before\":");
		buf_add_str(receipt, buf_str(&job->outcome.current));
	}
	if (id->rows && id->cells.count) {
		buf_puts(receipt, ",\"id\":");
		sql_value_json(&id->cells.items[0], receipt);
	}
	buf_putc(receipt, '}');
}

/* Within the transaction; false leaves nothing of it. */
static bool
job_do(struct sql_job *job, struct sql_db *db, struct err *err)
{
	const struct sql_driver *driver = job->t->driver;
	AUTO(sql_plan_fini) struct sql_plan plan = {0};
	AUTO(sql_row_fini) struct sql_row id = {0};
	AUTO(auto_free) char *before = change_before(job->change);
	const char *expected = change_expected(job->change, job->revert);
	const char *hint = job->revert ? change_wanted(job->change) : job->change->before;
	bool known, creates = !strcmp(change_op(job->change, job->revert), "create");
	int64_t rows = 0;

	if (!ledger_look(job, db, &known, err))
		return false;
	if (known) {
		job->outcome.what = TARGET_ALREADY;
		return true;
	}
	if (!plan_make(job, db, before, &plan, err) ||
	    (plan.read.len && !current_read(job, db, &plan, hint, err)))
		return false;
	if (plan.read.len &&
	    change_drifted(expected,
			   job->outcome.current.len ? buf_cstr(&job->outcome.current) : NULL)) {
		job->outcome.what = TARGET_DRIFTED;
		return true;
	}
	if (!driver->run(db, buf_cstr(&plan.text), &plan.values, NULL, &rows, err))
		return false;
	if (!rows && plan.needs_row)
		return err_set(err, E_NOT_FOUND,
			       "the statement touched no row: there is none for entity %s",
			       job->change->entity ? job->change->entity : "(none)");
	if (job->t->table && creates && !job->change->entity &&
	    !driver->run(db, "SELECT last_insert_rowid()", NULL, &id, NULL, err))
		return false;
	if (!ledger_add(job, db, err))
		return false;
	crash_point("sql-before-commit");
	if (!driver->commit(db, err))
		return false;
	crash_point("sql-after-commit");
	receipt_write(job, rows, &id);
	buf_clear(&job->outcome.current);
	job->outcome.what = TARGET_DONE;
	return true;
}

static void
job_run(void *arg)
{
	struct sql_job *job = arg;
	struct sql_db *db = NULL;
	struct err *err = &job->outcome.err;

	job->outcome.what = TARGET_FAILED;
	if (!job->t->driver->open(job->t->where, false, job->t->timeout_ms, job->t->busy_ms, &db,
				  err))
		return;
	if (!job->t->driver->begin(db, err) || !job_do(job, db, err))
		buf_clear(&job->outcome.current);
	job->t->driver->close(db);
}

static void
job_on_done(void *arg)
{
	struct sql_job *job = arg;

	outcome_give(&job->outcome);
	outcome_fini(&job->outcome);
	free(job);
}

static void
target_apply(struct core *core, const struct target *target, const struct change_row *change,
	     bool revert, target_on_done *on_done, void *arg)
{
	struct sql_job *job = mem_alloc(sizeof(*job));

	outcome_init(&job->outcome, core, on_done, arg);
	job->t = target->state;
	job->change = change;
	job->revert = revert;
	if (!work_submit(core->work, job_run, job_on_done, job, &job->outcome.err))
		outcome_later(&job->outcome, job_on_done, job);
}

const struct target_kind sql_target_kind = {
	.name = "sql",
	.table = &sql_table,
	.open = target_open,
	.close = target_close,
	.check = target_check,
	.apply = target_apply,
};
