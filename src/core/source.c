/* Sources: the live triggers, their health, and what a reload does to them. */
/* SPDX-License-Identifier: MIT */
#include "core/source.h"

#include <assert.h>
#include <stdio.h>

#include "base/log.h"
#include "core/gather.h"
#include "core/halt.h"
#include "core/health.h"
#include "store/events.h"
#include "store/runs.h"

/* A live source and the digest of the section that it was started from. */
struct live {
	struct source *source; /* NULL: it did not start */
	char *name, *error;    /* error: why it did not; NULL */
	char digest[65];
};

struct sources {
	struct core *core;
	struct registry *of; /* NULL: none yet */
	struct live **live;  /* one a trigger of it, in its order; NULL: about to be */
	size_t count;
	struct health *health;
};

static const char *const health_names[] = {"ok", "idle", "stale", "failing", "stopped"};
static_assert(ARRAY_LEN(health_names) == HEALTHS, "a name for every health");

void
source_init(struct source *source, struct core *core, const struct source_kind *kind,
	    const char *name)
{
	source->core = core;
	source->kind = kind;
	source->name = mem_strdup(name);
	source->health = HEALTH_IDLE;
	source->since = core_wall(core);
	source->waiting_since = WALL_NONE;
}

void
source_fini(struct source *source)
{
	free(source->name);
	free(source->error);
}

const struct trigger *
source_trigger(const struct source *source)
{
	return registry_trigger(source->core->registry, source->name);
}

const char *
source_health_name(enum source_health health)
{
	return health_names[health];
}

static struct health *
health_of(const struct source *source)
{
	return source->core->sources->health;
}

void
source_note_error(struct source *source, const char *error)
{
	health_error(health_of(source), source->name, error);
}

/* Not while it starts: nobody can look it up yet, and sources_reload() looks at all. */
static void
source_look(const struct source *source)
{
	const struct trigger *trigger = source_trigger(source);

	if (trigger && sources_find(source->core->sources, source->name) == source)
		health_look(health_of(source), trigger);
}

void
source_set_health(struct source *source, enum source_health health, const char *error)
{
	if (source->health != health) {
		source->since = core_wall(source->core);
		if (health == HEALTH_FAILING)
			log_warning("source fails", "trigger", source->name, "error", error);
	}
	source->health = health;
	if (error && health == HEALTH_FAILING)
		source_note_error(source, error);
	if (source->error != error) {
		free(source->error);
		source->error = mem_strdup(error);
	}
	source_look(source);
}

void
source_set_backlog(struct source *source, int64_t backlog, struct wall oldest)
{
	if (!backlog)
		source->waiting_since = WALL_NONE;
	else if (wall_is_set(oldest))
		source->waiting_since = oldest;
	else if (!wall_is_set(source->waiting_since))
		source->waiting_since = core_wall(source->core);
	source->backlog = backlog;
}

struct sources *
sources_new(struct core *core)
{
	struct sources *sources = mem_alloc(sizeof(*sources));

	sources->core = core;
	sources->health = health_new(core);
	return sources;
}

static void
live_stop(struct live *live)
{
	if (live->source)
		live->source->kind->stop(live->source);
	free(live->name);
	free(live->error);
	free(live);
}

void
sources_free(struct sources *sources)
{
	if (!sources)
		return;
	for (size_t i = 0; i < sources->count; i++)
		live_stop(TAKE(sources->live[i]));
	free(sources->live);
	registry_unref(sources->of);
	health_free(sources->health);
	free(sources);
}

static struct live *
live_find(struct sources *sources, const char *name)
{
	const struct trigger *trigger = sources->of ? registry_trigger(sources->of, name) : NULL;

	return trigger ? sources->live[trigger - registry_trigger_at(sources->of, 0)] : NULL;
}

struct source *
sources_find(struct sources *sources, const char *name)
{
	struct live *live = live_find(sources, name);

	return live ? live->source : NULL;
}

const char *
sources_error(struct sources *sources, const char *name)
{
	struct live *live = live_find(sources, name);

	if (!live)
		return NULL;
	return live->source ? live->source->error : live->error;
}

static struct live *
live_start(struct sources *sources, const struct trigger *trigger)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct live *live = mem_alloc(sizeof(*live));

	live->name = mem_strdup(trigger->name);
	memcpy(live->digest, conf_section_digest(trigger->section), sizeof(live->digest));
	/* What watches the world does so in earnest alone. */
	if (sources->core->rehearsal && !trigger->kind->follows)
		err_set(&err, E_STATE, "not started: only calendars are, for a rehearsal");
	else
		live->source = trigger->kind->start(sources->core, trigger, &err);
	if (!live->source) {
		live->error = mem_strdup(err_text(&err));
		health_error(sources->health, trigger->name, err_text(&err));
		log_error("trigger does not start", "trigger", trigger->name, "error",
			  err_text(&err));
	}
	return live;
}

static void
names_add(json_t *names, const char *name)
{
	if (names)
		json_array_append_new(names, json_string(name));
}

