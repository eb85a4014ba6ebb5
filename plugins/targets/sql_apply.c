/* SQL targets: changes done, many in one transaction, with the keys that say they were. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/sql.h"

#include <string.h>

#include "base/os.h"
#include "io/work.h"
#include "plugins/targets/outcome.h"

/* A connection that nothing came for is closed: the file may be another's tomorrow. */
#define REST_MS 1000

/* What becomes of one change. */
struct sql_job {
	const struct change_row *change;
	enum target_outcome what;
	struct buf current, receipt; /* JSON; empty: none */
	struct err err;
};

/* Several, on their way together; one is several, too. */
struct sql_work {
	struct core *core;
	struct sql_target *t;
	bool revert;
	struct sql_job *jobs;
	size_t count;
	struct sql_values columns; /* of the table, at the time of the transaction */
	bool careful;		   /* each behind a savepoint */
	struct err err;		   /* of all of them */

	target_on_all_done *on_all_done;
	target_on_done *on_done; /* the one or the other */
	void *arg;
	struct core_timer *timer;
};

void
sql_plan_fini(struct sql_plan *plan)
{
	buf_fini(&plan->read);
	buf_fini(&plan->text);
	sql_values_fini(&plan->read_values);
	sql_values_fini(&plan->values);
}

static void
job_reset(struct sql_job *job)
{
	buf_clear(&job->current);
	buf_clear(&job->receipt);
	err_fini(&job->err);
	job->err = (struct err)ERR_INIT;
	job->what = TARGET_FAILED;
}

/* --- the ledger ---------------------------------------------------------------------------- */

static void
ledger_key(const struct sql_work *work, const struct sql_job *job, struct sql_values *ret)
{
	struct sql_value *key = sql_values_add(ret);

	key->type = SQL_TEXT;
	change_key(job->change, work->revert, &key->bytes);
}

static bool
ledger_make(struct sql_work *work, struct sql_db *db, struct err *err)
{
	const struct sql_driver *driver = work->t->driver;
	AUTO(sql_row_fini) struct sql_row row = {0};

	if (!work->t->ledger)
		return true;
	if (driver->has_ledger && !driver->run(db, driver->has_ledger, NULL, &row, NULL, err))
		return err_prefix(err, "ledger");
	if (row.rows || driver->run(db, driver->make_ledger, NULL, NULL, NULL, err))
		return true;
	/* Another target of the same database makes it at this moment. */
	if (err->code == E_CONFLICT)
		err->code = E_UNAVAILABLE;
	return err_prefix(err, "ledger");
}

static bool
ledger_run(struct sql_work *work, struct sql_job *job, struct sql_db *db, const char *text,
	   const struct sql_values *values, struct sql_row *ret_row, int64_t *ret_changed)
{
	return work->t->driver->run(db, text, values, ret_row, ret_changed, &job->err) ||
	       err_prefix(&job->err, "ledger");
}

/* The key goes in first: a key that is there already was done before. */
static bool
ledger_add(struct sql_work *work, struct sql_job *job, struct sql_db *db, bool *ret_known)
{
	const struct sql_driver *driver = work->t->driver;
	AUTO(sql_values_fini) struct sql_values values = {0};
	AUTO(sql_values_fini) struct sql_values key = {0};
	AUTO(sql_row_fini) struct sql_row row = {0};
	struct sql_value *id;
	int64_t added = 0;

	*ret_known = false;
	if (!work->t->ledger)
		return true;
	ledger_key(work, job, &values);
	id = sql_values_add(&values);
	id->type = SQL_TEXT;
	buf_puts(&id->bytes, job->change->id);
	if (!ledger_run(work, job, db, driver->add_ledger, &values, NULL, &added))
		return false;
	*ret_known = !added;
	if (added)
		return true;
	ledger_key(work, job, &key);
	if (!ledger_run(work, job, db, driver->find_ledger, &key, &row, NULL))
		return false;
	buf_puts(&job->receipt, "{\"already\":");
	sql_row_json(&row, NULL, &job->receipt);
	buf_putc(&job->receipt, '}');
	return true;
}

/* It was not done after all. */
static bool
ledger_drop(struct sql_work *work, struct sql_job *job, struct sql_db *db)
{
	AUTO(sql_values_fini) struct sql_values key = {0};

	if (!work->t->ledger)
		return true;
	ledger_key(work, job, &key);
	return ledger_run(work, job, db, work->t->driver->drop_ledger, &key, NULL, NULL);
}

