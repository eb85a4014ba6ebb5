/* Workspaces: a copy of a branch for one attempt to work in, and what it left there. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_WORKSPACE_H
#define ROUSE_PLUGINS_WORKSPACE_H

#include <sys/types.h>

#include "base/json.h"
#include "base/map.h"
#include "io/git.h"

/* A workspace is a folder ROOT/ID with
 *   tree/           the files of the branch, and a .git of its own with that one commit: whoever
 *                   works there may do with it what he likes; nothing of it is ever believed
 *   workspace.json  what it was made from: repo branch target commit max_bytes file_max uid
 * Nothing in it is a link to, or shared with, the repository. */
struct workspace_plan {
	const char *root, *id;
	const char *repo, *branch, *target;
	const char *user;  /* whose tree/ is; NULL: ours */
	int64_t max_bytes; /* of all files */
	int64_t file_max;  /* of one that becomes a change */
};

/* Owned: ROOT/ID/tree. */
char *workspace_tree_path(const char *root, const char *id);
bool workspace_is_there(const char *root, const char *id);

/* Makes it from the branch as it is. Blocks: for a thread. E_UNAVAILABLE (no libgit2, no repository
 * now), E_NOT_FOUND (no branch, no user), E_TOO_LARGE, E_IO, E_FULL; then nothing is left. */
bool workspace_make(const struct workspace_plan *plan, struct err *err);

/* What differs from what it was made from: *ret is a list of lines of the protocol: `change` for
 * each file, `log` for what can be none. Files that .gitignore names are left out unless they were
 * there. Blocks: for a thread. Errors as above; E_TOO_LARGE: more than can be taken. */
bool workspace_left(const char *root, const char *id, json_t **ret, struct err *err);

/* --- for workspace*.c: the files of a commit ------------------------------------------------- */

#define WORKSPACE_FILES_MAX 200000
#define WORKSPACE_DEPTH_MAX 128

struct workspace_file {
	git_oid id;
	git_filemode_t mode;
	int64_t bytes;
	bool seen;
	UT_hash_handle hh;
	char path[];
};
struct workspace_base {
	struct git git;
	git_repository *repository;
	git_odb *odb;
	git_commit *commit;
	struct workspace_file *files, *folders; /* by path; folders have no more than that */
	int64_t bytes;
};

/* Opens the repository at a commit: `commit` (hex), or the tip of `branch` where that is NULL.
 * Fills ret->files. workspace_base_close() after either. */
bool workspace_base_open(struct workspace_base *ret, const char *repo, const char *branch,
			 const char *commit, struct err *err);
void workspace_base_close(struct workspace_base *base);
bool workspace_base_failed(const struct workspace_base *base, const char *what, struct err *err);
struct workspace_file *workspace_file_find(struct workspace_file *files, const char *path);
void workspace_file_add(struct workspace_file **files, const char *path);
void workspace_files_free(struct workspace_file **files);

#endif
