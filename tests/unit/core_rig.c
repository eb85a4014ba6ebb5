/* A core to try things on: see core_rig.h. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/os.h"
#include "core/gather.h"
#include "core/metrics.h"
#include "core/rate.h"
#include "core/rollout.h"
#include "core/tables.h"
#include "core/vet.h"
#include "store/internal.h"
#include "tests/fakes/kinds.h"

#define START_MS 1700000000000
#define QUIET_ROUNDS 10000

struct rig rig;
const struct source_kind *const *rig_source_kinds;
struct rig_answer rig_last;
struct buf rig_told;

const char *const rig_conf =
	"[target crm]\nkind = fake\nretry.attempts = 3\nretry.base = 1s\nretry.jitter = none\n"
	"[target other]\nkind = fake\n"
	"[agent a]\nkind = fake\ntargets = crm\nretry.jitter = none\n"
	"[trigger hook]\nsource = fake\nagent = a\n";

/* --- timers of the fake clock: core.c's stay in the library ---------------------------------- */

struct core_timer {
	LIST_ENTRY(core_timer) entry;
	bool armed;
	int64_t at, order;
	void (*fn)(void *arg);
	void *arg;
};
static LIST_HEAD(, core_timer) timers;
static int64_t timer_order;

void
core_timer_arm(struct core *core, struct core_timer **timer, int64_t ms, void (*fn)(void *arg),
	       void *arg)
{
	(void)core;
	if (!*timer) {
		*timer = mem_alloc(sizeof(**timer));
		LIST_INSERT_HEAD(&timers, *timer, entry);
	}
	(*timer)->armed = true;
	(*timer)->at = rig.mono_ms + (ms > 0 ? ms : 0);
	(*timer)->order = timer_order++;
	(*timer)->fn = fn;
	(*timer)->arg = arg;
}

void
core_timer_stop(struct core_timer *timer)
{
	if (timer)
		timer->armed = false;
}

void
core_timer_free(struct core_timer *timer)
{
	if (!timer)
		return;
	LIST_REMOVE(timer, entry);
	free(timer);
}

static struct core_timer *
timer_first(int64_t until)
{
	struct core_timer *timer, *first = NULL;

	LIST_FOREACH (timer, &timers, entry)
		if (timer->armed && timer->at <= until &&
		    (!first || timer->at < first->at ||
		     (timer->at == first->at && timer->order < first->order)))
			first = timer;
	return first;
}

/* Those that are due now, not those that they arm. */
static bool
timers_fire(void)
{
	int64_t before = timer_order;
	struct core_timer *timer;
	bool any = false;

	while ((timer = timer_first(rig.mono_ms)) && timer->order < before) {
		timer->armed = false;
		timer->fn(timer->arg);
		any = true;
	}
	return any;
}

/* --- the house -------------------------------------------------------------------------------- */

static struct wall
rig_wall(struct clock *clock UNUSED)
{
	return (struct wall){rig.wall_ms};
}

static struct mono
rig_mono(struct clock *clock UNUSED)
{
	return (struct mono){rig.mono_ms};
}

static bool
rig_commit(struct driver_conn *conn, struct err *err)
{
	if (rig.fail_commits > 0) {
		rig.fail_commits--;
		return err_set(err, E_FULL, "no space left on the disk");
	}
	return driver_sqlite.commit(conn, err);
}

static const char *
rig_path(const char *name)
{
	static struct buf path;

	buf_clear(&path);
	buf_printf(&path, "%s/%s", rig.dir, name);
	return buf_cstr(&path);
}

static struct registry *
rig_load(const char *conf)
{
	static struct conf_schema schema;
	struct conf_report *report = conf_report_new();
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct registry *registry = NULL;
	struct conf *loaded;

	registry_set_kinds(rig_source_kinds ? rig_source_kinds : fake_source_kinds,
			   fake_agent_kinds, fake_target_kinds);
	notify_set_kinds(fake_notify_kinds);
	entities_set_kinds(fake_entity_kinds);
	if (!schema.count)
		registry_schema(&schema);
	if (conf && !os_write_file(rig_path("rouse.conf"), str_of(conf), 0600, NULL))
		abort();
	loaded = conf_load(&schema, rig_path("rouse.conf"), NULL, 0, report);
	if (loaded)
		registry = registry_new(loaded, NULL, report);
	conf_unref(loaded);
	conf_report_print(report, &text);
	if (text.len)
		printf("# %s", buf_cstr(&text));
	conf_report_free(report);
	return registry;
}

