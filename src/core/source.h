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
	/* What it knows of and has not been able to hand over: source_set_backlog(). */
	int64_t backlog;
	struct wall waiting_since; /* the oldest of it; WALL_NONE */
};

/* Times of a schedule that shall have happened: after from, up to `to`. */
struct source_backfill {
	struct wall from, to;
	const char *overlap; /* of these events, in place of the trigger's */
	const char *by;	     /* who */
	bool plan;	     /* only counted */
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
	/* The first time after `after` that its calendar names, whatever fired before; false:
	 * never. NULL: it follows no calendar. Without effects. */
	bool (*follows)(struct source *source, struct wall after, struct wall *ret);
	/* Makes events of past times, each once; kept when the turn is. Adds `count` to ret_answer.
	 * E_INVALID, E_STATE (one goes on), E_UNAVAILABLE. NULL: it has no times. */
	bool (*backfill)(struct source *source, const struct source_backfill *wanted,
			 json_t *ret_answer, struct err *err);
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
/* What it last did. A failing one stays so until it says otherwise; its error is kept beyond that
 * and across restarts. */
void source_set_health(struct source *source, enum source_health health, const char *error);
/* Something went wrong that says nothing about the next event (a request that was badly signed):
 * health stays, the error is shown as the last one. */
void source_note_error(struct source *source, const char *error);
/* oldest: since when the oldest of it waits; WALL_NONE: since now, unless some waited before. */
void source_set_backlog(struct source *source, int64_t backlog, struct wall oldest);
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
/* May it wake anybody: enabled, and not paused. False of NULL (it is no longer configured). */
bool trigger_is_on(const struct core *core, const struct trigger *trigger);
/* An event of a trigger is on disk; error: why it was rejected, NULL. */
void sources_note_event(struct core *core, const struct trigger *trigger, struct wall at,
			const char *error);
/* A switch of this trigger was turned, which is on disk. */
void sources_switched(struct core *core, const char *name);

/* How a trigger is as a whole: `stopped` where it is not enabled, disabled or paused, `stale` where
 * its source is well but silent for longer than stale_after. Looks nothing up on disk. */
enum source_health trigger_health(const struct core *core, const struct trigger *trigger);
struct trigger_state {
	enum source_health health;
	struct wall since;
	struct wall last_event; /* WALL_NONE: none yet */
	char last_outcome[16];	/* "": not known any more */
	const char *last_error; /* also when it is over; NULL; lives until the next turn */
	struct wall last_error_at;
	int64_t backlog; /* runs that wait, events that are gathered, and what the source could
			    not hand over */
	int64_t lag_ms;	 /* how long the oldest of it waits */
};
void trigger_state_get(const struct core *core, const struct trigger *trigger,
		       struct trigger_state *ret);

#endif
