/* Telemetry: what waits to be told, and when it goes. SPEC 15, [telemetry]. */
/* SPDX-License-Identifier: MIT */
#include "core/telemetry_inside.h"

#include <inttypes.h>
#include <unistd.h>

#include "core/agent.h"
#include "io/work.h"
#include "pure/traceparent.h"
#include "store/events.h"
#include "store/runs.h"
#include "store/spans.h"

/* Rows that one body may be of; less after a receiver found that too much. */
#define MOST 512
/* How long a step that the store, or the threads, refused waits. */
#define RETRY_MS 1000
#define HOST_MAX 256

static void telemetry_go(void *arg);
static void job_ack(void *arg);

/* --- what threads may know of the configuration -------------------------------------------- */

static void
strings_free(char **strings)
{
	for (size_t i = 0; strings && strings[i]; i++) {
		mem_zero(strings[i], strlen(strings[i]));
		free(strings[i]);
	}
	free(strings);
}

static void
facts_unref(struct span_facts *facts)
{
	if (!facts || --facts->refs)
		return;
	for (size_t i = 0; i < facts->count; i++) {
		free(facts->agents[i].name);
		free(facts->agents[i].provider);
		free(facts->agents[i].model);
	}
	free(facts->agents);
	strings_free(facts->attributes);
	free(facts);
}

/* Kinds of agents differ in their keys. */
static bool
setting_find(const struct conf_section *section, const char *key, struct conf_setting *ret)
{
	for (size_t i = 0; conf_setting(section, i, ret); i++)
		if (!strcmp(ret->name, key))
			return true;
	return false;
}

/* Whose models it asks, as far as its section says. */
static const char *
provider_of(const struct agent *agent)
{
	static const struct {
		const char *word, *provider;
	} words[] = {{"anthropic", "anthropic"},
		     {"openai", "openai"},
		     {"claude", "anthropic"},
		     {"codex", "openai"}};
	struct conf_setting setting;
	const char *output = NULL;

	if (setting_find(agent->section, "output", &setting))
		output = setting.text;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!strcmp(words[i].word, agent->kind->name) ||
		    (output && !strcmp(words[i].word, output)))
			return words[i].provider;
	return "rouse";
}

static const char *
model_of(const struct agent *agent)
{
	struct conf_setting setting;

	if (setting_find(agent->section, "model", &setting))
		return setting.text;
	/* Of several nobody knows which it will be. */
	if (setting_find(agent->section, "models", &setting) && setting.count == 1)
		return setting.items[0];
	return NULL;
}

/* The resource: who speaks. Keys of the conventions, then those that [telemetry] adds. */
static char **
attributes_of(const struct core *core, const struct conf_section *section)
{
	char host[HOST_MAX + 1] = "", **list = NULL;
	const char *name, *value;
	size_t n = 0, own = 0;

	while (conf_below(section, "attribute.", own, &name, &value))
		own++;
	gethostname(host, HOST_MAX);
	list = mem_alloc_array(7 + own * 2, sizeof(*list));
	list[n++] = mem_strdup("service.name");
	list[n++] = mem_strdup(conf_str(section, "service"));
	list[n++] = mem_strdup("service.version");
	list[n++] = mem_strdup(core->version ? core->version : "");
	list[n++] = mem_strdup("host.name");
	list[n++] = mem_strdup(host);
	for (size_t i = 0; conf_below(section, "attribute.", i, &name, &value); i++) {
		list[n++] = mem_strdup(name);
		list[n++] = mem_strdup(value);
	}
	return list;
}

static struct span_facts *
facts_new(const struct core *core, const struct conf_section *section)
{
	struct span_facts *facts = mem_alloc(sizeof(*facts));

	facts->refs = 1;
	facts->count = registry_agent_count(core->registry);
	facts->agents = mem_alloc_array(facts->count + 1, sizeof(*facts->agents));
	for (size_t i = 0; i < facts->count; i++) {
		const struct agent *agent = registry_agent_at(core->registry, i);

		facts->agents[i] =
			(struct span_agent){.name = mem_strdup(agent->name),
					    .provider = mem_strdup(provider_of(agent)),
					    .model = mem_strdup(model_of(agent)),
					    .remote = strcmp(agent->kind->name, "exec") != 0};
	}
	facts->attributes = attributes_of(core, section);
	facts->sample = conf_ratio(section, "sample");
	return facts;
}