/* --- one change ---------------------------------------------------------------------------- */

/* What is there: into current, empty when nothing is. *ret_drifted: not what is expected. */
static bool
current_read(struct sql_work *work, struct sql_job *job, struct sql_db *db,
	     const struct sql_plan *plan, bool *ret_drifted)
{
	const char *expected = change_expected(job->change, work->revert);
	const char *hint = work->revert ? change_wanted(job->change) : job->change->before;
	AUTO(sql_row_fini) struct sql_row row = {0};
	bool plain;

	*ret_drifted = false;
	if (!plan->read.len)
		return true;
	if (!work->t->driver->run(db, buf_cstr(&plan->read), &plan->read_values, &row, NULL,
				  &job->err))
		return err_prefix(&job->err, "read");
	if (row.rows > 1)
		return err_set(&job->err, E_INVALID,
			       "there is more than one row for entity %s; a change is about one",
			       job->change->entity ? job->change->entity : "(none)");
	plain = row.rows && sql_row_is(&row, expected);
	if (row.rows)
		sql_row_json(&row, plain ? NULL : hint, &job->current);
	*ret_drifted =
		!plain && change_drifted(expected, row.rows ? buf_cstr(&job->current) : NULL);
	return true;
}

static bool
plan_make(struct sql_work *work, struct sql_job *job, const char *before, struct sql_plan *ret)
{
	if (work->t->table)
		return sql_table_plan(work->t, &work->columns, job->change, before, work->revert,
				      ret, &job->err);
	return sql_statement_plan(work->t, job->change, before, work->revert, ret, &job->err);
}

static void
receipt_write(struct sql_job *job, int64_t rows, const struct sql_row *id)
{
	struct buf *receipt = &job->receipt;

	buf_printf(receipt, "{\"rows\":%lld", (long long)rows);
	if (job->current.len) {
		buf_puts(receipt, ",\"before\":");
		buf_add_str(receipt, buf_str(&job->current));
	}
	if (id->rows && id->cells.count) {
		buf_puts(receipt, ",\"id\":");
		sql_value_json(&id->cells.items[0], receipt);
	}
	buf_putc(receipt, '}');
}

static bool
statement_run(struct sql_work *work, struct sql_job *job, struct sql_db *db,
	      const struct sql_plan *plan)
{
	const struct sql_driver *driver = work->t->driver;
	AUTO(sql_row_fini) struct sql_row id = {0};
	int64_t rows = 0;

	if (!driver->run(db, buf_cstr(&plan->text), &plan->values,
			 plan->gives_id && !driver->last_id ? &id : NULL, &rows, &job->err))
		return false;
	if (!rows && plan->needs_row) {
		job->what = TARGET_DRIFTED;
		if (!plan->read.len)
			err_set(&job->err, E_DRIFT,
				"the statement touched no row: there is none for entity %s, as it "
				"was proposed; nothing was %s",
				job->change->entity ? job->change->entity : "(none)",
				work->revert ? "reverted" : "applied");
		return true;
	}
	if (plan->gives_id && driver->last_id &&
	    !driver->run(db, driver->last_id, NULL, &id, NULL, &job->err))
		return false;
	receipt_write(job, rows, &id);
	return true;
}

/* Within the transaction. False: job->err, and nothing of it may stay. *ret_clean: nothing is left
 * of it, and no statement of it failed. */
static bool
job_do(struct sql_work *work, struct sql_job *job, struct sql_db *db, bool *ret_clean)
{
	AUTO(sql_plan_fini) struct sql_plan plan = {0};
	AUTO(auto_free) char *before = change_before(job->change);
	bool known, drifted;

	*ret_clean = false;
	if (!ledger_add(work, job, db, &known))
		return false;
	if (known) {
		job->what = TARGET_ALREADY;
		return true;
	}
	if (!plan_make(work, job, before, &plan)) {
		AUTO(err_fini) struct err why = ERR_INIT;

		err_move(&why, &job->err);
		*ret_clean = ledger_drop(work, job, db);
		if (*ret_clean)
			err_move(&job->err, &why);
		return false;
	}
	if (!current_read(work, job, db, &plan, &drifted))
		return false;
	if (drifted) {
		job->what = TARGET_DRIFTED;
		return ledger_drop(work, job, db);
	}
	if (!statement_run(work, job, db, &plan))
		return false;
	if (job->what == TARGET_DRIFTED)
		return ledger_drop(work, job, db);
	job->what = TARGET_DONE;
	return true;
}

