/* Metrics: counters and histograms in memory, printed as Prometheus text. SPEC 15. */
/* SPDX-License-Identifier: MIT */
#include "core/metrics.h"

#include <assert.h>

#include "base/map.h"
#include "core/apply.h"
#include "core/batch.h"
#include "core/bound.h"
#include "core/breakers.h"
#include "core/queue.h"
#include "core/registry.h"
#include "core/source.h"
#include "core/stream.h"
#include "core/telemetry.h"
#include "core/vigil.h"
#include "store/changes.h"
#include "store/runs.h"

/* Series of a family beyond this many are added up under the label "other". Most labels come from
 * configuration; tenants come from payloads, and must not crowd out anything else. */
#define SERIES_MAX 10000
#define TENANTS_MAX 1000
#define BUCKETS 14

static const double bounds[BUCKETS] = {.0005, .001, .0025, .005, .01, .025, .05,
				       .1,    .25,  .5,	   1,	 10,  60,   600};

struct series {
	char *text; /* name{labels */
	size_t family;
	double value; /* counter, or sum */
	uint64_t count, buckets[BUCKETS];
	bool histogram;
	UT_hash_handle hh;
};

/* Every family, its kind and what it says. */
static const struct family {
	const char *name, *type, *help;
	unsigned most; /* series; 0: SERIES_MAX */
} families[] = {
	{"rouse_events_total", "counter", "Events by trigger and the word they ended in."},
	{"rouse_runs_total", "counter", "Runs that ended, by agent, status and reason."},
	{"rouse_run_duration_seconds", "histogram", "Time of the last attempt of a run."},
	{"rouse_event_to_start_seconds", "histogram", "From the event to the start of its agent."},
	{"rouse_tokens_total", "counter", "Tokens that agents used, by agent and kind."},
	{"rouse_cost_usd_total", "counter", "US dollars that agents used, by agent and tenant.",
	 TENANTS_MAX},
	{"rouse_budget_warnings_total", "counter", "Runs that had used 80 % of a limit."},
	{"rouse_budget_refusals_total", "counter",
	 "Runs whose requests to models were refused for a limit."},
	{"rouse_model_requests_total", "counter",
	 "Requests to models, by what their end says of the model: good, bad, silent."},
	{"rouse_model_estimates_total", "counter",
	 "Requests to models that did not say what they used."},
	{"rouse_emissions_total", "counter", "What agents said on topics, by agent."},
	{"rouse_changes_total", "counter", "Changes that reached a status at a target."},
	{"rouse_notifications_total", "counter",
	 "Tries to tell people, by [notify] and outcome: sent, failed, dropped."},
	{"rouse_gate_timeouts_total", "counter", "Questions that nobody answered in time."},
	{"rouse_refused_total", "counter",
	 "Requests that were refused for want of a token or a scope."},
	{"rouse_stalled_total", "counter", "Attempts that were stopped for their silence."},
	{"rouse_telemetry_sent_total", "counter", "Spans and log lines that were taken."},
	{"rouse_telemetry_dropped_total", "counter",
	 "Spans and log lines that will never be told: full, refused, rejected, too_large, "
	 "too_many."},
	{"rouse_cron_lateness_seconds", "histogram", "How late ticks were."},
};

struct metrics {
	struct series *series;
	unsigned counts[ARRAY_LEN(families)]; /* series of each */
};

struct metrics *
metrics_new(void)
{
	return mem_alloc(sizeof(struct metrics));
}

void
metrics_free(struct metrics *metrics)
{
	struct series *series, *next;

	if (!metrics)
		return;
	HASH_ITER (hh, metrics->series, series, next) {
		HASH_DEL(metrics->series, series);
		free(series->text);
		free(series);
	}
	free(metrics);
}

static void
label_add(struct buf *out, const char *name, const char *value)
{
	if (!name)
		return;
	if (out->len && out->data[out->len - 1] != '{')
		buf_putc(out, ',');
	buf_cat(out, name, "=\"");
	for (const char *p = value ? value : ""; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_putc(out, '\\');
		if (*p == '\n')
			buf_puts(out, "\\n");
		else
			buf_putc(out, *p);
	}
	buf_putc(out, '"');
}