/* What is sent along; a secret that cannot be had leaves its header out, and says so. */
static char **
headers_of(const struct conf_section *section)
{
	const char *name, *value;
	size_t count = 0, n = 0;
	char **list;

	while (conf_below(section, "otlp_header.", count, &name, &value))
		count++;
	list = mem_alloc_array(count + 2, sizeof(*list));
	list[n++] = mem_strdup("Content-Type: application/json");
	for (size_t i = 0; conf_below(section, "otlp_header.", i, &name, &value); i++) {
		AUTO(buf_fini) struct buf key = BUF_INIT, line = BUF_INIT;
		AUTO(secrets_fini) struct secrets secrets = SECRETS_INIT;
		AUTO(err_fini) struct err err = ERR_INIT;

		buf_cat(&key, "otlp_header.", name);
		if (!secrets_resolve(section, buf_cstr(&key), &secrets, &err)) {
			log_error("telemetry goes without a header", "error", err_text(&err));
			continue;
		}
		buf_reserve(&line, strlen(name) + secrets.items[0].len + 3);
		buf_cat(&line, name, ": ");
		buf_add_str(&line, secrets.items[0]);
		list[n++] = buf_take(&line);
	}
	return list;
}

/* --- life ---------------------------------------------------------------------------------- */

static void on_line_end(void *arg, enum line_end end);

struct telemetry *
telemetry_new(struct core *core)
{
	struct telemetry *t = mem_alloc(sizeof(*t));

	t->core = core;
	t->most = MOST;
	line_init(&t->line, core, "traces", on_line_end, t);
	t->logs = logs_new(core);
	return t;
}

static void
job_free(struct span_job *job)
{
	if (!job)
		return;
	buf_fini(&job->body);
	err_fini(&job->err);
	facts_unref(job->facts);
	free(job);
}

static void
settings_free(struct telemetry *t)
{
	facts_unref(TAKE(t->facts));
	strings_free(TAKE(t->headers));
	free(TAKE(t->url));
}

void
telemetry_free(struct telemetry *t)
{
	if (!t)
		return;
	logs_free(t->logs);
	line_fini(&t->line);
	core_timer_free(t->timer);
	job_free(t->job);
	settings_free(t);
	free(t);
}

/* Nobody is told any more: whoever begins anew one day does not want the years between. */
static void
forget(struct telemetry *t)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	int64_t event, count;

	core_timer_stop(t->timer);
	t->awake = false;
	if (t->line.busy) {
		line_stop(&t->line);
		job_free(TAKE(t->job));
	}
	if (spans_event(t->core->store, &event, &err) &&
	    spans_count(t->core->store, &count, &err) && (event >= 0 || count) &&
	    !(spans_set_event(t->core->store, -1, &err) &&
	      spans_gone(t->core->store, INT64_MAX, &err)))
		log_warning("spans of before are not forgotten", "error", err_text(&err));
}

/* Where an earlier daemon stood; who is told for the first time hears of what comes from now on. */
static void
recall(struct telemetry *t)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	t->event = -1;
	if (!spans_event(t->core->store, &t->event, &err) ||
	    !spans_count(t->core->store, &t->due, &err))
		log_warning("spans of before are not known", "error", err_text(&err));
	if (t->event >= 0)
		return;
	t->event = events_next_seq(t->core->store) - 1;
	if (!spans_set_event(t->core->store, t->event, &err))
		log_warning("where spans begin is not kept", "error", err_text(&err));
}

