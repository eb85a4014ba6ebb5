/* Exec agents: those that work in a copy of a branch, and what they leave there. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_EXEC_WORKSPACE_H
#define ROUSE_PLUGINS_EXEC_WORKSPACE_H

#include "plugins/agents/exec_run.h"

/* What `workspace` of one section says, and of all agents beside the targets. */
void exec_workspace_check(const struct conf_section *section, struct conf_report *report);
void exec_workspace_check_all(const struct registry *registry, struct conf_report *report);

bool exec_workspace_wants(const struct agent *agent);
/* Where the attempt works; owned. NULL: in no workspace. */
char *exec_workspace_dir(const struct attempt *attempt);

/* Makes it, in a thread; then exec_begin() with the envelope, or the attempt's end. The run is
 * EXEC_PREPARES meanwhile. */
void exec_workspace_make(struct exec_run *run, struct str envelope);
/* attempt_exit(), after what it left in its workspace was looked at (EXEC_COLLECTS meanwhile). */
void exec_workspace_exit(struct exec_run *run, const struct attempt_end *end);
/* Removes one, in a thread. */
void exec_workspace_remove(struct core *core, const char *id);
/* Removes those whose attempts have gone. */
void exec_workspace_sweep(struct core *core);

#endif