/* Up to LABELS_MAX pairs; a name NULL: none. */
#define LABELS_MAX 3
struct labels {
	struct {
		const char *name, *value;
	} pairs[LABELS_MAX];
};

static size_t
family_find(const char *name)
{
	size_t i = 0;

	while (i < ARRAY_LEN(families) && strcmp(families[i].name, name) != 0)
		i++;
	assert(i < ARRAY_LEN(families));
	return i;
}

static void
series_name(struct buf *out, const char *name, const struct labels *labels, bool other)
{
	buf_clear(out);
	buf_cat(out, name, "{");
	for (size_t i = 0; i < LABELS_MAX; i++)
		label_add(out, labels->pairs[i].name, other ? "other" : labels->pairs[i].value);
}

static struct series *
series_of(struct metrics *metrics, const char *name, const struct labels *labels)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct series *series;
	size_t family;

	series_name(&text, name, labels, false);
	HASH_FIND(hh, metrics->series, text.data, text.len, series);
	if (series)
		return series;
	family = family_find(name);
	if (metrics->counts[family] >=
	    (families[family].most ? families[family].most : SERIES_MAX)) {
		series_name(&text, name, labels, true);
		HASH_FIND(hh, metrics->series, text.data, text.len, series);
		if (series)
			return series;
	}
	series = mem_alloc(sizeof(*series));
	series->family = family;
	metrics->counts[family]++;
	series->text = buf_take(&text);
	HASH_ADD_KEYPTR(hh, metrics->series, series->text, strlen(series->text), series);
	return series;
}

void
metrics_count(struct metrics *metrics, const char *name, const char *l1, const char *v1,
	      const char *l2, const char *v2, double by)
{
	if (by)
		series_of(metrics, name, &(struct labels){{{l1, v1}, {l2, v2}}})->value += by;
}

void
metrics_ended(struct metrics *metrics, const char *agent, const char *status, const char *reason)
{
	const struct labels labels = {{{"agent", agent}, {"status", status}, {"reason", reason}}};

	series_of(metrics, "rouse_runs_total", &labels)->value++;
}

void
metrics_observe(struct metrics *metrics, const char *name, const char *l1, const char *v1,
		double seconds)
{
	struct series *series = series_of(metrics, name, &(struct labels){{{l1, v1}}});

	series->histogram = true;
	series->value += seconds;
	series->count++;
	for (int i = 0; i < BUCKETS; i++)
		if (seconds <= bounds[i])
			series->buckets[i]++;
}

static void
histogram_print(const struct series *series, struct buf *out)
{
	const char *labels = strchr(series->text, '{') + 1;
	const char *comma = *labels ? "," : "", *name = families[series->family].name;

	for (int i = 0; i < BUCKETS; i++)
		buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, labels, comma, bounds[i],
			   (unsigned long long)series->buckets[i]);
	buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, labels, comma,
		   (unsigned long long)series->count);
	buf_printf(out, "%s_sum{%s} %.6f\n%s_count{%s} %llu\n", name, labels, series->value, name,
		   labels, (unsigned long long)series->count);
}

static void
families_print(const struct metrics *metrics, struct buf *out)
{
	struct series *series, *next;

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", families[i].name, families[i].help,
			   families[i].name, families[i].type);
		HASH_ITER (hh, metrics->series, series, next) {
			if (series->family != i)
				continue;
			if (series->histogram)
				histogram_print(series, out);
			else
				buf_printf(out, "%s} %.10g\n", series->text, series->value);
		}
	}
}

