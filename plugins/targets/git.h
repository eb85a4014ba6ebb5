/* Git targets: the changes of a run become a commit on a branch. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_GIT_H
#define ROUSE_PLUGINS_GIT_H

#include "core/target.h"

extern const struct target_kind git_target_kind;

/* Where the branches of runs lie: each is this and the run's id. */
#define GIT_RUN_BRANCHES "rouse/"

/* The repository of a target's section, its branch, and the largest file that it takes; NULL for a
 * target of another kind. */
const char *git_target_repo(const struct target *target);
const char *git_target_branch(const struct target *target);
int64_t git_target_max_bytes(const struct target *target);
/* Is it a path that a file of a repository can have: below it, in no folder that git, on whatever
 * file system, takes for a repository's own? E_INVALID. */
bool git_path_check(const char *path, struct err *err);

#endif
