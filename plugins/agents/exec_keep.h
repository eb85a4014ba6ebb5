/* Exec agents: processes that stay for the next turn of their session (session = yes). */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_EXEC_KEEP_H
#define ROUSE_PLUGINS_EXEC_KEEP_H

#include "plugins/agents/exec_run.h"

/* Does the process of this attempt stay after its result? */
bool exec_keep_wants(const struct attempt *attempt);
/* The process that waits for this session takes the attempt whose spool run->dir is: sets
 * run->shim. False: there is none that may; one that is of no more use is told to go. */
bool exec_keep_take(struct exec_run *run);
/* The process that is about to be started in run->dir may be given more turns. */
bool exec_keep_note(struct exec_run *run, struct err *err);
/* It has been started. */
void exec_keep_begin(struct exec_run *run);
/* At the start of the daemon: those that wait, or carry a turn. */
void exec_keep_scan(struct core *core);
/* The turn of this run has ended. keep: the process waits for another; otherwise it is told to go.
 */
void exec_keep_rest(struct exec_run *run, bool keep);
/* Is the spool of this attempt where a process lives that stays? */
bool exec_is_home(const char *id);
/* It has ended: its sentence to the log, its home swept. Before shim is freed. */
void exec_keep_gone(struct core *core, struct exec_shim *shim);

/* --- of agent_kind --- */

void exec_dismiss(struct core *core, const char *session, const char *why);
json_t *exec_keeps(struct core *core, const char *session);
bool exec_kept_has(struct core *core, const char *session, pid_t pid);

#endif