/* --- all of them --------------------------------------------------------------------------- */

enum pass {
	PASS_DONE,
	PASS_FAILED, /* all of it, work->err: nothing was done */
	PASS_CAREFUL /* something did not go well: once more, so that it harms no other */
};

static const char savepoint[] = "SAVEPOINT rouse_change", release[] = "RELEASE rouse_change",
		  undo[] = "ROLLBACK TO rouse_change";

static bool
simple(struct sql_work *work, struct sql_db *db, const char *text)
{
	return work->t->driver->run(db, text, NULL, NULL, NULL, &work->err);
}

/* One behind its savepoint. False: the transaction is no more (work->err). */
static bool
job_guarded(struct sql_work *work, struct sql_job *job, struct sql_db *db)
{
	bool clean;

	if (!simple(work, db, savepoint))
		return false;
	if (job_do(work, job, db, &clean))
		return simple(work, db, release);
	job->what = TARGET_FAILED;
	/* What may pass is the database's trouble, not this change's: none of them goes on. */
	if (err_again(job->err.code))
		return err_set(&work->err, job->err.code, "%s", err_text(&job->err));
	return simple(work, db, undo) && simple(work, db, release);
}

static enum pass
jobs_do(struct sql_work *work, struct sql_db *db, struct sql_job *jobs, size_t count)
{
	bool clean;

	for (size_t i = 0; i < count; i++) {
		struct sql_job *job = &jobs[i];

		job_reset(job);
		if (work->careful) {
			if (!job_guarded(work, job, db))
				return PASS_FAILED;
			continue;
		}
		if (job_do(work, job, db, &clean) || clean)
			continue;
		if (!err_again(job->err.code))
			return PASS_CAREFUL;
		err_set(&work->err, job->err.code, "%s", err_text(&job->err));
		return PASS_FAILED;
	}
	return PASS_DONE;
}

static enum pass
transaction_do(struct sql_work *work, struct sql_db *db, struct sql_job *jobs, size_t count)
{
	const struct sql_driver *driver = work->t->driver;
	enum pass pass;

	sql_values_fini(&work->columns);
	if (!driver->begin(db, &work->err) || !ledger_make(work, db, &work->err) ||
	    (work->t->table && !driver->columns(db, work->t->table, &work->columns, &work->err)))
		return PASS_FAILED;
	pass = jobs_do(work, db, jobs, count);
	if (pass != PASS_DONE)
		return pass;
	crash_point("sql-before-commit");
	if (!driver->commit(db, &work->err))
		/* What is only checked at the end: by itself it tells which of them it is. */
		return count > 1 && !err_again(work->err.code) ? PASS_CAREFUL : PASS_FAILED;
	crash_point("sql-after-commit");
	return PASS_DONE;
}

static void
jobs_fail(struct sql_work *work, struct sql_job *jobs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		job_reset(&jobs[i]);
		err_set(&jobs[i].err, work->err.code, "%s", err_text(&work->err));
	}
}

static void
work_again(struct sql_work *work, struct sql_db *db)
{
	work->t->driver->rollback(db, NULL);
	err_fini(&work->err);
	work->err = (struct err)ERR_INIT;
}

/* In one transaction; where one of them spoils it, behind savepoints; where even that does not
 * help, one by one. */
static void
work_do(struct sql_work *work, struct sql_db *db)
{
	enum pass pass = transaction_do(work, db, work->jobs, work->count);

	if (pass == PASS_CAREFUL && work->err.code == E_OK) {
		work_again(work, db);
		work->careful = true;
		pass = transaction_do(work, db, work->jobs, work->count);
	}
	if (pass == PASS_FAILED)
		jobs_fail(work, work->jobs, work->count);
	if (pass != PASS_CAREFUL)
		return;
	for (size_t i = 0; i < work->count; i++) {
		work_again(work, db);
		work->careful = true;
		if (transaction_do(work, db, &work->jobs[i], 1) != PASS_DONE)
			jobs_fail(work, &work->jobs[i], 1);
	}
}

