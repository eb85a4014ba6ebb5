/* A core without rules: a loop, turns that commit or fail as a test says, attempts that are written
 * down. */
/* SPDX-License-Identifier: MIT */
#include "tests/fakes/core.h"

#include <assert.h>
#include <event2/event.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/os.h"
#include "core/endpoint.h"
#include "core/echo.h"
#include "core/notify_kind.h"
#include "core/run.h"
#include "core/trust.h"
#include "core/tables.h"
#include "io/fetch.h"
#include "io/work.h"
#include "plugins/kinds.h"
#include "store/runs.h"

struct fake *fake;

struct after {
	turn_fn *fn;
	void *arg;
};
static struct after *afters;
static size_t after_count;

/* --- what the kinds call ------------------------------------------------------------------- */

struct conf *
registry_conf(const struct registry *registry)
{
	(void)registry;
	return fake->conf;
}

struct registry *
registry_ref(struct registry *registry)
{
	return registry;
}

void
registry_unref(struct registry *registry)
{
	(void)registry;
}

size_t
registry_agent_count(const struct registry *registry)
{
	(void)registry;
	return 0;
}

const struct agent *
registry_agent_at(const struct registry *registry, size_t i)
{
	(void)registry;
	(void)i;
	return NULL;
}

const struct target *
registry_target(const struct registry *registry, const char *name)
{
	(void)registry;
	(void)name;
	return NULL;
}

void
notify_done(struct notify_job *job, const struct notify_result *result, const struct err *err)
{
	(void)job;
	(void)result;
	(void)err;
}

const char *
trust_name(enum trust trust)
{
	return trust == TRUST_UNTRUSTED ? "untrusted" : "trusted";
}

struct attempt_list *
attempts_live(struct core *core)
{
	(void)core;
	return &fake->live;
}

struct attempt *
attempt_find(struct core *core, const char *attempt_id)
{
	struct attempt *attempt;

	(void)core;
	LIST_FOREACH (attempt, &fake->live, entry)
		if (!strcmp(attempt->id, attempt_id))
			return attempt;
	return NULL;
}

bool
endpoint_access(const struct attempt *attempt, struct buf *ret_url, struct buf *ret_key,
		struct err *err)
{
	(void)err;
	buf_puts(ret_url, "http://127.0.0.1:1");
	buf_cat(ret_key, "key-of-", attempt->id);
	return true;
}

static struct fake_attempt *
fake_of(struct attempt *attempt)
{
	return CONTAINER_OF(attempt, struct fake_attempt, attempt);
}

void
attempt_line(struct attempt *attempt, struct str line, bool truncated, int64_t offset_after)
{
	struct fake_attempt *a = fake_of(attempt);

	assert(!attempt->ending);
	if (!a->line_count++)
		a->first_line = clock_mono(attempt->core->clock);
	a->cut_count += truncated;
	if (line.len <= 65536 && a->lines.len < 4 << 20)
		buf_add_str(&a->lines, line);
	else
		buf_printf(&a->lines, "(%zu bytes)", line.len);
	buf_putc(&a->lines, '\n');
	attempt->now.offset = offset_after;
	attempt->progress_dirty = true;
	if (str_eq_cstr(line, STOP_LINE))
		attempt_stop(attempt, "budget_steps", "used 2 steps, and its budget is 1");
}

void
attempt_log(struct attempt *attempt, const char *type, struct str data)
{
	buf_printf(&fake_of(attempt)->logs, "%s %.*s\n", type, STR_ARG(data));
}

int64_t
attempt_time_left_ms(const struct attempt *attempt)
{
	return attempt->run.limits.deadline_ms - attempt->now.run_used.active_ms;
}

static void
on_rewind(void *arg)
{
	struct attempt *attempt = arg;

	attempt->agent->kind->rewind(attempt);
}

static void
on_took(void *arg, const struct err *err)
{
	struct attempt *attempt = arg;
	struct fake_attempt *a = fake_of(attempt);

	attempt->took_pending = false;
	if (err->code == E_OK) {
		attempt->durable = attempt->now;
		a->lines_kept = a->lines.len;
		return;
	}
	attempt->now = attempt->durable;
	buf_truncate(&a->lines, a->lines_kept);
	core_timer_arm(attempt->core, &attempt->progress_timer, 50, on_rewind, attempt);
}

void
attempt_took(struct attempt *attempt)
{
	if (!attempt->progress_dirty)
		return;
	attempt->progress_dirty = false;
	if (attempt->took_pending)
		return;
	attempt->took_pending = true;
	turn_after(attempt->core->store, on_took, attempt);
}