static void
gauge_head(struct buf *out, const char *name, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void
agents_print(struct core *core, struct buf *out)
{
	gauge_head(out, "rouse_queue_depth", "Runs that wait, by agent.");
	for (size_t i = 0; i < registry_agent_count(core->registry); i++) {
		const char *name = registry_agent_at(core->registry, i)->name;

		buf_printf(out, "rouse_queue_depth{agent=\"%s\"} %lld\n", name,
			   (long long)queue_depth(core->queue, name));
	}
	gauge_head(out, "rouse_in_flight", "Runs that go on, by agent.");
	for (size_t i = 0; i < registry_agent_count(core->registry); i++) {
		const char *name = registry_agent_at(core->registry, i)->name;

		buf_printf(out, "rouse_in_flight{agent=\"%s\"} %d\n", name,
			   queue_in_flight(core->queue, name));
	}
}

static void
breaker_print(struct core *core, enum breaker_scope scope, const char *label, const char *name,
	      struct buf *out)
{
	static const char *const names[BREAKER_SCOPES] = {"breaker_open", "target_breaker_open",
							  "model_breaker_open"};
	struct breaker_view view;

	breakers_look(core, scope, name, &view);
	buf_printf(out, "rouse_%s{%s=\"%s\"} %d\n", names[scope], label, name,
		   view.state != BREAKER_CLOSED);
}

static void
breakers_print(struct core *core, struct buf *out)
{
	const struct conf *conf = registry_conf(core->registry);

	gauge_head(out, "rouse_breaker_open",
		   "1 while an agent is left alone because it failed too often, or tried again.");
	for (size_t i = 0; i < registry_agent_count(core->registry); i++)
		breaker_print(core, BREAKER_AGENT, "agent",
			      registry_agent_at(core->registry, i)->name, out);
	gauge_head(out, "rouse_target_breaker_open",
		   "1 while a target is left alone because it failed too often, or tried again.");
	for (size_t i = 0; i < registry_target_count(core->registry); i++)
		breaker_print(core, BREAKER_TARGET, "target",
			      registry_target_at(core->registry, i)->name, out);
	gauge_head(out, "rouse_model_breaker_open",
		   "1 while a model is left alone because it failed too often, or tried again.");
	for (const struct conf_section *s = conf_next(conf, "model", NULL); s;
	     s = conf_next(conf, "model", s))
		breaker_print(core, BREAKER_MODEL, "model", conf_section_name(s), out);
}

/* With more triggers than this only those that are behind have a line. */
#define LAGS_MAX 1000

static void
lag_print(struct core *core, const struct trigger *trigger, struct buf *out)
{
	struct trigger_state state;

	trigger_state_get(core, trigger, &state);
	buf_puts(out, "rouse_trigger_lag_seconds{");
	label_add(out, "trigger", trigger->name);
	buf_printf(out, "} %.3f\n", (double)state.lag_ms / 1000);
}

static bool
lag_next(void *arg, const char *name)
{
	struct core *core = ((void **)arg)[0];
	const struct trigger *trigger = registry_trigger(core->registry, name);

	if (trigger)
		lag_print(core, trigger, ((void **)arg)[1]);
	return true;
}

static void
lags_print(struct core *core, struct buf *out)
{
	size_t count = registry_trigger_count(core->registry);
	void *both[] = {core, out};

	gauge_head(out, "rouse_trigger_lag_seconds",
		   "How long the oldest item of a trigger waits.");
	for (size_t i = 0; count <= LAGS_MAX && i < count; i++)
		lag_print(core, registry_trigger_at(core->registry, i), out);
	if (count > LAGS_MAX)
		runs_waiting_triggers(core->store, LAGS_MAX, lag_next, both, NULL);
}

static void
triggers_print(struct core *core, struct buf *out)
{
	int64_t counts[HEALTHS] = {0};

	lags_print(core, out);
	gauge_head(out, "rouse_trigger_stale",
		   "1 while a trigger that has stale_after is silent for longer.");
	for (size_t i = 0; i < registry_trigger_count(core->registry); i++) {
		const struct trigger *trigger = registry_trigger_at(core->registry, i);
		enum source_health health = trigger_health(core, trigger);

		counts[health]++;
		if (!trigger->stale_ms)
			continue;
		buf_puts(out, "rouse_trigger_stale{");
		label_add(out, "trigger", trigger->name);
		buf_printf(out, "} %d\n", health == HEALTH_STALE);
	}
	gauge_head(out, "rouse_triggers", "Triggers by health.");
	for (int i = 0; i < HEALTHS; i++)
		buf_printf(out, "rouse_triggers{health=\"%s\"} %lld\n",
			   source_health_name((enum source_health)i), (long long)counts[i]);
}

static bool
change_print(void *arg, const char *status, const char *target, int64_t n)
{
	struct buf *out = arg;

	buf_puts(out, "rouse_changes{");
	label_add(out, "status", status);
	label_add(out, "target", target);
	buf_printf(out, "} %lld\n", (long long)n);
	return true;
}

static void
store_print(struct core *core, struct buf *out)
{
	static const char *const le[] = {"0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005",
					 "0.01",   "0.025",   "0.05",	"0.1",	 "1",	   "+Inf"};
	struct store_stats stats = store_stats(core->store);
	uint64_t sum = 0;

	buf_puts(out, "# HELP rouse_store_commit_seconds Time of a commit, sync included.\n# TYPE "
		      "rouse_store_commit_seconds histogram\n");
	for (size_t i = 0; i < ARRAY_LEN(le); i++) {
		sum += stats.commit_us_buckets[i];
		buf_printf(out, "rouse_store_commit_seconds_bucket{le=\"%s\"} %llu\n", le[i],
			   (unsigned long long)sum);
	}
	buf_printf(out,
		   "rouse_store_commit_seconds_sum %.6f\nrouse_store_commit_seconds_count %llu\n",
		   (double)stats.commit_us_total / 1e6, (unsigned long long)stats.commits);
	gauge_head(out, "rouse_store_commit_batch",
		   "Rows that a commit had, on average since the start.");
	buf_printf(out, "rouse_store_commit_batch %.3f\n",
		   stats.commits ? (double)stats.rows / (double)stats.commits : 0.0);
	gauge_head(out, "rouse_store_full", "1 while the last commit found no space.");
	buf_printf(out, "rouse_store_full %d\n", stats.full);
	gauge_head(out, "rouse_store_bytes", "Size of the database file.");
	buf_printf(out, "rouse_store_bytes %lld\n", (long long)stats.file_bytes);
	gauge_head(out, "rouse_store_used_bytes", "What of it is in use.");
	buf_printf(out, "rouse_store_used_bytes %lld\n", (long long)store_used_bytes(core->store));
	if (bound_max(core)) {
		gauge_head(out, "rouse_store_max_bytes", "Its bound (retention.max_db_size).");
		buf_printf(out, "rouse_store_max_bytes %lld\n", (long long)bound_max(core));
	}
	gauge_head(out, "rouse_store_wal_bytes", "Size of its write-ahead log.");
	buf_printf(out, "rouse_store_wal_bytes %lld\n", (long long)stats.wal_bytes);
}

void
metrics_print(struct core *core, struct buf *out)
{
	struct wall oldest = WALL_NONE, now = core_wall(core);
	int64_t dead = 0;

	families_print(core->metrics, out);
	agents_print(core, out);
	breakers_print(core, out);
	triggers_print(core, out);
	batches_print(core, out);
	runs_oldest_queued(core->store, &oldest, NULL);
	gauge_head(out, "rouse_oldest_queued_seconds", "Age of the run that waits longest.");
	buf_printf(out, "rouse_oldest_queued_seconds %.3f\n",
		   wall_is_set(oldest) ? (double)(now.ms - oldest.ms) / 1000 : 0.0);
	gauge_head(out, "rouse_queue_late",
		   "1 while the oldest waits longer than limits.queued_alarm.");
	buf_printf(out, "rouse_queue_late %d\n", vigil_is_late(core));
	runs_count_dead(core->store, &dead, NULL);
	gauge_head(out, "rouse_dlq_size", "Failed runs that nobody replayed or dropped.");
	buf_printf(out, "rouse_dlq_size %lld\n", (long long)dead);
	gauge_head(out, "rouse_changes", "Changes by status and target.");
	changes_count(core->store, 0, change_print, out, NULL);
	gauge_head(out, "rouse_sse_clients", "Who follows a stream.");
	buf_printf(out, "rouse_sse_clients %d\n", stream_count(core->stream));
	telemetry_print(core, out);
	store_print(core, out);
}
