/* Ground: a watched root, as threads may look at it: descriptors and what is in sight. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_FILE_GROUND_H
#define ROUSE_TRIGGERS_FILE_GROUND_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

enum content { CONTENT_NONE, CONTENT_TEXT, CONTENT_BASE64 };

/* What of a tree a trigger is for. Owned strings. */
struct sight {
	char **match, **ignore; /* globs, NULL-terminated; no match: everything */
	bool recursive, hash;
	enum content content;
	int64_t max_content;
};

/* Counted in the loop alone; what is inside does not change while it is shared. */
struct ground {
	int refs;
	char *path; /* of the root, absolute, as it was given */
	char *real; /* ... without links */
	int fd;	    /* of the root; -1: none */
	int notify; /* an inotify descriptor of its own for the one instance; -1: none */
	dev_t device;
	ino_t inode;
	bool is_remote; /* changes may come that nobody tells of: it is polled */
	struct sight sight;
};

void sight_copy(struct sight *ret, const struct sight *sight);
void sight_fini(struct sight *sight);
/* A file of this path below the root is for the trigger. */
bool sight_has_file(const struct sight *sight, struct str path);
/* A folder is looked into. */
bool sight_has_folder(const struct sight *sight, struct str path);

/* Opens the root. notify < 0: none. E_NOT_FOUND, E_DENIED, E_INVALID (no folder). */
bool ground_open(const char *path, int notify, const struct sight *sight, struct ground **ret,
		 struct err *err);
struct ground *ground_ref(struct ground *ground);
void ground_unref(struct ground *ground);
/* The root's path still leads to what was opened. Any thread. */
bool ground_is_there(const struct ground *ground);
/* Opens a path below the root ("" is the root), through no link and never out of it; -1, errno. */
int ground_at(const struct ground *ground, const char *path, int flags);
/* A file system whose changes inotify does not (all) tell: its name; NULL: it tells. */
const char *ground_remote(int fd);

#endif
