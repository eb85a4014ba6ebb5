/* A story: what happened to one thing, step by step, in the order of time. SPEC 4. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_API_WHY_H
#define ROUSE_API_WHY_H

#include "api/inside.h"
#include "core/registry.h"

struct step;
struct story {
	struct core *core;
	const char *kind, *id; /* of its subject */
	struct step *steps;
	size_t count;
	struct err err; /* of a read that failed: the story is not told */
};

/* at: WALL_NONE is how it is now, told last. what: one word. The sentence has no full stop. */
void story_tell(struct story *story, struct wall at, const char *what, const char *fmt, ...)
	PRINTF(4, 5);
/* A member of the data of the step told last. */
void story_put(struct story *story, const char *key, json_t *take_value);

/* The parts of stories. */
void story_of_event(struct story *story, const struct event_row *event);
void story_of_run(struct story *story, const struct run_row *run); /* with its event */
struct batch_row;
void story_of_batch(struct story *story, const struct batch_row *row);
/* One that is configured, and was never started. */
void story_of_batch_name(struct story *story, const char *name);
void story_of_change(struct story *story, const struct change_row *change);
void story_of_trigger(struct story *story, const struct trigger *trigger);
/* Who decided about an object what, and why. skip: a word that is told elsewhere; NULL. */
void story_of_decisions(struct story *story, const char *object, const char *id, const char *noun,
			const char *skip);
/* "update of customer 7 on crm" */
void change_words(const struct change_row *change, struct buf *out);

#endif
