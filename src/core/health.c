/* Health of triggers: what each last did, and silence as an alarm; outlives restarts. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#include "core/health.h"

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "core/halt.h"
#include "core/notify.h"
#include "core/stream.h"
#include "store/events.h"
#include "store/health.h"

/* Events are on disk themselves: that one came is written again only because retention will remove
 * it. An error is nowhere else. */
#define EVENTS_FLUSH_MS 30000
#define ERRORS_FLUSH_MS 1000
#define FLUSH_MOST 1000 /* rows a turn */
#define FLUSH_MORE_MS 100

/* Triggers of which there is nothing to say have none. */
struct record {
	char *name;
	struct wall watched; /* silence counts from here at the earliest */
	struct wall last_event, error_at;
	char *error;
	int64_t stale_ms; /* 0: silence is no alarm */
	bool stale, queued, dirty;
	bool looked; /* at its newest event on disk */
	enum source_health shown;
	struct wall since, due;
	TAILQ_ENTRY(record) dirty_link;
	UT_hash_handle hh;
};
TAILQ_HEAD(record_list, record);

struct health {
	struct core *core;
	struct record *by_name;
	struct record_list dirty;
	struct record *
		*heap; /* by due, which is never later than the truth: events only move it on */
	size_t count, room;
	struct core_timer *silence, *flush;
	struct mono flush_at;
	bool loaded, flushing;
};

struct health *
health_new(struct core *core)
{
	struct health *health = mem_alloc(sizeof(*health));

	health->core = core;
	TAILQ_INIT(&health->dirty);
	return health;
}

static void
record_free(struct health *health, struct record *record)
{
	HASH_DEL(health->by_name, record);
	if (record->dirty)
		TAILQ_REMOVE(&health->dirty, record, dirty_link);
	free(record->name);
	free(record->error);
	free(record);
}

void
health_free(struct health *health)
{
	struct record *record, *next;

	if (!health)
		return;
	HASH_ITER (hh, health->by_name, record, next)
		record_free(health, record);
	core_timer_free(health->silence);
	core_timer_free(health->flush);
	free(health->heap);
	free(health);
}

static struct record *
record_find(const struct health *health, const char *name)
{
	struct record *record;

	HASH_FIND_STR(health->by_name, name, record);
	return record;
}

static struct record *
record_of(struct health *health, const char *name)
{
	struct record *record = record_find(health, name);

	if (record)
		return record;
	record = mem_alloc(sizeof(*record));
	record->name = mem_strdup(name);
	record->watched = core_wall(health->core);
	record->last_event = record->error_at = record->since = WALL_NONE;
	record->shown = HEALTH_IDLE;
	HASH_ADD_KEYPTR(hh, health->by_name, record->name, strlen(record->name), record);
	return record;
}

/* --- on disk ------------------------------------------------------------------------------- */

static void on_flush(void *arg);

static void
flush_arm(struct health *health, int64_t ms)
{
	struct mono at = {clock_mono(health->core->clock).ms + ms};

	if (health->flushing && health->flush_at.ms <= at.ms)
		return;
	health->flushing = true;
	health->flush_at = at;
	core_timer_arm(health->core, &health->flush, ms, on_flush, health);
}

static void
record_touch(struct health *health, struct record *record, int64_t ms)
{
	if (!record->dirty)
		TAILQ_INSERT_TAIL(&health->dirty, record, dirty_link);
	record->dirty = true;
	flush_arm(health, ms);
}

static bool
record_write(struct health *health, struct record *record, struct err *err)
{
	const struct health_row row = {.trigger = record->name,
				       .watched = record->watched,
				       .last_event = record->last_event,
				       .error = record->error,
				       .error_at = record->error_at};

	if (!health_set(health->core->store, &row, err))
		return false;
	TAILQ_REMOVE(&health->dirty, record, dirty_link);
	record->dirty = false;
	return true;
}

static void
on_flush(void *arg)
{
	struct health *health = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct record *record;

	health->flushing = false;
	for (int i = 0; i < FLUSH_MOST && (record = TAILQ_FIRST(&health->dirty)); i++)
		if (!record_write(health, record, &err)) {
			/* The store says so louder elsewhere; nothing is lost meanwhile. */
			log_debug("health of triggers not kept", "error", err_text(&err));
			flush_arm(health, EVENTS_FLUSH_MS);
			return;
		}
	if (!TAILQ_EMPTY(&health->dirty))
		flush_arm(health, FLUSH_MORE_MS);
}

static bool
row_load(void *arg, const struct health_row *row)
{
	struct health *health = arg;
	struct record *record = record_of(health, row->trigger);

	record->watched = row->watched;
	record->last_event = row->last_event;
	record->error = mem_strdup(row->error);
	record->error_at = row->error_at;
	return true;
}

static void
health_load(struct health *health)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (health->loaded)
		return;
	health->loaded = true;
	if (!health_each(health->core->store, row_load, health, &err))
		log_error("health of triggers is not known from before", "error", err_text(&err));
}

