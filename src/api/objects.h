/* Objects of the API that more than one room shows. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_API_OBJECTS_H
#define ROUSE_API_OBJECTS_H

#include "core/registry.h"

json_t *api_agent(struct core *core, const struct agent *agent);
json_t *api_trigger(struct core *core, const struct trigger *trigger);
json_t *api_health(struct core *core, bool *ret_ok);

#endif
