/* Source cron: appointments and rhythms, one timer for all of them. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#include "triggers/cron/cron.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/log.h"
#include "core/admit.h"
#include "core/metrics.h"
#include "store/state.h"
#include "triggers/cron/ticks.h"

/* How long a tick that could not be kept waits for its next try. */
#define RETRY_MS 1000

static const struct conf_key keys[] = {
	{"schedule", CONF_STRING, .flags = CONF_REQUIRED,
	 .help = "five, six (seconds first) or seven fields (year last), @daily, @every 90s"},
	{"timezone", CONF_STRING, .help = "IANA zone of the schedule; default UTC"},
	{"catchup", CONF_ENUM, "one", "one|none|all",
	 .help = "what happens to times that were missed"},
	{"catchup_window", CONF_DURATION, "24h", .min = 0, .max = 366LL * 86400000,
	 .help = "missed times older than this are dropped"},
	{"grace", CONF_DURATION, "60s", .min = 0, .max = 86400000,
	 .help = "a start later than this counts as missed"},
	{"overlap", CONF_ENUM, "skip", "queue|queue_one|skip|cancel_other|allow",
	 .help = "what happens while an earlier run is not done"},
	{"jitter", CONF_DURATION, "0s", .min = 0, .max = 86400000,
	 .help = "each tick is delayed by up to this, always the same for one tick"},
	{"start", CONF_STRING, .help = "no tick before this time (RFC 3339)"},
	{"end", CONF_STRING, .help = "no tick at or after this time (RFC 3339)"},
	{"max_runs", CONF_INT, .min = 1, .max = 1000000000, .help = "ticks in all"},
};

static void cron_check(const struct conf_section *section, struct conf_report *report);

static const struct conf_table table = {.section = "trigger",
					.named = true,
					.selector = "source",
					.value = "cron",
					.keys = keys,
					.count = ARRAY_LEN(keys),
					.check = cron_check,
					.help = "a schedule"};
static const struct conf_table *const tables[] = {&table, NULL};

struct tick {
	struct source source; /* first */
	struct cron *cron;
	struct ticks_policy policy;
	int64_t jitter_ms, max_runs, runs;
	struct wall last; /* nominal time handled last */
	struct wall due;  /* when to look again; with jitter */
	struct wall next; /* nominal */
	size_t place;	  /* in the heap, from 1; 0: not there */
};

/* All schedules of this process by their due times; a binary heap. */
static struct {
	struct tick **heap;
	size_t count, room;
	int fd;
	struct event *event;
} table_of_ticks = {.fd = -1};

/* --- the heap ------------------------------------------------------------------------------ */

static void
heap_put(size_t place, struct tick *tick)
{
	table_of_ticks.heap[place - 1] = tick;
	tick->place = place;
}

static void
heap_up(struct tick *tick)
{
	while (tick->place > 1) {
		struct tick *parent = table_of_ticks.heap[tick->place / 2 - 1];
		size_t place = tick->place;

		if (parent->due.ms <= tick->due.ms)
			break;
		heap_put(parent->place, tick);
		heap_put(place, parent);
	}
}

static void
heap_down(struct tick *tick)
{
	for (;;) {
		size_t child = tick->place * 2, place = tick->place;
		struct tick *least;

		if (child > table_of_ticks.count)
			break;
		least = table_of_ticks.heap[child - 1];
		if (child < table_of_ticks.count &&
		    table_of_ticks.heap[child]->due.ms < least->due.ms)
			least = table_of_ticks.heap[child];
		if (tick->due.ms <= least->due.ms)
			break;
		child = least->place;
		heap_put(place, least);
		heap_put(child, tick);
	}
}

static void
heap_add(struct tick *tick)
{
	if (table_of_ticks.count == table_of_ticks.room) {
		table_of_ticks.room = table_of_ticks.room ? table_of_ticks.room * 2 : 64;
		table_of_ticks.heap = mem_realloc(table_of_ticks.heap,
						  table_of_ticks.room * sizeof(struct tick *));
	}
	table_of_ticks.count++;
	heap_put(table_of_ticks.count, tick);
	heap_up(tick);
}

