/* A core to try things on: see core_rig.h. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/os.h"
#include "core/metrics.h"
#include "core/rate.h"
#include "core/tables.h"
#include "io/jail.h"
#include "store/internal.h"

#define START_MS 1700000000000
#define AGENTS_MAX 400
#define CALLS_MAX 400
#define QUIET_ROUNDS 10000

struct rig rig;
struct rig_answer rig_last;
enum err_code rig_start_fails;
int rig_target_auto = TARGET_DONE;
int rig_sources_started, rig_sources_stopped;
struct buf rig_told;

const char *const rig_conf = "[target crm]\nkind = fake\nretry.attempts = 3\nretry.base = 1s\nretry.jitter = none\n"
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

void core_timer_arm(struct core *core, struct core_timer **timer, int64_t ms, void (*fn)(void *arg), void *arg)
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

void core_timer_stop(struct core_timer *timer)
{
	if (timer)
		timer->armed = false;
}

void core_timer_free(struct core_timer *timer)
{
	if (!timer)
		return;
	LIST_REMOVE(timer, entry);
	free(timer);
}

static struct core_timer *timer_first(int64_t until)
{
	struct core_timer *timer, *first = NULL;

	LIST_FOREACH (timer, &timers, entry)
		if (timer->armed && timer->at <= until &&
		    (!first || timer->at < first->at || (timer->at == first->at && timer->order < first->order)))
			first = timer;
	return first;
}

/* Those that are due now, not those that they arm. */
static bool timers_fire(void)
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

/* --- the jail: `give JSON`, `nothing`, `fail`, `wait JSON`, `broken` -------------------------- */

struct question {
	LIST_ENTRY(question) entry;
	char *program;
	jail_on_answer *on_answer;
	void *arg;
};
static LIST_HEAD(, question) questions;

struct jail *jail_new(struct event_base *base UNUSED, const char *program_path UNUSED)
{
	return NULL;
}

void jail_free(struct jail *jail UNUSED)
{
}

int jail_pid(const struct jail *jail UNUSED)
{
	return 0;
}

bool jail_check(struct jail *jail UNUSED, const char *program UNUSED, struct err *err UNUSED)
{
	return true;
}

bool jail_run(struct jail *jail UNUSED, const char *program, struct str input UNUSED, jail_on_answer *on_answer,
	      void *arg, struct err *err)
{
	struct question *question;

	if (!strcmp(program, "broken"))
		return err_set(err, E_FULL, "too much waits");
	question = mem_alloc(sizeof(*question));
	*question = (struct question){.program = mem_strdup(program), .on_answer = on_answer, .arg = arg};
	LIST_INSERT_HEAD(&questions, question, entry);
	return true;
}

static void answer_give(struct question *question, const char *json)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct str output = str_of(json ? json : "");

	LIST_REMOVE(question, entry);
	if (!strcmp(question->program, "fail"))
		err_set(&err, E_INVALID, "cannot index number");
	question->on_answer(question->arg, json ? &output : NULL, json ? 1 : 0, &err);
	free(question->program);
	free(question);
}

static bool jail_answers(bool waiting)
{
	struct question *question, *next;
	bool any = false;

	LIST_FOREACH_SAFE (question, &questions, entry, next) {
		if (!strncmp(question->program, "wait ", 5) != waiting)
			continue;
		answer_give(question, !strncmp(question->program, "give ", 5) || waiting ? question->program + 5 : NULL);
		any = true;
	}
	return any;
}

void rig_jail_go(void)
{
	jail_answers(true);
	rig_run();
}

/* --- agents ----------------------------------------------------------------------------------- */

static struct rig_agent agents[AGENTS_MAX];
static int agent_count;

struct rig_agent *rig_agent(int i)
{
	return i < agent_count ? &agents[i] : NULL;
}

int rig_agents(void)
{
	return agent_count;
}

static void agent_feed(void *arg)
{
	struct rig_agent *agent = arg;
	struct str rest = str_make(agent->out.data + agent->fed, agent->out.len - (size_t)agent->fed), line;

	if (!agent->attempt)
		return;
	while (rest.len) {
		size_t before = rest.len;

		rest = str_split(rest, '\n', &line);
		agent->fed += (int64_t)(before - rest.len);
		attempt_line(agent->attempt, line, false, agent->fed);
	}
	attempt_took(agent->attempt);
}

static bool fake_start(struct attempt *attempt, struct str envelope, struct err *err)
{
	struct rig_agent *agent;

	if (rig_start_fails) {
		enum err_code code = rig_start_fails;

		rig_start_fails = E_OK;
		return err_set(err, code, "the program does not start");
	}
	assert(agent_count < AGENTS_MAX);
	agent = &agents[agent_count++];
	*agent = (struct rig_agent){.attempt = attempt, .envelope = str_dup(envelope)};
	memcpy(agent->id, attempt->id, sizeof(agent->id));
	attempt->executor = mem_strdup("{\"fake\":1}");
	attempt->state = agent;
	return true;
}

