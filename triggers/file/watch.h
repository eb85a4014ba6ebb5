/* Watch: the one inotify instance of all file triggers, and who is told what it says. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_FILE_WATCH_H
#define ROUSE_TRIGGERS_FILE_WATCH_H

#include <sys/inotify.h>

#include "base/list.h"
#include "core/core.h"

/* Folders are watched, never files (inotify(7)). ATTRIB: times that are set without a write. Masks
 * are added, for one folder may be watched for several triggers. */
#define WATCH_MASK                                                                                 \
	(IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF |   \
	 IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR | IN_EXCL_UNLINK | IN_MASK_ADD)
/* Of folders above a root that is there: their own fate; what is removed from the one just above it
 * (a folder that is held open does not tell so itself). Of those above one that is waited for. */
#define WATCH_GUARD (IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR | IN_MASK_ADD)
#define WATCH_PARENT (WATCH_GUARD | IN_DELETE)
#define WATCH_AWAIT (WATCH_PARENT | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_ATTRIB)

struct watched;

struct watch_user {
	/* About a name in the folder, or ("") the folder itself. IN_IGNORED: the watch is gone and
	 * was detached. May attach and detach. */
	void (*on_event)(struct watch_user *user, struct watched *watched, uint32_t mask,
			 uint32_t cookie, struct str name);
	/* Events were lost: everything is to be looked at anew. */
	void (*on_overflow)(struct watch_user *user);
	LIST_ENTRY(watch_user) entry;
};

/* A folder, as one user has it; several may be one inode, and so one watch. Embedded. */
struct watched {
	struct watch_user *user;
	struct watched *same; /* of the same watch */
	int wd;		      /* -1: not attached */
};

/* Opens the instance for the first user, closes it behind the last. */
bool watch_join(struct core *core, struct watch_user *user, struct err *err);
void watch_leave(struct watch_user *user);
int watch_fd(void);
/* Another instance has another number: what was added to an older one is not its. */
uint64_t watch_serial(void);

void watch_attach(struct watched *watched, struct watch_user *user, int wd);
/* Ends the watch where nobody else has it. Nothing to do when not attached. */
void watch_detach(struct watched *watched);

/* While watches are added on a thread, what is told of unknown ones is kept for when they are
 * attached; each begin has its end, behind the attaching. */
void watch_adding_begin(void);
void watch_adding_end(void);
/* Hands out all that has happened until now. */
void watch_drain(void);
/* fs.inotify.NAME, 0 when it cannot be read: for messages. */
long watch_limit(const char *name);

#endif
