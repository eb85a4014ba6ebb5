/* Health of triggers: what each last did, and silence as an alarm; outlives restarts. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_HEALTH_H
#define ROUSE_CORE_HEALTH_H

#include "core/source.h"

/* One timer for all of them: for whichever would fall silent first. */
struct health *health_new(struct core *core);
void health_free(struct health *health);

/* A generation of the configuration is in force, its sources started: those that are gone are
 * forgotten. Reads what the last daemon knew when it is called first. */
void health_configured(struct health *health);
void health_event(struct health *health, const char *trigger, struct wall at);
void health_error(struct health *health, const char *trigger, const char *error);
/* Something may have changed: tells who follows when the trigger's health is another. */
void health_look(struct health *health, const struct trigger *trigger);

/* What is known of one; nothing known: all unset. */
struct health_facts {
	bool stale;
	struct wall since, last_event, error_at;
	const char *error;
};
struct health_facts health_facts(const struct health *health, const char *trigger);

#endif
