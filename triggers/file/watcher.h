/* Watcher: one file trigger, as its rooms share it.
 *
 *   live.c   what inotify says: folders come and go, paths are marked
 *   scan.c   folders are listed on a thread, and held against the index
 *   sweep.c  the other way round: what the index has of folders that are no more
 *   root.c   the root is found, lost and found again
 *   take.c   marked paths that came to rest are looked at, judged and admitted
 *
 * Only take.c makes events, and only from what a path and its entry in the index are at that
 * moment: all others mark paths, and a mark too many does no harm. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_FILE_WATCHER_H
#define ROUSE_TRIGGERS_FILE_WATCHER_H

#include "core/source.h"
#include "triggers/file/event.h"
#include "triggers/file/index.h"
#include "triggers/file/pending.h"
#include "triggers/file/tree.h"

/* Marked paths at once; of folders with more, it is kept that they are to be listed again. */
#define PENDING_MAX 131072
/* No folder is listed while more than this are marked. */
#define PENDING_HIGH 16384
/* Renamed names whose other half may still come. */
#define MOVERS_MAX 64
/* Files that came and went while nobody looked, held against one another by inode. */
#define PAIRS_MAX 4096

/* Something was renamed from here. */
struct mover {
	uint32_t cookie;
	char *path;	 /* NULL: a free place */
	struct dir *dir; /* of a folder; NULL */
	int64_t until;
};

/* A file that is new, or missing, by what was listed. */
struct found {
	uint64_t inode;
	char *path;
};
struct founds {
	struct found *list;
	size_t count, room;
};

struct walk;
struct sweep;
struct guard;

struct watcher {
	struct source source; /* first */
	struct watch_user user;
	uint64_t serial; /* tells it from another of its name */
	bool broken;	 /* the index cannot be read */

	/* Settings. */
	char *path;
	struct sight sight;
	bool wants[FILE_EVENTS];
	bool initial, catchup;
	int64_t poll_ms;

	/* The root. */
	struct ground *ground; /* NULL: it is not there */
	struct guard *guards;
	size_t guard_count;
	bool is_deleted;   /* it is not there because it was deleted */
	bool is_unmounted; /* ... or its file system was taken away */
	dev_t device;	   /* it was on, last */
	unsigned tries;

	/* What is known. */
	struct tree tree;
	struct index index;
	int64_t since_ns; /* what changed before is no news, when met for the first time */
	bool is_known;	  /* all has been met once */

	/* What is being listed. */
	TAILQ_HEAD(, dir) waiting;
	struct walk *walk;		 /* on a thread */
	STAILQ_HEAD(walks, walk) walked; /* to be held against the index */
	STAILQ_HEAD(, sweep) sweeps;
	uint32_t pass;
	bool is_full, is_ending, full_again; /* a pass over everything: goes on, ends, again */
	struct founds news, losses;

	/* What is marked. */
	struct pendings pendings;
	struct mover movers[MOVERS_MAX];
	int looking, keeping; /* paths on a thread; on their way into the store */
	int64_t pause_until;  /* the store, or the queue, took no more */
	unsigned pauses;
	bool is_shut; /* nobody is to be woken now: what happens waits for take_wake() */

	struct core_timer *due_timer, *step_timer, *poll_timer, *root_timer, *move_timer;
};

int64_t watcher_now(const struct watcher *w);
/* Health, from all that is known of it now. */
void watcher_tell(struct watcher *w, const char *error);
/* What the index says is not to be believed: nothing more is done. */
void watcher_break(struct watcher *w, const struct err *err);
/* Looks again after ms whether there is something to list, compare or sweep. */
void watcher_step_soon(struct watcher *w, int64_t ms);
bool founds_add(struct founds *founds, uint64_t inode, struct str path);
void founds_fini(struct founds *founds);

/* live.c */
void live_on_event(struct watch_user *user, struct watched *watched, uint32_t mask, uint32_t cookie,
		   struct str name);
void live_on_overflow(struct watch_user *user);
void live_on_leave(struct tree *tree, struct dir *dir);
/* Marks a path; where there is no room, its folder is to be listed again. */
void live_mark(struct watcher *w, struct str path, enum mark mark);
/* A file that was listed may be the other half of a rename, into a folder that was not watched yet.
 */
bool live_pair(struct watcher *w, struct str path, uint64_t inode);
void live_fini(struct watcher *w);

/* scan.c */
void scan_dir(struct watcher *w, struct dir *dir);
/* Everything, from the root. */
void scan_all(struct watcher *w);
/* Goes on; false: there is nothing to do now. */
bool scan_step(struct watcher *w);
void scan_forget_dir(struct watcher *w, struct dir *dir);
void scan_poll(struct watcher *w);
void scan_stop(struct watcher *w);

/* sweep.c */
/* Marks what the index has at folder and below: as moved to `to`, or (p NULL) as gone. */
void sweep_folder(struct watcher *w, struct str folder, struct str to);
/* Everything in folders that the tree does not have; then sweep_on_vanished(). */
void sweep_vanished(struct watcher *w);
void sweep_on_vanished(struct watcher *w); /* scan.c */
bool sweep_step(struct watcher *w);
void sweep_stop(struct watcher *w);

/* root.c */
void root_look(struct watcher *w);
void root_look_soon(struct watcher *w, int64_t ms);
void root_lose(struct watcher *w, bool deleted, bool unmounted);
void root_on_guard(struct watcher *w, uint32_t mask, struct str name);
bool root_is_guard(const struct watcher *w, const struct watched *watched);
void root_fini(struct watcher *w);

/* take.c */
void take_run(struct watcher *w);
void take_arm(struct watcher *w);
/* It may have been enabled or resumed. */
void take_wake(struct watcher *w);
void take_stop(struct watcher *w);

/* file.c */
struct watcher *watcher_find(struct core *core, const char *name, uint64_t serial);
/* All has been met once: from now on what is unknown is news. */
bool watcher_set_known(struct watcher *w, struct err *err);

#endif