static bool fake_adopt(struct attempt *attempt, struct err *err)
{
	for (int i = agent_count - 1; i >= 0; i--) {
		struct rig_agent *agent = &agents[i];

		if (strcmp(agent->id, attempt->id) || agent->gone)
			continue;
		agent->attempt = attempt;
		agent->fed = attempt->now.offset;
		attempt->state = agent;
		return true;
	}
	return err_set(err, E_NOT_FOUND, "no process of attempt %s", attempt->id);
}

static bool fake_send(struct attempt *attempt, struct str line, struct err *err)
{
	struct rig_agent *agent = attempt->state;

	(void)err;
	buf_add_str(&agent->got, line);
	buf_putc(&agent->got, '\n');
	return true;
}

static void fake_cancel(struct attempt *attempt, const char *reason)
{
	struct rig_agent *agent = attempt->state;

	assert(agent);
	snprintf(agent->cancelled, sizeof(agent->cancelled), "%s", reason);
}

static void fake_release(struct attempt *attempt, bool over)
{
	struct rig_agent *agent = attempt->state;

	agent->released += over;
	agent->attempt = NULL;
}

static void fake_rewind(struct attempt *attempt)
{
	struct rig_agent *agent = attempt->state;

	agent->rewinds++;
	agent->fed = attempt->now.offset;
	agent_feed(agent);
}

static const struct conf_table agent_table = {
	.section = "agent", .named = true, .selector = "kind", .value = "fake", .help = "a fake"};
static const struct agent_kind fake_agent = {
	"fake", &agent_table, fake_start, fake_adopt, fake_send, fake_cancel, fake_release, fake_rewind};
static const struct agent_kind *const agent_kinds[] = {&fake_agent, NULL};

void rig_says(struct rig_agent *agent, const char *lines)
{
	buf_puts(&agent->out, lines);
	agent_feed(agent);
	rig_run();
}

void rig_ends(struct rig_agent *agent, struct attempt_end end)
{
	rig_run();
	agent->exited = true;
	if (agent->attempt)
		attempt_exit(agent->attempt, &end);
	rig_run();
}

void rig_exits(struct rig_agent *agent, int code)
{
	rig_ends(agent, (struct attempt_end){.exit_code = code});
}

/* --- targets ---------------------------------------------------------------------------------- */

static struct rig_call calls[CALLS_MAX];
static int call_count;

struct rig_call *rig_call(int i)
{
	return i < call_count ? &calls[i] : NULL;
}

int rig_calls(void)
{
	return call_count;
}

static bool fake_check(const struct target *target, const struct change_row *change, struct err *err)
{
	if (change->after && strstr(change->after, "senseless"))
		return err_set(err, E_INVALID, "target %s cannot do this", target->name);
	return true;
}

static void fake_apply(struct core *core, const struct target *target, const struct change_row *change, bool revert,
		       target_on_done *on_done, void *arg)
{
	(void)core;
	(void)target;
	assert(call_count < CALLS_MAX);
	calls[call_count++] = (struct rig_call){.id = mem_strdup(change->id),
						.key = mem_strdup(change->key),
						.before = mem_strdup(change->before),
						.after = mem_strdup(change->after),
						.revert = revert,
						.on_done = on_done,
						.arg = arg};
}

static void call_answer(struct rig_call *call, enum target_outcome outcome, const char *current, enum err_code code)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	assert(!call->answered);
	call->answered = true;
	if (code != E_OK)
		err_set(&err, code, "the target says no");
	call->on_done(call->arg,
		      &(struct target_result){.outcome = outcome,
					      .current = current,
					      .receipt = outcome == TARGET_DONE ? "{\"etag\":\"7\"}" : NULL},
		      &err);
}

void rig_target_says(struct rig_call *call, enum target_outcome outcome, const char *current, enum err_code code)
{
	call_answer(call, outcome, current, code);
	rig_run();
}

static bool calls_answer(void)
{
	bool any = false;

	for (int i = 0; rig_target_auto >= 0 && i < call_count; i++) {
		if (calls[i].answered)
			continue;
		call_answer(&calls[i], (enum target_outcome)rig_target_auto, NULL,
			    rig_target_auto == TARGET_FAILED ? E_UNAVAILABLE : E_OK);
		any = true;
	}
	return any;
}

static const struct conf_table target_table = {
	.section = "target", .named = true, .selector = "kind", .value = "fake", .help = "a fake"};
static const struct target_kind fake_target = {
	.name = "fake", .table = &target_table, .check = fake_check, .apply = fake_apply};
