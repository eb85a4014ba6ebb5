/* Workspaces: what was left in one, between what looks and what says so. For workspace_l*.c. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_WORKSPACE_LEFT_H
#define ROUSE_PLUGINS_WORKSPACE_LEFT_H

#include "plugins/agents/workspace.h"

struct item {
	char *path;
	const char *op;
	git_oid id; /* of what is there, or of what was */
	json_t *line;
};

struct left {
	struct workspace_base base;
	json_t *note;
	struct workspace_file *skipped; /* folders that were not looked into */
	struct item *items;
	size_t count, entries, said;
	int64_t bytes, change_bytes, max_bytes, file_max, uid;
	json_t *logs;
	struct err *err;
};

/* A file that can be no change, and why: "PATH ...". At most 100 are told one by one. */
void left_say(struct left *left, const char *path, const char *fmt, ...) PRINTF(3, 4);
/* A change each; false: too many or too much, or the repository cannot be read (left->err). What
 * was there before and is too large for a change is said. */
bool left_created(struct left *left, const char *path, git_filemode_t mode, const git_oid *id,
		  struct str content);
bool left_changed(struct left *left, const struct workspace_file *file, git_filemode_t mode,
		  const git_oid *id, struct str content);
bool left_deleted(struct left *left, const struct workspace_file *file);
/* All of it, deletions first; a new reference. */
json_t *left_lines(struct left *left);

#endif
