/* Exec agents: programs that carry out runs, each below a shim that outlives the daemon. SPEC 6. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_EXEC_H
#define ROUSE_PLUGINS_EXEC_H

#include "core/agent.h"

extern const struct agent_kind exec_agent;

/* Ends what the attempts of core share; their shims go on. After work_pool_free(). */
void exec_agent_fini(struct core *core);

#endif