static bool
db_take(struct sql_work *work, struct sql_db **ret)
{
	struct sql_target *t = work->t;

	*ret = TAKE(t->spare);
	if (*ret && t->driver->renew(*ret, t->timeout_ms))
		return true;
	if (*ret)
		t->driver->close(*ret);
	return t->driver->open(t->where, false, t->timeout_ms, t->busy_ms, ret, &work->err);
}

static bool
work_went_well(const struct sql_work *work)
{
	for (size_t i = 0; i < work->count; i++)
		if (err_again(work->jobs[i].err.code))
			return false;
	return true;
}

/* In a thread. */
static void
work_run(void *arg)
{
	struct sql_work *work = arg;
	struct sql_target *t = work->t;
	struct sql_db *db = NULL;

	pthread_mutex_lock(&t->lock);
	if (!db_take(work, &db)) {
		jobs_fail(work, work->jobs, work->count);
	} else {
		work_do(work, db);
		/* What was only read has an end, too. */
		t->driver->rollback(db, NULL);
		if (work_went_well(work))
			t->spare = TAKE(db);
		else
			t->driver->close(db);
	}
	pthread_mutex_unlock(&t->lock);
}

/* --- the way back -------------------------------------------------------------------------- */

static void
on_rest(void *arg)
{
	struct sql_target *t = arg;

	/* Held: somebody has use for it, and this comes again. */
	if (pthread_mutex_trylock(&t->lock))
		return;
	if (t->spare)
		t->driver->close(TAKE(t->spare));
	pthread_mutex_unlock(&t->lock);
}

static void
results_give(struct sql_work *work)
{
	AUTO(auto_free)
	struct target_result *results = mem_alloc_array(work->count, sizeof(*results));
	AUTO(auto_free) struct err *errs = mem_alloc_array(work->count, sizeof(*errs));

	for (size_t i = 0; i < work->count; i++) {
		struct sql_job *job = &work->jobs[i];
		bool drifted = job->what == TARGET_DRIFTED;

		results[i] = (struct target_result){
			.outcome = job->what,
			.current = drifted && job->current.len ? buf_cstr(&job->current) : NULL,
			.receipt = job->receipt.len ? buf_cstr(&job->receipt) : NULL};
		errs[i] = job->err;
	}
	if (work->on_done)
		work->on_done(work->arg, &results[0], &errs[0]);
	else
		work->on_all_done(work->arg, results, errs);
}

static void
work_on_done(void *arg)
{
	struct sql_work *work = arg;

	results_give(work);
	core_timer_arm(work->core, &work->t->rest, REST_MS, on_rest, work->t);
	for (size_t i = 0; i < work->count; i++) {
		buf_fini(&work->jobs[i].current);
		buf_fini(&work->jobs[i].receipt);
		err_fini(&work->jobs[i].err);
	}
	sql_values_fini(&work->columns);
	err_fini(&work->err);
	core_timer_free(work->timer);
	free(work->jobs);
	free(work);
}

static void
work_start(struct sql_work *take_work, const struct target *target,
	   const struct change_row *const *changes)
{
	struct sql_work *work = take_work;

	work->t = target->state;
	work->jobs = mem_alloc_array(work->count, sizeof(*work->jobs));
	for (size_t i = 0; i < work->count; i++) {
		work->jobs[i].change = changes[i];
		work->jobs[i].what = TARGET_FAILED;
	}
	if (work_submit(work->core->work, work_run, work_on_done, work, &work->err))
		return;
	jobs_fail(work, work->jobs, work->count);
	core_timer_arm(work->core, &work->timer, 0, work_on_done, work);
}

void
sql_apply(struct core *core, const struct target *target, const struct change_row *change,
	  bool revert, target_on_done *on_done, void *arg)
{
	struct sql_work *work = mem_alloc(sizeof(*work));

	*work = (struct sql_work){
		.core = core, .revert = revert, .count = 1, .on_done = on_done, .arg = arg};
	work_start(work, target, &change);
}

void
sql_apply_many(struct core *core, const struct target *target,
	       const struct change_row *const *changes, size_t count, bool revert,
	       target_on_all_done *on_done, void *arg)
{
	struct sql_work *work = mem_alloc(sizeof(*work));

	*work = (struct sql_work){
		.core = core, .revert = revert, .count = count, .on_all_done = on_done, .arg = arg};
	work_start(work, target, changes);
}