static const struct target_kind *const target_kinds[] = {&fake_target, NULL};

/* --- sources ---------------------------------------------------------------------------------- */

static const struct source_kind fake_source, fake_cron;

static struct source *source_begin(struct core *core, const struct trigger *trigger, struct err *err)
{
	struct source *source;

	if (!strcmp(trigger->name, "no-start")) {
		err_set(err, E_IO, "cannot be watched");
		return NULL;
	}
	source = mem_alloc(sizeof(*source));
	source_init(source, core, trigger->kind, trigger->name);
	rig_sources_started++;
	return source;
}

static void source_end(struct source *source)
{
	source_fini(source);
	free(source);
	rig_sources_stopped++;
}

static const struct conf_key source_keys[] = {{"path", CONF_STRING, .help = "anything"}};
static const struct conf_table source_table = {.section = "trigger",
					       .named = true,
					       .selector = "source",
					       .value = "fake",
					       .keys = source_keys,
					       .count = 1,
					       .help = "a fake"};
static const struct conf_table cron_table = {.section = "trigger",
					     .named = true,
					     .selector = "source",
					     .value = "cron",
					     .keys = source_keys,
					     .count = 1,
					     .help = "a fake"};
static const struct conf_table *const source_tables[] = {&source_table, NULL};
static const struct conf_table *const cron_tables[] = {&cron_table, NULL};
static const struct source_kind fake_source = {
	.name = "fake", .tables = source_tables, .trust = TRUST_AUTHENTICATED, .start = source_begin, .stop = source_end};
static const struct source_kind fake_cron = {
	.name = "cron", .tables = cron_tables, .trust = TRUST_TRUSTED, .start = source_begin, .stop = source_end};
static const struct source_kind *const source_kinds[] = {&fake_source, &fake_cron, NULL};

const struct trigger *rig_trigger(const char *name)
{
	return registry_trigger(rig.core.registry, name);
}

/* --- the house -------------------------------------------------------------------------------- */

static struct wall rig_wall(struct clock *clock UNUSED)
{
	return (struct wall){rig.wall_ms};
}

static struct mono rig_mono(struct clock *clock UNUSED)
{
	return (struct mono){rig.mono_ms};
}

static bool rig_commit(struct driver_conn *conn, struct err *err)
{
	if (rig.fail_commits > 0) {
		rig.fail_commits--;
		return err_set(err, E_FULL, "no space left on the disk");
	}
	return driver_sqlite.commit(conn, err);
}

static const char *rig_path(const char *name)
{
	static struct buf path;

	buf_clear(&path);
	buf_printf(&path, "%s/%s", rig.dir, name);
	return buf_cstr(&path);
}

static struct registry *rig_load(const char *conf)
{
	static struct conf_schema schema;
	struct conf_report *report = conf_report_new();
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct registry *registry = NULL;
	struct conf *loaded;

	registry_set_kinds(source_kinds, agent_kinds, target_kinds);
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

static void rig_open(const char *conf)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct core *core = &rig.core;

	*core = (struct core){.clock = &rig.clock, .state_dir = rig.dir, .version = "test"};
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
	core->sources = sources_new(core);
	core->switches = switches_new(core, &err);
	if (!queue_load(core->queue, &err) || !attempts_adopt_all(core, &err) || !apply_load(core->apply, &err)) {
		printf("Bail out! %s\n", err_text(&err));
		exit(99);
	}
	sources_reload(core->sources, NULL, NULL, NULL, NULL);
	for (int i = 0; i < agent_count; i++)
		agent_feed(&agents[i]);
	rig_run();
}

/* What waits for the end of a turn is dropped with the store, and its arguments with it: leaks are
 * those of a daemon that is killed. So turns are ended first, failing. */
static void rig_close(void)
{
	struct core *core = &rig.core;

	rig.fail_commits = 1;
	turn_end(core->store);
	rig.fail_commits = 0;
	while (!LIST_EMPTY(&questions))
		answer_give(LIST_FIRST(&questions), "null");
	rig.fail_commits = 2;
	turn_end(core->store);
	rig.fail_commits = 0;
	sources_free(core->sources);
	attempts_free(core->attempts);
	apply_free(core->apply);
	queue_free(core->queue);
	switches_free(core->switches);
	stream_free(core->stream);
	metrics_free(core->metrics);
	rate_free_all(core);
	registry_unref(core->registry);
	core->store->driver = &driver_sqlite;
	store_close(core->store);
	for (int i = 0; i < call_count; i++)
		calls[i].answered = true;
}