static void
rig_open(const char *conf)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct core *core = &rig.core;

	*core = (struct core){
		.clock = &rig.clock, .state_dir = rig.dir, .version = "test", .boot = rig.boot};
	core->registry = rig_load(conf);
	if (!core->registry || !store_open(rig_path("rouse.db"), &core->store, &err)) {
		printf("Bail out! %s\n", err_text(&err));
		exit(99);
	}
	rig.driver = driver_sqlite;
	rig.driver.commit = rig_commit;
	core->store->driver = &rig.driver;
	core->stream = stream_new(core);
	core->metrics = metrics_new();
	core->queue = queue_new(core);
	core->attempts = attempts_new(core);
	core->apply = apply_new(core);
	core->vets = vets_new(core);
	core->ledger = ledger_new(core);
	core->gather = gather_new(core);
	core->batches = batches_new(core);
	core->rollouts = rollouts_new(core);
	core->breakers = breakers_new(core);
	core->vigil = vigil_new(core);
	core->notify = notify_new(core);
	core->sources = sources_new(core);
	core->switches = switches_new(core, &err);
	notify_reload(core);
	if (!ledger_load(core, &err) || !breakers_load(core, &err) ||
	    !queue_load(core->queue, &err) || !attempts_adopt_all(core, &err) ||
	    !apply_load(core->apply, &err) || !gather_load(core, &err) ||
	    !batches_load(core, &err) || !rollouts_load(core, &err) || !vets_load(core, &err)) {
		printf("Bail out! %s\n", err_text(&err));
		exit(99);
	}
	halt_enforce(core);
	sources_reload(core->sources, NULL, NULL, NULL, NULL);
	agents_feed();
	rig_run();
}

/* What waits for the end of a turn is dropped with the store, and its arguments with it: leaks are
 * those of a daemon that is killed. So turns are ended first, failing. */
static void
rig_close(void)
{
	struct core *core = &rig.core;

	rig.fail_commits = 1;
	turn_end(core->store);
	rig.fail_commits = 0;
	jail_gives_up();
	rig.fail_commits = 2;
	turn_end(core->store);
	rig.fail_commits = 0;
	batches_free(core->batches);
	core->batches = NULL;
	sources_free(core->sources);
	attempts_free(core->attempts);
	apply_free(core->apply);
	vets_free(core->vets);
	queue_free(core->queue);
	ledger_free(core->ledger);
	breakers_free(core->breakers);
	vigil_free(core->vigil);
	notify_free(core->notify);
	gather_free(core->gather);
	rollouts_free(core->rollouts);
	switches_free(core->switches);
	stream_free(core->stream);
	metrics_free(core->metrics);
	rate_free_all(core);
	registry_unref(core->registry);
	core->store->driver = &driver_sqlite;
	store_close(core->store);
	calls_give_up();
	mails_give_up(false);
}

void
rig_init(const char *conf)
{
	rig = (struct rig){
		.clock = {rig_wall, rig_mono}, .wall_ms = START_MS, .mono_ms = 1000, .boot = 1};
	snprintf(rig.dir, sizeof(rig.dir), "/tmp/rouse-core-XXXXXX");
	if (!mkdtemp(rig.dir))
		abort();
	log_setup(getenv("ROUSE_TEST_LOG") ? LOG_INFO : LOG_ERROR, LOG_TEXT);
	rig_target_auto = TARGET_DONE;
	rig_start_fails = E_OK;
	rig_entities_mended = false;
	rig_sources_started = rig_sources_stopped = 0;
	rig_open(conf ? conf : rig_conf);
}

void
rig_fini(void)
{
	rig_close();
	kinds_forget();
	mails_give_up(true);
	rig_mail_auto = true;
	rig_mail_fails = 0;
	buf_fini(&rig_told);
	rig_told = (struct buf)BUF_INIT;
	os_remove_tree(rig.dir, NULL);
}

void
rig_restart(const char *conf)
{
	rig_close();
	rig_open(conf);
}

bool
rig_reload(const char *conf)
{
	struct registry *old = rig.core.registry, *fresh = rig_load(conf);

	if (!fresh)
		return false;
	rig.core.registry = fresh;
	sources_reload(rig.core.sources, old, NULL, NULL, NULL);
	ledger_reload(&rig.core);
	breakers_reload(&rig.core);
	vigil_reload(&rig.core);
	notify_reload(&rig.core);
	gather_reload(&rig.core);
	batches_reload(&rig.core);
	registry_unref(old);
	queue_wake(rig.core.queue, NULL);
	apply_wake(rig.core.apply, NULL);
	rig_run();
	return true;
}

bool
rig_step(void)
{
	bool any = turn_is_due(rig.core.store);

	turn_end(rig.core.store);
	any |= timers_fire();
	any |= jail_answers(false);
	any |= mails_answer();
	return calls_answer() || any;
}