/* The newest event counts, also one that was kept after the last flush. */
static void
record_look(struct health *health, struct record *record)
{
	AUTO(buf_fini) struct buf outcome = BUF_INIT;
	AUTO(err_fini) struct err none = ERR_INIT;
	struct wall newest;

	if (record->looked)
		return;
	record->looked = true;
	if (events_newest(health->core->store, record->name, &newest, &outcome, &none) &&
	    (!wall_is_set(record->last_event) || newest.ms > record->last_event.ms))
		record->last_event = newest;
}

/* --- silence ------------------------------------------------------------------------------- */

static void on_silence(void *arg);

/* When it will have been silent for too long. A clock that went back excuses nobody for longer than
 * that: what is ahead of it was heard now. */
static struct wall
silence_due(const struct health *health, struct record *record)
{
	struct wall now = core_wall(health->core), heard;

	if (record->watched.ms > now.ms)
		record->watched = now;
	heard = record->watched;
	if (wall_is_set(record->last_event) && record->last_event.ms > now.ms)
		record->last_event = now;
	if (wall_is_set(record->last_event) && record->last_event.ms > heard.ms)
		heard = record->last_event;
	return (struct wall){heard.ms + record->stale_ms};
}

static void
heap_push(struct health *health, struct record *record)
{
	size_t at = health->count++;

	if (health->count > health->room) {
		health->room = health->room ? health->room * 2 : 16;
		health->heap = mem_realloc(health->heap, health->room * sizeof(struct record *));
	}
	record->queued = true;
	for (; at && health->heap[(at - 1) / 2]->due.ms > record->due.ms; at = (at - 1) / 2)
		health->heap[at] = health->heap[(at - 1) / 2];
	health->heap[at] = record;
}

static struct record *
heap_pop(struct health *health)
{
	struct record *first = health->heap[0], *last = health->heap[--health->count];
	size_t at = 0, child;

	for (; (child = 2 * at + 1) < health->count; at = child) {
		if (child + 1 < health->count &&
		    health->heap[child + 1]->due.ms < health->heap[child]->due.ms)
			child++;
		if (last->due.ms <= health->heap[child]->due.ms)
			break;
		health->heap[at] = health->heap[child];
	}
	health->heap[at] = last;
	first->queued = false;
	return first;
}

static void
silence_arm(struct health *health)
{
	int64_t ms;

	if (!health->count) {
		core_timer_stop(health->silence);
		return;
	}
	ms = health->heap[0]->due.ms - core_wall(health->core).ms;
	core_timer_arm(health->core, &health->silence, ms > 0 ? ms : 0, on_silence, health);
}

/* Waits for its silence anew. */
static void
record_queue(struct health *health, struct record *record)
{
	if (!record->stale_ms || record->queued || record->stale)
		return;
	record->due = silence_due(health, record);
	heap_push(health, record);
}

static void
on_silence(void *arg)
{
	struct health *health = arg;
	struct wall now = core_wall(health->core);

	while (health->count && health->heap[0]->due.ms <= now.ms) {
		struct record *record = heap_pop(health);
		const struct trigger *trigger =
			registry_trigger(health->core->registry, record->name);

		/* One that is stopped waits again once it is not. */
		if (!trigger || trigger_health(health->core, trigger) == HEALTH_STOPPED)
			continue;
		record->stale = silence_due(health, record).ms <= now.ms;
		record_queue(health, record);
		if (record->stale)
			health_look(health, trigger);
	}
	silence_arm(health);
}

/* --- what is told -------------------------------------------------------------------------- */

static void
record_tell(const struct health *health, const struct record *record, const struct trigger *trigger)
{
	AUTO(json_auto_decref) json_t *object = NULL;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	const char *name = source_health_name(record->shown);

	if (!health->core->stream || !stream_count(health->core->stream))
		return;
	object = json_object();
	json_put_str(object, "name", record->name);
	json_put_str(object, "source", trigger->kind->name);
	json_put_str(object, "health", name);
	json_put_wall(object, "since", record->since.ms);
	json_put_wall(object, "last_event", record->last_event.ms);
	json_put_str(object, "last_error", record->error);
	json_write(&text, object);
	stream_publish(health->core->stream, &(struct stream_event){.kind = "trigger",
								    .id = record->name,
								    .type = name,
								    .data = buf_str(&text)});
}

static void
record_notify(const struct health *health, const struct record *record,
	      const struct trigger *trigger)
{
	bool silent = record->shown == HEALTH_STALE;
	const char *stale = silent ? conf_str(trigger->section, "stale_after") : NULL;
	AUTO(buf_fini) struct buf subject = BUF_INIT, text = BUF_INIT, todo = BUF_INIT;

	if (!notify_wants(health->core, NOTIFY_SOURCE))
		return;
	buf_cat(&subject, "trigger ", record->name, silent ? " is silent" : " is failing");
	buf_cat(&text, "Trigger ", record->name, " (", trigger->kind->name, ")");
	if (silent)
		buf_cat(&text, " has had no event for ", stale ? stale : "too long",
			" (stale_after).");
	else
		buf_cat(&text, " cannot be listened to; it is tried again by itself. It says: ",
			record->error ? record->error : "nothing");
	buf_cat(&todo, "rouse why ", record->name);
	notify_say(health->core, &(struct notify_fact){.event = NOTIFY_SOURCE,
						       .topic = record->name,
						       .subject = buf_cstr(&subject),
						       .text = buf_cstr(&text),
						       .todo = buf_cstr(&todo),
						       .agent = trigger->agent,
						       .trigger = record->name});
}

