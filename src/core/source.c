/* Sources: the live triggers, their health, and what a reload does to them. */
/* SPDX-License-Identifier: MIT */
#include "core/source.h"

#include <assert.h>

#include "base/log.h"
#include "base/map.h"
#include "core/halt.h"
#include "core/stream.h"

/* A live source and the digest of the section that it was started from. */
struct live {
	struct source *source; /* NULL: it did not start */
	char *name, *error;    /* error: why it did not; NULL */
	char digest[65];
	UT_hash_handle hh;
};

struct sources {
	struct core *core;
	struct live *by_name;
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

/* Tells who follows that a trigger's health is another. */
static void
source_tell(const struct source *source)
{
	AUTO(json_auto_decref) json_t *object = NULL;
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!source->core->stream || !stream_count(source->core->stream))
		return;
	object = json_object();
	json_put_str(object, "name", source->name);
	json_put_str(object, "source", source->kind->name);
	json_put_str(object, "health", source_health_name(source->health));
	json_put_wall(object, "since", source->since.ms);
	json_put_str(object, "last_error", source->error);
	json_write(&text, object);
	stream_publish(source->core->stream,
		       &(struct stream_event){.kind = "trigger",
					      .id = source->name,
					      .type = source_health_name(source->health),
					      .data = buf_str(&text)});
}

void
source_set_health(struct source *source, enum source_health health, const char *error)
{
	bool changed;

	if (source->health != health) {
		source->since = core_wall(source->core);
		if (health == HEALTH_FAILING)
			log_warning("source fails", "trigger", source->name, "error", error);
	}
	changed = source->health != health;
	source->health = health;
	if (source->error != error) {
		free(source->error);
		source->error = mem_strdup(error);
	}
	if (changed)
		source_tell(source);
}

struct sources *
sources_new(struct core *core)
{
	struct sources *sources = mem_alloc(sizeof(*sources));

	sources->core = core;
	return sources;
}

static void
live_stop(struct sources *sources, struct live *live)
{
	HASH_DEL(sources->by_name, live);
	if (live->source)
		live->source->kind->stop(live->source);
	free(live->name);
	free(live->error);
	free(live);
}

void
sources_free(struct sources *sources)
{
	struct live *live, *next;

	if (!sources)
		return;
	HASH_ITER (hh, sources->by_name, live, next)
		live_stop(sources, live);
	free(sources);
}

static struct live *
live_find(struct sources *sources, const char *name)
{
	struct live *live;

	HASH_FIND_STR(sources->by_name, name, live);
	return live;
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

static void
live_start(struct sources *sources, const struct trigger *trigger)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct live *live = mem_alloc(sizeof(*live));

	live->name = mem_strdup(trigger->name);
	memcpy(live->digest, conf_section_digest(trigger->section), sizeof(live->digest));
	live->source = trigger->kind->start(sources->core, trigger, &err);
	if (!live->source) {
		live->error = mem_strdup(err_text(&err));
		log_error("trigger does not start", "trigger", trigger->name, "error",
			  err_text(&err));
	}
	HASH_ADD_KEYPTR(hh, sources->by_name, live->name, strlen(live->name), live);
}

static void
names_add(json_t *names, const char *name)
{
	if (names)
		json_array_append_new(names, json_string(name));
}

void
sources_reload(struct sources *sources, const struct registry *old, json_t *ret_added,
	       json_t *ret_changed, json_t *ret_removed)
{
	const struct registry *registry = sources->core->registry;
	struct live *live, *next;

	(void)old;
	HASH_ITER (hh, sources->by_name, live, next) {
		if (registry_trigger(registry, live->name))
			continue;
		names_add(ret_removed, live->name);
		live_stop(sources, live);
	}
	for (size_t i = 0; i < registry_trigger_count(registry); i++) {
		const struct trigger *trigger = registry_trigger_at(registry, i);

		live = live_find(sources, trigger->name);
		if (live && live->source &&
		    !strcmp(live->digest, conf_section_digest(trigger->section)))
			continue;
		names_add(live ? ret_changed : ret_added, trigger->name);
		if (live)
			live_stop(sources, live);
		live_start(sources, trigger);
	}
}

void
sources_wake(struct sources *sources)
{
	struct live *live, *next;

	HASH_ITER (hh, sources->by_name, live, next)
		if (live->source && live->source->kind->wake)
			live->source->kind->wake(live->source);
}

bool
trigger_is_enabled(const struct core *core, const struct trigger *trigger)
{
	return trigger->enabled &&
	       !switch_is_on(core->switches, "trigger", trigger->name, "disabled");
}
