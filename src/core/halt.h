/* Switches: pause, halt, disable; durable, looked up in memory. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_HALT_H
#define ROUSE_CORE_HALT_H

#include "core/core.h"

struct switches *switches_new(struct core *core, struct err *err);
void switches_free(struct switches *switches);
/* scope: all agent trigger tenant; kind: paused halted disabled. */
bool switch_is_on(const struct switches *switches, const char *scope, const char *name,
		  const char *kind);
/* WALL_NONE: it is off. */
struct wall switch_since(const struct switches *switches, const char *scope, const char *name,
			 const char *kind);
bool switch_turn(struct core *core, const char *scope, const char *name, const char *kind, bool on,
		 const char *by, struct err *err);
bool core_is_halted(const struct core *core);
/* Where it is halted, stops what runs: also what an earlier daemon did not come to. */
void halt_enforce(struct core *core);
/* Names paused in a scope, NULL-terminated; lives until the next change. */
const char *const *switches_paused(const struct switches *switches, const char *scope);
json_t *switches_json(const struct switches *switches); /* [{"scope","name","kind","since","by"}] */

#endif