static void
heap_remove(struct tick *tick)
{
	size_t place = tick->place;
	struct tick *last;

	if (!place)
		return;
	last = table_of_ticks.heap[--table_of_ticks.count];
	tick->place = 0;
	if (last == tick)
		return;
	heap_put(place, last);
	heap_up(last);
	heap_down(last);
}

/* --- the timer ----------------------------------------------------------------------------- */

static void on_timer(evutil_socket_t fd, short what, void *arg);

static void
timer_arm(void)
{
	struct itimerspec when = {.it_value = {0, 0}};
	int64_t ms = 0;

	if (table_of_ticks.fd < 0)
		return;
	if (table_of_ticks.count) {
		ms = table_of_ticks.heap[0]->due.ms;
		when.it_value.tv_sec = ms / 1000;
		when.it_value.tv_nsec = (ms % 1000) * 1000000;
		if (ms <= 0)
			when.it_value.tv_nsec = 1;
	}
	/* Wakes too when somebody sets the clock: then everything is looked at anew. */
	timerfd_settime(table_of_ticks.fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when,
			NULL);
}

static bool
timer_start(struct core *core, struct err *err)
{
	if (table_of_ticks.fd >= 0)
		return true;
	table_of_ticks.fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (table_of_ticks.fd < 0)
		return err_errno(err, errno, "timer for schedules");
	table_of_ticks.event =
		event_new(core->base, table_of_ticks.fd, EV_READ | EV_PERSIST, on_timer, core);
	event_add(table_of_ticks.event, NULL);
	return true;
}

static void
timer_stop(void)
{
	if (table_of_ticks.count || table_of_ticks.fd < 0)
		return;
	event_free(table_of_ticks.event);
	close(table_of_ticks.fd);
	free(table_of_ticks.heap);
	table_of_ticks.event = NULL;
	table_of_ticks.fd = -1;
	table_of_ticks.heap = NULL;
	table_of_ticks.room = 0;
}

/* --- one schedule -------------------------------------------------------------------------- */

/* The delay of a nominal time: always the same for the same time, below the distance to the next.
 */
static int64_t
jitter_of(struct tick *tick, struct wall nominal)
{
	AUTO(buf_fini) struct buf seed = BUF_INIT;
	struct digest digest;
	struct wall after;
	uint64_t number;
	int64_t most = tick->jitter_ms;

	if (!most)
		return 0;
	if (cron_next(tick->cron, nominal, &after) && after.ms - nominal.ms <= most)
		most = after.ms - nominal.ms - 1;
	buf_printf(&seed, "%s %lld", tick->source.name, (long long)nominal.ms);
	digest = digest_of(DIGEST_SHA256, buf_str(&seed));
	memcpy(&number, digest.bytes, sizeof(number));
	return (int64_t)(number % (uint64_t)(most + 1));
}

/* Puts it where its next nominal time belongs. */
static void
tick_schedule(struct tick *tick)
{
	heap_remove(tick);
	tick->next = WALL_NONE;
	if ((tick->max_runs > 0 && tick->runs >= tick->max_runs) ||
	    !ticks_next(tick->cron, &tick->policy, tick->last, &tick->next)) {
		tick->next = WALL_NONE;
		timer_arm();
		return;
	}
	tick->due = (struct wall){tick->next.ms + jitter_of(tick, tick->next)};
	heap_add(tick);
	timer_arm();
}

struct firing {
	struct core *core;
	char *trigger;
	struct wall before, nominal;
};

static struct tick *
tick_find(struct core *core, const char *name)
{
	struct source *source = sources_find(core->sources, name);

	return source && source->kind == &cron_kind ? CONTAINER_OF(source, struct tick, source)
						    : NULL;
}

/* Not kept: it is due once more, a little later. */
static void
tick_again(struct tick *tick, struct wall before)
{
	if (before.ms < tick->last.ms)
		tick->last = before;
	heap_remove(tick);
	tick->due = (struct wall){core_wall(tick->source.core).ms + RETRY_MS};
	heap_add(tick);
	timer_arm();
}

