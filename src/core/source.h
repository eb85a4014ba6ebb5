/* What a source of events is: the vtable of triggers/. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_SOURCE_H
#define ROUSE_CORE_SOURCE_H

#include "core/registry.h"

/* One live trigger. Kinds embed it first in a struct of their own. */
struct source {
	struct core *core;
	const struct source_kind *kind;
	char *name; /* of its trigger: look it up with source_trigger(), never keep the pointer */
	/* Health: what it last did. */
	enum source_health {
		HEALTH_OK,
		HEALTH_IDLE,
		HEALTH_STALE,
		HEALTH_FAILING,
		HEALTH_STOPPED,
		HEALTHS
	} health;
	struct wall since;
	char *error; /* NULL */
	int64_t backlog;
};

struct source_kind {
	const char *name;
	const struct conf_table *const *tables; /* NULL-terminated */
	enum trust trust;			/* of its events where the trigger does not say */
	/* The trust of a trigger of this kind by its own settings (a signed hook), the most that
	 * one of its events can have (happening.trust says less of one); NULL: the above. */
	enum trust (*trust_of)(const struct conf_section *section);
	/* Begins watching. The kind's struct is returned with `source` filled by source_init(). */
	struct source *(*start)(struct core *core, const struct trigger *trigger, struct err *err);
	/* Ends it and frees the struct (source_fini). */
	void (*stop)(struct source *source);
	/* When it will fire next; WALL_NONE: unknown. May be NULL. */
	struct wall (*next)(struct source *source);
	/* It was switched on, resumed, or the daemon was: looks again at what it kept back. May be
	 * NULL. */
	void (*wake)(struct source *source);
	/* Looks across all triggers of the kind once the configuration is whole (two on one path).
	 * May be NULL. */
	void (*check_all)(const struct registry *registry, struct conf_report *report);
	/* Where it is reached, for people ("/hooks/x"); owned; may be NULL. */
	char *(*address)(const struct trigger *trigger);
};

void source_init(struct source *source, struct core *core, const struct source_kind *kind,
		 const char *name);
void source_fini(struct source *source);
const struct trigger *source_trigger(const struct source *source);
void source_set_health(struct source *source, enum source_health health, const char *error);
const char *source_health_name(enum source_health health);

/* The live sources. Reload starts what is new, stops what is gone, restarts what changed, keeps the
 * rest. */
struct sources *sources_new(struct core *core);
void sources_free(struct sources *sources);
/* core->registry is the new one; old may be NULL. added, changed, removed: names, appended as JSON
 * strings. */
void sources_reload(struct sources *sources, const struct registry *old, json_t *ret_added,
		    json_t *ret_changed, json_t *ret_removed);
/* Wakes every live source whose kind wants it. */
void sources_wake(struct sources *sources);
struct source *sources_find(struct sources *sources, const char *name);
/* What went wrong last with a trigger, or why it did not start; NULL: nothing. */
const char *sources_error(struct sources *sources, const char *name);
/* A trigger's switch: enabled in the file and not disabled by hand. */
bool trigger_is_enabled(const struct core *core, const struct trigger *trigger);

#endif
