/* Children of targets: programs that get a text, print one, and end soon. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_CHILD_H
#define ROUSE_PLUGINS_CHILD_H

#include <sys/types.h>

#include "base/uuid.h"
#include "core/core.h"
#include "plugins/env.h"

#define CHILD_OUT_MAX (64 * 1024)
#define CHILD_ERR_MAX 4096

/* In the environment of each child and of all that it starts: a value of its own, by which that
 * tree and no other is found when its time is over. The next child for the same change may run by
 * then.
 */
#define CHILD_MARK "ROUSE_CHILD"

struct child_spec {
	const char *command; /* split into words; no shell */
	const char *workdir;
	const char *const *envp;
	struct str input; /* copied */
	int64_t timeout_ms;
	bool ends_with_us; /* killed when the daemon ends */
};

struct child_result {
	int exit_code;	/* -1 */
	int signal;	/* 0 */
	bool timed_out; /* then it and all that it started was killed */
	struct str out; /* the first CHILD_OUT_MAX bytes */
	bool out_cut;
	struct str err; /* the last CHILD_ERR_MAX bytes */
};

/* Exactly once, never from within child_start(). Everything lives until return. */
typedef void child_on_done(void *arg, const struct child_result *result);

/* The program that a key of a section names, where it starts, and its environment, which the
 * section's and the daemon's own begin: more may be put into it, then envp is env_items(env). */
struct child_spec child_spec_of(const struct conf_section *section, const char *key,
				struct env *env);
/* False when it cannot be started: E_NOT_FOUND, E_DENIED, E_INVALID, E_FULL. */
bool child_start(struct core *core, const struct child_spec *spec, child_on_done *on_done,
		 void *arg, struct err *err);
/* The daemon ends: nobody is told any more. */
void children_fini(void);

/* Kills a group of processes, and then what left it: all whose CHILD_MARK is mark. */
void child_kill_tree(struct core *core, pid_t group, const struct uuid *mark);

#endif
