/* The kinds of this floor: what agents and targets there are, listed by hand. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_KINDS_H
#define ROUSE_PLUGINS_KINDS_H

#include "core/agent.h"
#include "core/notify_kind.h"
#include "core/entities.h"
#include "core/target.h"

/* NULL at the end; for registry_set_kinds() and entities_set_kinds(). */
extern const struct agent_kind *const plugin_agents[];
extern const struct target_kind *const plugin_targets[];
/* For notify_set_kinds(). */
extern const struct notify_kind *const plugin_notifies[];
extern const struct entity_kind *const plugin_entities[];

/* What the kinds share within one daemon. Called last, when no attempt lives any more; ends no
 * agent. */
void plugins_fini(struct core *core);

#endif