static void
on_admitted(void *arg, const struct admission_result *result, const struct err *err)
{
	struct firing *firing = arg;
	struct tick *tick = tick_find(firing->core, firing->trigger);

	if (tick && !result) {
		source_set_health(&tick->source, HEALTH_FAILING, err_text(err));
		tick_again(tick, firing->before);
	} else if (tick) {
		source_set_health(&tick->source, HEALTH_OK, NULL);
	}
	free(firing->trigger);
	free(firing);
}

/* One nominal time becomes an event; its key is the time, so that it exists once. */
static bool
tick_fire(struct tick *tick, struct wall nominal, uint64_t missed, struct err *err)
{
	struct core *core = tick->source.core;
	struct wall now = core_wall(core);
	AUTO(buf_fini) struct buf time = BUF_INIT;
	AUTO(buf_fini) struct buf data = BUF_INIT;
	AUTO(buf_fini) struct buf schedule = BUF_INIT;
	AUTO(buf_fini) struct buf cursor = BUF_INIT;
	struct happening happening = {.trigger = source_trigger(&tick->source)};
	struct firing *firing;
	int64_t late = now.ms > nominal.ms ? now.ms - nominal.ms : 0;

	wall_format(nominal, &time);
	buf_printf(&data, "{\"nominal\":\"%s\"}", buf_cstr(&time));
	buf_printf(&schedule, "{\"nominal\":\"%s\",\"late_ms\":%lld,\"missed\":%llu}",
		   buf_cstr(&time), (long long)late, (unsigned long long)missed);
	buf_printf(&cursor, "%lld %lld", (long long)nominal.ms, (long long)tick->runs + 1);
	happening.data = buf_str(&data);
	happening.natural_key = buf_str(&time);
	happening.schedule = buf_str(&schedule);
	happening.cursor = buf_str(&cursor);
	metrics_observe(core->metrics, "rouse_cron_lateness_seconds", NULL, NULL,
			(double)late / 1000);
	firing = mem_alloc(sizeof(*firing));
	*firing = (struct firing){core, mem_strdup(tick->source.name), tick->last, nominal};
	if (admit_event(core, &happening, on_admitted, firing, err)) {
		tick->runs++;
		return true;
	}
	free(firing->trigger);
	free(firing);
	return false;
}

/* Everything that is due of one schedule. */
static void
tick_run(struct tick *tick)
{
	struct core *core = tick->source.core;
	const struct trigger *trigger = source_trigger(&tick->source);
	AUTO(err_fini) struct err err = ERR_INIT;
	struct ticks ticks;

	ticks_due(tick->cron, &tick->policy, tick->last, core_wall(core), &ticks);
	for (size_t i = 0; i < ticks.count && trigger && trigger_is_enabled(core, trigger); i++) {
		if (tick->max_runs > 0 && tick->runs >= tick->max_runs)
			break;
		if (!tick_fire(tick, ticks.nominal[i], i + 1 == ticks.count ? ticks.missed : 0,
			       &err)) {
			source_set_health(&tick->source, HEALTH_FAILING, err_text(&err));
			tick_again(tick, tick->last);
			return;
		}
		tick->last = ticks.nominal[i];
	}
	if (wall_is_set(ticks.latest))
		tick->last = ticks.latest;
	tick_schedule(tick);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct core *core = arg;
	uint64_t expirations;
	struct wall now = core_wall(core);

	(void)what;
	/* ECANCELED: the clock was set. Either way the heap says what is due. */
	(void)!read(fd, &expirations, sizeof(expirations));
	while (table_of_ticks.count && table_of_ticks.heap[0]->due.ms <= now.ms)
		tick_run(table_of_ticks.heap[0]);
	timer_arm();
}

/* --- configuration ------------------------------------------------------------------------- */

static bool
time_of(const struct conf_section *section, const char *key, struct wall *ret, struct err *err)
{
	const char *text = conf_str(section, key);

	*ret = WALL_NONE;
	if (!text || wall_parse(str_of(text), ret))
		return true;
	return err_set(err, E_CONFIG, "%s; expected a time as 2026-11-20T09:30:00Z", text);
}

static bool
schedule_of(const struct conf_section *section, struct cron **ret, struct err *err)
{
	return cron_new(str_of(conf_str(section, "schedule")),
			str_of(conf_str(section, "timezone")), str_of(conf_section_name(section)),
			ret, err);
}