void
attempt_exit(struct attempt *attempt, const struct attempt_end *end)
{
	struct fake_attempt *a = fake_of(attempt);

	assert(!a->ended && !attempt->ending);
	a->ended = attempt->ending = true;
	a->end = *end;
	a->end.reason = mem_strdup(end->reason);
	a->end.text = mem_strdup(end->text);
}

void
attempt_stop(struct attempt *attempt, const char *reason, const char *text)
{
	struct fake_attempt *a = fake_of(attempt);

	(void)text;
	a->cancelled = true;
	attempt->stop_reason = reason;
	attempt->agent->kind->cancel(attempt, reason);
}

enum trust
run_trust(const struct run_row *run)
{
	return run->trust && !strcmp(run->trust, "untrusted") ? TRUST_UNTRUSTED : TRUST_TRUSTED;
}

const char *const *
run_reasons(size_t *ret_count)
{
	static const char *const reasons[] = {"deadline", "budget_steps", "lost"};

	*ret_count = ARRAY_LEN(reasons);
	return reasons;
}

bool
change_intend(struct core *core, const struct change_row *change, const char *receipt,
	      struct err *err)
{
	(void)core;
	(void)change;
	(void)err;
	free(fake->intent);
	fake->intent = mem_strdup(receipt);
	return true;
}

bool
echo_note(struct core *core, const char *path, struct str sha256, struct str cause, struct err *err)
{
	(void)core;
	(void)sha256;
	(void)cause;
	(void)err;
	free(fake->echo);
	fake->echo = mem_strdup(path);
	return true;
}

void
turn_after(struct store *store, turn_fn *fn, void *arg)
{
	(void)store;
	afters = mem_realloc(afters, (after_count + 1) * sizeof(*afters));
	afters[after_count++] = (struct after){fn, arg};
}

static void
turn(struct fake *f)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct after *list = TAKE(afters);
	struct attempt *attempt;
	size_t count = after_count;

	after_count = 0;
	if (!count)
		return;
	f->turns++;
	if (f->fail_turns) {
		f->fail_turns--;
		err_set(&err, E_FULL, "the disk is full");
	}
	LIST_FOREACH (attempt, &f->live, entry)
		if (err.code == E_OK)
			fake_of(attempt)->logs_kept = fake_of(attempt)->logs.len;
		else
			buf_truncate(&fake_of(attempt)->logs, fake_of(attempt)->logs_kept);
	for (size_t i = 0; i < count; i++)
		list[i].fn(list[i].arg, &err);
	free(list);
}

/* Every change is of a run that an event of a chain woke. */
bool
runs_get_seq(struct store *store, int64_t seq, struct run_row *ret, struct err *err)
{
	(void)store;
	if (seq != 7)
		return err_set(err, E_NOT_FOUND, "there is no run %d", (int)seq);
	*ret = (struct run_row){.root = mem_strdup("root-event"),
				.event_id = mem_strdup("its-event"),
				.hops = 2,
				.correlation = mem_strdup("order-9")};
	return true;
}

void
run_row_fini(struct run_row *row)
{
	char *const texts[] = {row->id,		 row->agent,	   row->trigger,  row->intent,
			       row->mode,	 row->root,	   row->event_id, row->key,
			       row->correlation, row->traceparent, row->entity,	  row->user};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
}

/* --- what the tests call ------------------------------------------------------------------- */

void
fake_init(struct fake *f)
{
	struct buf spool = BUF_INIT;

	*f = (struct fake){.core = {.clock = clock_system()}};
	fake = f;
	signal(SIGPIPE, SIG_IGN);
	snprintf(f->dir, sizeof(f->dir), "/tmp/rouse-test-%d-XXXXXX", (int)getpid());
	if (!mkdtemp(f->dir))
		abort();
	buf_printf(&spool, "%s/spool", f->dir);
	f->core.base = event_base_new();
	f->core.work = work_pool_new(f->core.base, 2, 1000);
	f->core.fetch = fetch_pool_new(f->core.base);
	f->core.state_dir = f->dir;
	f->core.spool_root = buf_take(&spool);
	f->core.version = "test";
	LIST_INIT(&f->live);
}

void
fake_fini(struct fake *f)
{
	work_pool_free(f->core.work);
	plugins_fini(&f->core);
	fetch_pool_free(f->core.fetch);
	event_base_free(f->core.base);
	conf_unref(f->conf);
	conf_report_free(f->report);
	os_remove_tree(f->dir, NULL);
	free((char *)f->core.spool_root);
	free(f->intent);
	free(f->echo);
	free(afters);
	afters = NULL;
	after_count = 0;
}

void
fake_clean(pid_t pid)
{
	char pattern[64];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/tmp/rouse-test-%d-*", (int)pid);
	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			os_remove_tree(found.gl_pathv[i], NULL);
	globfree(&found);
}