/* Those that there are take their places in the registry of today; others are stopped. */
static void
sources_move(struct sources *sources, json_t *ret_removed)
{
	struct registry *registry = sources->core->registry, *before = sources->of;
	size_t count = registry_trigger_count(registry), had = sources->count;
	struct live **live = mem_alloc_array(count + 1, sizeof(struct live *)),
		    **was = sources->live;

	for (size_t i = 0; i < had; i++) {
		const struct trigger *trigger = registry_trigger(registry, was[i]->name);

		if (trigger)
			live[trigger - registry_trigger_at(registry, 0)] = TAKE(was[i]);
	}
	sources->live = live;
	sources->count = count;
	sources->of = registry_ref(registry);
	for (size_t i = 0; i < had; i++) {
		if (!was[i])
			continue;
		names_add(ret_removed, was[i]->name);
		live_stop(was[i]);
	}
	free(was);
	registry_unref(before);
}

void
sources_reload(struct sources *sources, const struct registry *old, json_t *ret_added,
	       json_t *ret_changed, json_t *ret_removed)
{
	const struct registry *registry = sources->core->registry;

	(void)old;
	sources_move(sources, ret_removed);
	for (size_t i = 0; i < sources->count; i++) {
		const struct trigger *trigger = registry_trigger_at(registry, i);
		struct live *live = sources->live[i];

		if (live && live->source &&
		    !strcmp(live->digest, conf_section_digest(trigger->section)))
			continue;
		names_add(live ? ret_changed : ret_added, trigger->name);
		if (live)
			live_stop(TAKE(sources->live[i]));
		sources->live[i] = live_start(sources, trigger);
	}
	health_configured(sources->health);
}

void
sources_wake(struct sources *sources)
{
	for (size_t i = 0; i < sources->count; i++) {
		struct live *live = sources->live[i];

		if (live && live->source && live->source->kind->wake)
			live->source->kind->wake(live->source);
	}
}

bool
trigger_is_enabled(const struct core *core, const struct trigger *trigger)
{
	return trigger->enabled &&
	       !switch_is_on(core->switches, "trigger", trigger->name, "disabled");
}

bool
trigger_is_on(const struct core *core, const struct trigger *trigger)
{
	return trigger && trigger_is_enabled(core, trigger) &&
	       !switch_is_on(core->switches, "trigger", trigger->name, "paused");
}

void
sources_note_event(struct core *core, const struct trigger *trigger, struct wall at,
		   const char *error)
{
	struct source *source = sources_find(core->sources, trigger->name);
	const struct trigger *now = registry_trigger(core->registry, trigger->name);

	/* It came in under a configuration that knew it. */
	if (!now)
		return;
	health_event(core->sources->health, trigger->name, at);
	if (error)
		health_error(core->sources->health, trigger->name, error);
	if (source && source->health == HEALTH_IDLE) {
		source->health = HEALTH_OK;
		source->since = core_wall(core);
	}
	health_look(core->sources->health, now);
}

void
sources_switched(struct core *core, const char *name)
{
	const struct trigger *trigger = registry_trigger(core->registry, name);

	if (trigger)
		health_look(core->sources->health, trigger);
}

/* --- a trigger as a whole ------------------------------------------------------------------ */

enum source_health
trigger_health(const struct core *core, const struct trigger *trigger)
{
	const struct source *source = sources_find(core->sources, trigger->name);
	struct health_facts facts;

	if (!trigger_is_on(core, trigger))
		return HEALTH_STOPPED;
	if (!source)
		return HEALTH_FAILING;
	if (source->health == HEALTH_FAILING)
		return HEALTH_FAILING;
	facts = health_facts(core->sources->health, trigger->name);
	if (facts.stale)
		return HEALTH_STALE;
	/* What it did before a restart was well, too. */
	if (source->health == HEALTH_IDLE && wall_is_set(facts.last_event))
		return HEALTH_OK;
	return source->health;
}

static int64_t
age_ms(struct wall now, struct wall then)
{
	return wall_is_set(then) && then.ms < now.ms ? now.ms - then.ms : 0;
}

void
trigger_state_get(const struct core *core, const struct trigger *trigger, struct trigger_state *ret)
{
	const struct source *source = sources_find(core->sources, trigger->name);
	struct health_facts facts = health_facts(core->sources->health, trigger->name);
	AUTO(buf_fini) struct buf outcome = BUF_INIT;
	AUTO(err_fini) struct err none = ERR_INIT;
	struct wall now = core_wall(core), oldest = WALL_NONE;
	struct gatherings_count held;

	*ret = (struct trigger_state){.health = trigger_health(core, trigger),
				      .since = facts.since,
				      .last_event = facts.last_event,
				      .last_error = facts.error,
				      .last_error_at = facts.error_at};
	if (!wall_is_set(ret->since))
		ret->since = source ? source->since : core->started;
	if (events_newest(core->store, trigger->name, &ret->last_event, &outcome, &none))
		snprintf(ret->last_outcome, sizeof(ret->last_outcome), "%s", buf_cstr(&outcome));
	runs_count_trigger(core->store, trigger->name, &ret->backlog, NULL);
	if (ret->backlog)
		runs_oldest_of(core->store, trigger->name, &oldest, NULL);
	ret->lag_ms = age_ms(now, oldest);
	gather_held(core, trigger->name, &held);
	ret->backlog += held.events;
	if (age_ms(now, held.oldest) > ret->lag_ms)
		ret->lag_ms = age_ms(now, held.oldest);
	if (!source || !source->backlog)
		return;
	ret->backlog += source->backlog;
	if (age_ms(now, source->waiting_since) > ret->lag_ms)
		ret->lag_ms = age_ms(now, source->waiting_since);
}