void rig_init(const char *conf)
{
	rig = (struct rig){.clock = {rig_wall, rig_mono}, .wall_ms = START_MS, .mono_ms = 1000};
	snprintf(rig.dir, sizeof(rig.dir), "/tmp/rouse-core-XXXXXX");
	if (!mkdtemp(rig.dir))
		abort();
	log_setup(getenv("ROUSE_TEST_LOG") ? LOG_INFO : LOG_ERROR, LOG_TEXT);
	rig_target_auto = TARGET_DONE;
	rig_start_fails = E_OK;
	rig_sources_started = rig_sources_stopped = 0;
	rig_open(conf ? conf : rig_conf);
}

static void world_forget(void)
{
	for (int i = 0; i < agent_count; i++) {
		free(agents[i].envelope);
		buf_fini(&agents[i].out);
		buf_fini(&agents[i].got);
	}
	agent_count = 0;
	for (int i = 0; i < call_count; i++) {
		free(calls[i].id);
		free(calls[i].key);
		free(calls[i].before);
		free(calls[i].after);
	}
	call_count = 0;
	buf_fini(&rig_told);
	rig_told = (struct buf)BUF_INIT;
}

void rig_fini(void)
{
	rig_close();
	world_forget();
	os_remove_tree(rig.dir, NULL);
}

void rig_restart(const char *conf)
{
	rig_close();
	rig_open(conf);
}

bool rig_reload(const char *conf)
{
	struct registry *old = rig.core.registry, *fresh = rig_load(conf);

	if (!fresh)
		return false;
	rig.core.registry = fresh;
	sources_reload(rig.core.sources, old, NULL, NULL, NULL);
	registry_unref(old);
	queue_wake(rig.core.queue, NULL);
	apply_wake(rig.core.apply, NULL);
	rig_run();
	return true;
}

bool rig_step(void)
{
	bool any = turn_is_due(rig.core.store);

	turn_end(rig.core.store);
	any |= timers_fire();
	any |= jail_answers(false);
	return calls_answer() || any;
}

void rig_sql(const char *sql)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	assert(!turn_is_open(rig.core.store));
	if (!driver_sqlite.script(rig.core.store->conn, sql, &err))
		printf("# %s: %s\n", sql, err_text(&err));
}

void rig_run(void)
{
	for (int i = 0; i < QUIET_ROUNDS; i++) {
		bool any = timers_fire();

		any |= jail_answers(false);
		any |= calls_answer();
		any |= turn_is_due(rig.core.store);
		turn_end(rig.core.store);
		if (!any)
			return;
	}
	printf("# it never becomes quiet\n");
	abort();
}

void rig_pass(int64_t ms)
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

/* --- looking ---------------------------------------------------------------------------------- */

static bool rig_ask(const char *sql, struct buf *ret)
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
		found = driver_sqlite.step(conn, stmt, &err) == STEP_ROW && !driver_sqlite.column_is_null(stmt, 0);
		if (found)
			buf_add_str(ret, driver_sqlite.column_text(stmt, 0));
		driver_sqlite.finalize(stmt);
	}
	if (err.code != E_OK)
		printf("# %s: %s\n", sql, err_text(&err));
	driver_sqlite.close(conn, true);
	return found;
}

const char *rig_text(const char *sql)
{
	static struct buf texts[8];
	static unsigned next;
	struct buf *text = &texts[next++ % ARRAY_LEN(texts)];

	buf_clear(text);
	return rig_ask(sql, text) ? buf_cstr(text) : NULL;
}

int64_t rig_int(const char *sql)
{
	const char *text = rig_text(sql);
	int64_t n = -999;

	if (text)
		str_to_i64(str_of(text), &n);
	return n;
}

/* --- asking ----------------------------------------------------------------------------------- */

static void on_admitted(void *arg, const struct admission_result *result, const struct err *err)
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
	snprintf(rig_last.run_status, sizeof(rig_last.run_status), "%s", result->run_status ? result->run_status : "");
	rig_last.replayed = result->replayed;
}

struct rig_answer rig_admit(struct happening happening)
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

struct rig_answer rig_event(const char *trigger, const char *data, const char *key)
{
	return rig_admit((struct happening){.trigger = rig_trigger(trigger),
					    .data = str_of(data ? data : "null"),
					    .natural_key = key ? str_of(key) : (struct str){0}});
}

struct rig_answer rig_invoke(const char *agent, const char *data, const char *key, uint64_t print)
{
	return rig_admit((struct happening){.agent = registry_agent(rig.core.registry, agent),
					    .data = str_of(data ? data : "null"),
					    .fingerprint = print,
					    .natural_key = key ? str_of(key) : (struct str){0}});
}

static void on_told(void *arg, const struct stream_event *event)
{
	(void)arg;
	buf_printf(&rig_told, "%s/%s ", event->kind, event->type);
}

void rig_follow(void)
{
	stream_subscribe(rig.core.stream, NULL, on_told, NULL);
}