/* Since when: a switch and a silence know it from before a restart. */
static struct wall
since_of(const struct health *health, struct record *record, enum source_health shown)
{
	const struct switches *switches = health->core->switches;
	struct wall at = WALL_NONE;

	if (shown == HEALTH_STALE)
		at = silence_due(health, record);
	if (shown == HEALTH_STOPPED)
		at = switch_since(switches, "trigger", record->name, "disabled");
	if (shown == HEALTH_STOPPED && !wall_is_set(at))
		at = switch_since(switches, "trigger", record->name, "paused");
	return wall_is_set(at) ? at : core_wall(health->core);
}

void
health_look(struct health *health, const struct trigger *trigger)
{
	enum source_health shown = trigger_health(health->core, trigger);
	struct record *record = record_find(health, trigger->name);

	if (record ? record->shown == shown : shown == HEALTH_IDLE)
		return;
	record = record ? record : record_of(health, trigger->name);
	if (shown == HEALTH_STOPPED)
		record->stale = false;
	if (shown == HEALTH_STALE)
		log_warning("trigger is silent", "trigger", record->name, "stale_after",
			    conf_str(trigger->section, "stale_after"));
	if (record->shown == HEALTH_STOPPED && record->stale_ms) {
		/* Nobody could have heard it before. */
		record->watched = core_wall(health->core);
		record_touch(health, record, ERRORS_FLUSH_MS);
		record_queue(health, record);
		silence_arm(health);
	}
	record->shown = shown;
	record->since = since_of(health, record, shown);
	record_tell(health, record, trigger);
	if (shown == HEALTH_STALE || shown == HEALTH_FAILING)
		record_notify(health, record, trigger);
}

void
health_event(struct health *health, const char *trigger, struct wall at)
{
	struct record *record = record_of(health, trigger);
	bool was_stale = record->stale;

	if (!wall_is_set(record->last_event) || at.ms > record->last_event.ms)
		record->last_event = at;
	record->looked = true;
	record->stale = false;
	record_touch(health, record, EVENTS_FLUSH_MS);
	if (!was_stale)
		return;
	record_queue(health, record);
	silence_arm(health);
}

void
health_error(struct health *health, const char *trigger, const char *error)
{
	struct record *record = record_of(health, trigger);

	record->error_at = core_wall(health->core);
	if (!record->error || strcmp(record->error, error)) {
		free(record->error);
		record->error = mem_strdup(error);
	}
	record_touch(health, record, ERRORS_FLUSH_MS);
}

/* --- configuration ------------------------------------------------------------------------- */

static void
gone_forget(struct health *health)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct record *record, *next;

	HASH_ITER (hh, health->by_name, record, next) {
		if (registry_trigger(health->core->registry, record->name))
			continue;
		if (!health_forget(health->core->store, record->name, &err)) {
			log_warning("health of a trigger that is gone stays", "trigger",
				    record->name, "error", err_text(&err));
			err_fini(&err);
		}
		record_free(health, record);
	}
}

static void
watch(struct health *health, const struct trigger *trigger)
{
	struct record *record = record_find(health, trigger->name);

	if (record)
		record->stale_ms = trigger->stale_ms;
	if (!trigger->stale_ms)
		return;
	if (!record) {
		record = record_of(health, trigger->name);
		record->stale_ms = trigger->stale_ms;
		record_touch(health, record, ERRORS_FLUSH_MS);
	}
	record_look(health, record);
	if (trigger_health(health->core, trigger) == HEALTH_STOPPED)
		return;
	if (record->shown == HEALTH_STOPPED)
		record->watched = core_wall(health->core);
	record->due = silence_due(health, record);
	if (record->due.ms <= core_wall(health->core).ms)
		record->stale = true;
	else
		heap_push(health, record);
}

void
health_configured(struct health *health)
{
	const struct registry *registry = health->core->registry;
	struct record *record, *next;

	health_load(health);
	for (size_t i = 0; i < health->count; i++)
		health->heap[i]->queued = false;
	health->count = 0;
	gone_forget(health);
	HASH_ITER (hh, health->by_name, record, next) {
		record->stale_ms = 0;
		record->stale = false;
	}
	for (size_t i = 0; i < registry_trigger_count(registry); i++) {
		watch(health, registry_trigger_at(registry, i));
		health_look(health, registry_trigger_at(registry, i));
	}
	silence_arm(health);
}

struct health_facts
health_facts(const struct health *health, const char *trigger)
{
	const struct record *record = record_find(health, trigger);

	if (!record)
		return (struct health_facts){
			.since = WALL_NONE, .last_event = WALL_NONE, .error_at = WALL_NONE};
	return (struct health_facts){.stale = record->stale,
				     .since = record->since,
				     .last_event = record->last_event,
				     .error = record->error,
				     .error_at = record->error_at};
}