void
telemetry_reload(struct core *core)
{
	static const char *const levels[] = {"error", "warning", "info", "debug"};
	struct telemetry *t = core->telemetry;
	const struct conf_section *section =
		conf_section(registry_conf(core->registry), "telemetry", "");
	const char *url = conf_str(section, "otlp_url"), *word = conf_str(section, "logs");
	bool was_on = t->on;
	int level = -1;

	settings_free(t);
	t->on = url && !core->rehearsal && conf_bool(section, "traces");
	if (!url || core->rehearsal) {
		logs_reload(t->logs, -1);
		if (!core->rehearsal)
			forget(t);
		return;
	}
	t->url = mem_strdup(url);
	while (*t->url && t->url[strlen(t->url) - 1] == '/')
		t->url[strlen(t->url) - 1] = '\0';
	t->headers = headers_of(section);
	t->facts = facts_new(core, section);
	t->timeout_ms = conf_ms(section, "otlp_timeout");
	t->delay_ms = conf_ms(section, "otlp_delay");
	t->queue = conf_int(section, "otlp_queue");
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (!strcmp(levels[i], word))
			level = (int)i;
	logs_reload(t->logs, level);
	if (!t->on)
		forget(t);
	else if (!was_on)
		recall(t);
	telemetry_wake(core);
}

/* --- what ends ----------------------------------------------------------------------------- */

bool
telemetry_samples(const struct core *core, const char *trace)
{
	const struct telemetry *t = core->telemetry;

	return !t || !t->on || trace_is_sampled(trace, t->facts->sample);
}

void
telemetry_wake(const struct core *core)
{
	struct telemetry *t = core->telemetry;

	if (!t || !t->on || t->awake)
		return;
	t->awake = true;
	core_timer_arm(t->core, &t->timer, t->drains ? 0 : t->delay_ms, telemetry_go, t);
}

static void
on_added(void *arg, const struct err *err)
{
	if (err->code == E_OK)
		telemetry_wake(arg);
}

static bool
due_add(struct telemetry *t, const struct span_due *due, struct err *err)
{
	if (t->due >= t->queue) {
		line_drop(&t->line, 1, "full",
			  "more waits than telemetry.otlp_queue; what ends now is not told");
		return true;
	}
	if (!spans_add(t->core->store, due, err))
		return false;
	t->due++;
	turn_after(t->core->store, on_added, t->core);
	return true;
}

bool
telemetry_ended(struct core *core, const struct run_row *run, int attempt, bool final,
		struct err *err)
{
	struct telemetry *t = core->telemetry;
	struct traceparent trace;

	if (!t || !t->on || !run->traceparent ||
	    !traceparent_parse(str_of(run->traceparent), &trace) || !(trace.flags & TRACE_SAMPLED))
		return true;
	return due_add(t,
		       &(struct span_due){.run = run->seq,
					  .attempt = attempt,
					  .final = final,
					  .started = WALL_NONE,
					  .ended = WALL_NONE},
		       err);
}

bool
telemetry_tried(struct core *core, const struct change_row *change, bool back, struct wall started,
		const char *status, const char *error, struct err *err)
{
	struct telemetry *t = core->telemetry;

	if (!t || !t->on)
		return true;
	return due_add(t,
		       &(struct span_due){.change = change->seq,
					  .back = back,
					  .started = started,
					  .ended = core_wall(core),
					  .status = status,
					  .error = error},
		       err);
}

/* --- going --------------------------------------------------------------------------------- */

static int64_t
events_waiting(const struct telemetry *t)
{
	return events_next_seq(t->core->store) - 1 - t->event;
}

static bool
is_waiting(const struct telemetry *t)
{
	return t->due > 0 || events_waiting(t) > 0;
}

static void
rest(struct telemetry *t, int64_t ms)
{
	core_timer_arm(t->core, &t->timer, ms, telemetry_go, t);
}

/* One body is through: the next, or none until something ends. */
static void
job_over(struct telemetry *t)
{
	bool more = t->job->more;

	job_free(TAKE(t->job));
	if (t->on && is_waiting(t))
		rest(t, more || t->drains ? 0 : t->delay_ms);
	else
		t->awake = false;
}

static void
on_acked(void *arg, const struct err *err)
{
	struct telemetry *t = arg;

	if (!t->job)
		return;
	if (err->code != E_OK) {
		core_timer_arm(t->core, &t->timer, RETRY_MS, job_ack, t);
		return;
	}
	t->event = t->job->event;
	if (!spans_count(t->core->store, &t->due, NULL))
		t->due = 0;
	job_over(t);
}