struct conf *
fake_conf(struct fake *f, const char *text)
{
	static struct conf_schema schema;
	AUTO(buf_fini) struct buf path = BUF_INIT;

	if (!schema.count) {
		tables_add(&schema);
		for (size_t i = 0; plugin_agents[i]; i++)
			conf_schema_add(&schema, plugin_agents[i]->table);
		for (size_t i = 0; plugin_targets[i]; i++)
			conf_schema_add(&schema, plugin_targets[i]->table);
	}
	buf_printf(&path, "%s/rouse.conf", f->dir);
	if (!os_write_file(buf_cstr(&path), str_of(text), 0600, NULL))
		abort();
	conf_report_free(f->report);
	f->report = conf_report_new();
	conf_unref(f->conf);
	f->conf = conf_load(&schema, buf_cstr(&path), NULL, 0, f->report);
	return f->conf;
}

const char *
fake_report(struct fake *f)
{
	static struct buf text;

	buf_clear(&text);
	conf_report_print(f->report, &text);
	return buf_cstr(&text);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

bool
fake_until(struct fake *f, bool (*done)(void *arg), void *arg, int64_t ms)
{
	struct event *tick = event_new(f->core.base, -1, EV_PERSIST, on_tick, NULL);
	int64_t until = clock_mono(f->core.clock).ms + ms;
	struct timeval tv = {.tv_usec = 20000};
	bool ok;

	event_add(tick, &tv);
	while (!(ok = done(arg)) && clock_mono(f->core.clock).ms < until) {
		event_base_loop(f->core.base, EVLOOP_ONCE);
		turn(f);
	}
	event_free(tick);
	f->timed_out |= !ok;
	return ok;
}

static bool
flag_is_set(void *arg)
{
	return *(const bool *)arg;
}

bool
fake_until_true(struct fake *f, const bool *flag, int64_t ms)
{
	return fake_until(f, flag_is_set, (void *)flag, ms);
}

void
fake_idle(struct fake *f, int64_t ms)
{
	bool never = false;
	bool before = f->timed_out;

	fake_until_true(f, &never, ms);
	f->timed_out = before;
}

void
fake_attempt_init(struct fake_attempt *a, struct fake *f, const char *agent, const char *id)
{
	struct run_row *run = &a->attempt.run;

	memset(a, 0, sizeof(*a));
	a->agent.name = agent;
	a->agent.section = conf_section(f->conf, "agent", agent);
	assert(a->agent.section);
	for (size_t i = 0; plugin_agents[i]; i++)
		if (!strcmp(plugin_agents[i]->name, conf_str(a->agent.section, "kind")))
			a->agent.kind = plugin_agents[i];
	a->attempt.core = &f->core;
	a->attempt.agent = &a->agent;
	a->attempt.n = 1;
	snprintf(a->attempt.id, sizeof(a->attempt.id), "%s.1", id);
	a->attempt.started = clock_mono(f->core.clock);
	run->id = mem_strdup(id);
	run->agent = mem_strdup(agent);
	run->trigger = mem_strdup("tickets");
	run->intent = mem_strdup("triage");
	run->mode = mem_strdup("apply");
	run->key = mem_strdup("ticket:1");
	run->correlation = mem_strdup(id);
	run->traceparent = mem_strdup("00-1-2-01");
	run->limits = (struct run_limits){.deadline_ms = 10000, .output_bytes = 16 << 20};
	LIST_INSERT_HEAD(&f->live, &a->attempt, entry);
}

void
fake_attempt_fini(struct fake_attempt *a)
{
	if (a->attempt.state)
		a->agent.kind->release(&a->attempt, a->ended);
	LIST_REMOVE(&a->attempt, entry);
	core_timer_free(a->attempt.progress_timer);
	run_row_fini(&a->attempt.run);
	free(a->attempt.executor);
	free((char *)a->end.reason);
	free((char *)a->end.text);
	buf_fini(&a->lines);
	buf_fini(&a->logs);
}

bool
fake_run(struct fake_attempt *a, const char *envelope, int64_t ms)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!a->agent.kind->start(&a->attempt, str_of(envelope), &err)) {
		printf("# not started: %s\n", err_text(&err));
		return false;
	}
	return fake_until_true(fake, &a->ended, ms);
}

bool
fake_target(struct fake *f, const char *name, struct target *ret)
{
	const struct conf_section *section = conf_section(f->conf, "target", name);

	*ret = (struct target){.name = name, .section = section};
	ret->timeout_ms = conf_ms(section, "timeout");
	for (size_t i = 0; plugin_targets[i]; i++)
		if (!strcmp(plugin_targets[i]->name, conf_str(section, "kind")))
			ret->kind = plugin_targets[i];
	return !ret->kind->open || ret->kind->open(ret, f->report);
}
