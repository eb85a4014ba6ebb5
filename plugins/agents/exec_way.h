/* Exec agents: the three ways to start a run: by the system's manager, by the user's, by ourselves.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_EXEC_WAY_H
#define ROUSE_PLUGINS_EXEC_WAY_H

#include "plugins/agents/exec_run.h"

struct units;

/* One is chosen when the daemon starts; runs that others started are taken up and ended in theirs,
 * for the folder of each says how it was. */
struct exec_way {
	const char *name;  /* as [daemon] runs has it */
	const char *says;  /* for people */
	bool user_manager; /* with units: whose */
	/* Begins the shim of run->dir. Where run->shim is not set by it, exec_way_begun() or
	 * exec_way_failed() follows, never from within. E_UNAVAILABLE: nothing has begun. */
	bool (*start)(struct exec_run *run, struct err *err);
	/* Asks whether it works here; NULL: it does. exec_way_refused() follows where it does not.
	 */
	void (*probe)(struct core *core, const struct exec_way *way);
};
extern const struct exec_way exec_way_system, exec_way_user, exec_way_own;

/* --- exec_way.c: which --- */

/* Chooses by [daemon] runs and by where we are; asks that manager. */
void exec_ways_open(struct core *core);
void exec_ways_fini(void);
/* Of systemd's manager; made when it is first needed. */
struct units *exec_units(struct core *core, bool user);
/* How runs are started now. */
const struct exec_way *exec_way(void);
/* "runs" and "executor", for status and health. */
json_t *exec_way_means(struct core *core);
/* False: this agent asks for what the way cannot give it; a sentence. */
bool exec_way_check(const struct attempt *attempt, struct err *err);
/* The manager does not let us, or is not there. False: the configuration insists; runs fail until
 * that changes. */
bool exec_way_refused(const struct exec_way *way, const struct err *why);

/* It does, and has the template. */
void exec_way_proven(const struct exec_way *way);

bool exec_way_start(struct exec_run *run, struct err *err);
/* The shim has begun, or will at once: it is looked for. */
void exec_way_begun(struct exec_run *run);
/* It has not, and will not. */
void exec_way_failed(struct exec_run *run, const struct err *why);
/* Does the manager's unit of this attempt have another user than we are? */
bool exec_way_has_user(const struct attempt *attempt);

/* --- exec_unit.c: units of both managers --- */

/* Which unit the shim of run was started by, as the folder of run->mark says: by an earlier daemon,
 * or for an earlier turn. */
void exec_unit_read(struct exec_run *run);
/* All that is left of it is killed; then the chore is done. */
void exec_unit_end(struct exec_run *run, const struct exec_chore *chore);

#endif