/* It was taken, or given up: its rows go, in a turn of their own or with what else is written. */
static void
job_ack(void *arg)
{
	struct telemetry *t = arg;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!t->job)
		return;
	/* What nobody wanted sampled is passed over again after a crash. */
	if (!t->job->spans && !t->job->due) {
		t->event = t->job->event;
		job_over(t);
		return;
	}
	if (turn_savepoint(t->core->store, &err)) {
		if ((!t->job->due || spans_gone(t->core->store, t->job->due, &err)) &&
		    spans_set_event(t->core->store, t->job->event, &err)) {
			turn_release(t->core->store);
			turn_after(t->core->store, on_acked, t);
			return;
		}
		turn_undo(t->core->store);
	}
	core_timer_arm(t->core, &t->timer, RETRY_MS, job_ack, t);
}

static void
on_line_end(void *arg, enum line_end end)
{
	struct telemetry *t = arg;

	if (end == LINE_TOO_LARGE && t->job->rows > 1) {
		t->most = t->job->rows / 2;
		job_free(TAKE(t->job));
		rest(t, 0);
		return;
	}
	if (end == LINE_TOO_LARGE)
		line_drop(&t->line, t->job->spans, "too_large",
			  "the receiver finds one attempt too large");
	else if (end == LINE_TAKEN && t->most < MOST)
		t->most *= 2;
	job_ack(t);
}

static void
on_made(void *arg)
{
	struct span_job *job = arg;
	struct telemetry *t = job->core->telemetry;

	if (!t->on || !t->job) {
		if (t->job == job)
			t->job = NULL;
		job_free(job);
		return;
	}
	if (job->err.code != E_OK) {
		log_warning("spans cannot be read now", "error", err_text(&job->err));
		t->gave_up = t->drains;
		job_free(TAKE(t->job));
		rest(t, t->delay_ms + RETRY_MS);
		return;
	}
	line_drop(&t->line, job->left_out, "too_many",
		  "an attempt with more steps, tools and changes than are told");
	if (job->spans)
		line_send(&t->line, &job->body, job->spans);
	else
		job_ack(t);
}

/* Events beyond the bound are never told; those that came last are. */
static void
events_skip(struct telemetry *t)
{
	int64_t over = events_waiting(t) - t->queue;

	if (over <= 0)
		return;
	line_drop(&t->line, (uint64_t)over, "full",
		  "more waits than telemetry.otlp_queue; the oldest events are not told");
	t->event += over;
}

static void
telemetry_go(void *arg)
{
	struct telemetry *t = arg;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!t->on || t->job)
		return;
	events_skip(t);
	t->job = mem_alloc(sizeof(*t->job));
	*t->job = (struct span_job){
		.core = t->core, .facts = t->facts, .event = t->event, .most = t->most};
	t->facts->refs++;
	if (work_submit(t->core->work, spans_make, on_made, t->job, &err))
		return;
	job_free(TAKE(t->job));
	rest(t, t->delay_ms + RETRY_MS);
}

void
telemetry_look(const struct core *core)
{
	if (core->telemetry)
		logs_look(core->telemetry->logs);
}

void
telemetry_drain(struct core *core, bool drains)
{
	struct telemetry *t = core->telemetry;

	if (!t)
		return;
	t->drains = drains;
	t->gave_up = false;
	if (!drains)
		return;
	logs_flush(t->logs);
	if (t->on && !t->job && is_waiting(t)) {
		t->awake = true;
		rest(t, 0);
	}
}

bool
telemetry_is_busy(const struct core *core)
{
	const struct telemetry *t = core->telemetry;

	if (!t || t->gave_up || t->line.failures || t->logs->line.failures)
		return false;
	return t->job || t->logs->line.busy ||
	       (t->drains && ((t->on && is_waiting(t)) || t->logs->count));
}

void
telemetry_print(const struct core *core, struct buf *out)
{
	const struct telemetry *t = core->telemetry;

	buf_puts(out, "# HELP rouse_telemetry_waiting What is still to be told, by signal.\n"
		      "# TYPE rouse_telemetry_waiting gauge\n");
	buf_printf(out, "rouse_telemetry_waiting{signal=\"traces\"} %" PRId64 "\n",
		   t && t->on ? t->due + events_waiting(t) : 0);
	buf_printf(out, "rouse_telemetry_waiting{signal=\"logs\"} %" PRIu64 "\n",
		   t ? t->logs->count : 0);
}