static void
cron_check(const struct conf_section *section, struct conf_report *report)
{
	AUTO(cron_auto_free) struct cron *cron = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;
	static const char *const times[] = {"start", "end"};
	struct wall at;

	if (!schedule_of(section, &cron, &err) ||
	    !cron_check_fires(cron, clock_wall(clock_system()), &err))
		conf_complain(report, section, "schedule", "%s", err_text(&err));
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		AUTO(err_fini) struct err bad = ERR_INIT;

		if (!time_of(section, times[i], &at, &bad))
			conf_complain(report, section, times[i], "%s", err_text(&bad));
	}
}

static enum catchup
catchup_of(const char *name)
{
	return !strcmp(name, "all")    ? CATCHUP_ALL
	       : !strcmp(name, "none") ? CATCHUP_NONE
				       : CATCHUP_ONE;
}

/* Where the last daemon stopped; a schedule that is new begins now. */
static bool
tick_resume(struct tick *tick, struct err *err)
{
	struct core *core = tick->source.core;
	AUTO(buf_fini) struct buf cursor = BUF_INIT;
	AUTO(err_fini) struct err none = ERR_INIT;
	struct str head, rest;

	tick->last = core_wall(core);
	if (cursors_get(core->store, tick->source.name, &cursor, &none)) {
		rest = str_split(buf_str(&cursor), ' ', &head);
		if (str_to_i64(head, &tick->last.ms) && (!rest.p || str_to_i64(rest, &tick->runs)))
			return true;
		return err_set(err, E_CORRUPT, "the cursor of trigger %s is damaged: %s",
			       tick->source.name, buf_cstr(&cursor));
	}
	if (none.code != E_NOT_FOUND)
		return err_move(err, &none);
	buf_printf(&cursor, "%lld 0", (long long)tick->last.ms);
	return cursors_set(core->store, tick->source.name, buf_str(&cursor), err);
}

static void
tick_free(struct tick *tick)
{
	cron_free(tick->cron);
	source_fini(&tick->source);
	free(tick);
}

static void
reboot_fire(struct tick *tick)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	/* The start of the daemon is the time: a reload gives the same key, and so no second run.
	 */
	if (!tick_fire(tick, tick->source.core->started, 0, &err))
		log_error("@reboot trigger not fired", "trigger", tick->source.name, "error",
			  err_text(&err));
}

static struct source *
cron_start(struct core *core, const struct trigger *trigger, struct err *err)
{
	struct tick *tick = mem_alloc(sizeof(*tick));
	const struct conf_section *section = trigger->section;

	source_init(&tick->source, core, &cron_kind, trigger->name);
	tick->policy = (struct ticks_policy){.catchup = catchup_of(conf_str(section, "catchup")),
					     .window_ms = conf_ms(section, "catchup_window"),
					     .grace_ms = conf_ms(section, "grace")};
	tick->jitter_ms = conf_ms(section, "jitter");
	tick->max_runs = conf_is_set(section, "max_runs") ? conf_int(section, "max_runs") : 0;
	if (!schedule_of(section, &tick->cron, err) ||
	    !time_of(section, "start", &tick->policy.start, err) ||
	    !time_of(section, "end", &tick->policy.end, err) || !tick_resume(tick, err) ||
	    !timer_start(core, err)) {
		tick_free(tick);
		return NULL;
	}
	if (cron_expr(tick->cron)->reboot)
		reboot_fire(tick);
	else
		tick_schedule(tick);
	return &tick->source;
}

static void
cron_stop(struct source *source)
{
	struct tick *tick = CONTAINER_OF(source, struct tick, source);

	heap_remove(tick);
	tick_free(tick);
	timer_arm();
	timer_stop();
}

static struct wall
cron_next_of(struct source *source)
{
	return CONTAINER_OF(source, struct tick, source)->next;
}

const struct source_kind cron_kind = {.name = "cron",
				      .tables = tables,
				      .trust = TRUST_TRUSTED,
				      .start = cron_start,
				      .stop = cron_stop,
				      .next = cron_next_of};