void
rig_sql(const char *sql)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	assert(!turn_is_open(rig.core.store));
	if (!driver_sqlite.script(rig.core.store->conn, sql, &err))
		printf("# %s: %s\n", sql, err_text(&err));
}

void
rig_run(void)
{
	for (int i = 0; i < QUIET_ROUNDS; i++) {
		bool any = timers_fire();

		any |= jail_answers(false);
		any |= calls_answer();
		any |= mails_answer();
		any |= turn_is_due(rig.core.store);
		turn_end(rig.core.store);
		if (!any)
			return;
	}
	printf("# it never becomes quiet\n");
	abort();
}

void
rig_pass(int64_t ms)
{
	int64_t until = rig.mono_ms + ms;
	struct core_timer *timer;

	rig_run();
	while ((timer = timer_first(until))) {
		rig.wall_ms += timer->at - rig.mono_ms;
		rig.mono_ms = timer->at;
		rig_run();
	}
	rig.wall_ms += until - rig.mono_ms;
	rig.mono_ms = until;
	rig_run();
}

const struct trigger *
rig_trigger(const char *name)
{
	return registry_trigger(rig.core.registry, name);
}

/* --- looking ---------------------------------------------------------------------------------- */

void
rig_jail_go(void)
{
	jail_answers(true);
	rig_run();
}

static bool
rig_ask(const char *sql, struct buf *ret)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct driver_conn *conn;
	struct driver_stmt *stmt;
	bool found = false;

	if (!driver_sqlite.open(rig_path("rouse.db"), DRIVER_READ, &conn, &err)) {
		printf("# %s\n", err_text(&err));
		return false;
	}
	if (driver_sqlite.prepare(conn, sql, &stmt, &err)) {
		found = driver_sqlite.step(conn, stmt, &err) == STEP_ROW &&
			!driver_sqlite.column_is_null(stmt, 0);
		if (found)
			buf_add_str(ret, driver_sqlite.column_text(stmt, 0));
		driver_sqlite.finalize(stmt);
	}
	if (err.code != E_OK)
		printf("# %s: %s\n", sql, err_text(&err));
	driver_sqlite.close(conn, true);
	return found;
}

const char *
rig_text(const char *sql)
{
	static struct buf texts[8];
	static unsigned next;
	struct buf *text = &texts[next++ % ARRAY_LEN(texts)];

	buf_clear(text);
	return rig_ask(sql, text) ? buf_cstr(text) : NULL;
}

int64_t
rig_int(const char *sql)
{
	const char *text = rig_text(sql);
	int64_t n = -999;

	if (text)
		str_to_i64(str_of(text), &n);
	return n;
}

/* --- asking ----------------------------------------------------------------------------------- */

static void
on_admitted(void *arg, const struct admission_result *result, const struct err *err)
{
	(void)arg;
	rig_last.calls++;
	rig_last.code = err->code;
	rig_last.has_result = result != NULL;
	if (!result)
		return;
	snprintf(rig_last.outcome, sizeof(rig_last.outcome), "%s", result->outcome);
	snprintf(rig_last.rule, sizeof(rig_last.rule), "%s", result->rule);
	snprintf(rig_last.run_id, sizeof(rig_last.run_id), "%s", result->run_id);
	snprintf(rig_last.event_id, sizeof(rig_last.event_id), "%s", result->event_id);
	snprintf(rig_last.run_status, sizeof(rig_last.run_status), "%s",
		 result->run_status ? result->run_status : "");
	rig_last.replayed = result->replayed;
}

struct rig_answer
rig_admit(struct happening happening)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	rig_last = (struct rig_answer){.calls = 0};
	if (!admit_event(&rig.core, &happening, on_admitted, NULL, &err))
		rig_last.code = err.code;
	else if (rig_last.calls)
		printf("# answered from within\n");
	rig_run();
	return rig_last;
}

struct rig_answer
rig_event(const char *trigger, const char *data, const char *key)
{
	return rig_admit((struct happening){.trigger = rig_trigger(trigger),
					    .data = str_of(data ? data : "null"),
					    .natural_key = key ? str_of(key) : (struct str){0}});
}

struct rig_answer
rig_invoke(const char *agent, const char *data, const char *key, uint64_t print)
{
	return rig_admit((struct happening){.agent = registry_agent(rig.core.registry, agent),
					    .data = str_of(data ? data : "null"),
					    .fingerprint = print,
					    .natural_key = key ? str_of(key) : (struct str){0}});
}

static void
on_told(void *arg, const struct stream_event *event)
{
	(void)arg;
	buf_printf(&rig_told, "%s/%s ", event->kind, event->type);
}

void
rig_follow(void)
{
	stream_subscribe(rig.core.stream, NULL, on_told, NULL);
}
