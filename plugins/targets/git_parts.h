/* Git targets, inside: a repository that is open, what a change says of a file in it, and the
 * commits that are made of several. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_GIT_PARTS_H
#define ROUSE_PLUGINS_GIT_PARTS_H

#include "base/list.h"
#include "core/target.h"
#include "io/git.h"
#include "plugins/targets/git.h"

struct git_target {
	const char *name, *repo, *branch, *push;
	char *author, *mail;
	int64_t max_bytes, timeout_ms;
	bool lines;	 /* merge = lines */
	bool run_branch; /* each run's commit is a branch, too */
	bool follows;	 /* checked_out = update */
};

/* --- git_look.c: a repository, looked at ---------------------------------------------------- */

struct git_place {
	struct git git;
	const struct git_target *t;
	git_repository *repository;
	git_commit *tip; /* what comes next is made on; its tree */
	git_tree *tree;
	git_oid local;	/* where the branch is here */
	struct buf ref; /* the branch, whole */
};
#define PLACE_CALL(place, name, ...) GIT_CALL(&(place)->git, name, __VA_ARGS__)

/* Opens the repository and finds its branch. E_UNAVAILABLE, E_NOT_FOUND. git_place_close() after
 * either. Also by several threads at once. */
bool git_place_open(struct git_place *place, const struct git_target *t, struct err *err);
void git_place_close(struct git_place *place);
/* The branch once more, where it may have moved. With `push` the tip is what the remote branch was
 * when it was fetched last, or the branch here where that is ahead of it. */
bool git_place_tip(struct git_place *place, struct err *err);
/* Goes on from a commit that no branch is at yet. */
bool git_place_set(struct git_place *place, const git_oid *id, struct err *err);
/* The ref under which the remote branch is kept. */
void git_remote_ref(const struct git_target *t, struct buf *out);
/* E_UNAVAILABLE with what libgit2 said. */
bool git_place_failed(const struct git_place *place, const char *what, struct err *err);

/* A file of a commit. */
struct git_found {
	bool is;
	git_filemode_t mode;
	struct buf bytes;
};
/* E_INVALID: something else than a file is there, or on the way; E_TOO_LARGE: more than max. */
bool git_found_read(struct git_place *place, const git_tree *tree, const char *path, int64_t max,
		    struct git_found *ret, struct err *err);
/* p NULL: there is none. */
struct str git_found_bytes(const struct git_found *found);
git_tree *git_tree_of(struct git_place *place, const git_oid *commit); /* NULL */

/* A change, and what its images say of the mode apart from what they say of the content. */
struct git_view {
	struct change_row row; /* borrowed, but for before and after */
	char *before, *after;
	git_filemode_t before_mode, after_mode; /* 0: not said */
	bool keeps;				/* the content: the mode alone is changed */
};
/* E_INVALID. git_view_fini() after either. */
bool git_view_init(struct git_view *view, const struct change_row *change, struct err *err);
void git_view_fini(struct git_view *view);
/* Is what was found not what the change was made from? */
bool git_view_drifted(const struct git_view *view, const struct git_found *found);
/* What the change makes of it. E_DRIFT: a patch does not fit. */
bool git_view_make(const struct git_view *view, const struct git_found *found, struct buf *out,
		   struct err *err);

/* Whether a proposal makes sense to this repository, as far as it can be looked at now. */
bool git_change_check(const struct target *target, const struct change_row *change,
		      struct err *err);

/* --- git_plan.c: what a change does to the branch as it is now ------------------------------ */

struct git_job {
	const struct change_row *change;
	struct git_view view;
	char *cause;
	enum target_outcome what;
	bool writes, removes, merged;
	git_filemode_t mode;
	struct buf content; /* for the branch */
	struct buf own;	    /* merged: what the change alone makes of what it was made from */
	struct buf current, receipt;
	struct err err;
};

enum git_pushed { GIT_PUSHED, GIT_REJECTED, GIT_PUSH_FAILED };
typedef void git_on_fetched(void *arg, struct err *err);
typedef void git_on_pushed(void *arg, enum git_pushed what, struct err *err);

struct git_known {
	char hash[65];
	git_oid commit, into; /* into: the merge that brought it to the branch, else the same */
};

struct git_work {
	struct core *core;
	struct git_target *t;
	struct git_place place;
	bool revert;
	struct git_job *jobs;
	size_t count;
	struct git_known *known; /* the keys of the branch's commits */
	size_t known_count;
	bool taken;   /* the branch is checked out, and that goes along */
	bool made;    /* commits that no branch is at: they are to be pushed */
	git_oid head; /* the last of them */
	int tries;    /* of pushing */
	git_on_fetched *on_fetched;
	git_on_pushed *on_pushed;
	struct err err;
	target_on_all_done *on_done;
	void *arg;
	struct core_timer *timer;
	struct mono until;
	LIST_ENTRY(git_work) entry;
};

void git_key_hash(const struct git_work *w, const struct change_row *change, struct buf *out);
/* The keys that the branch has. */
bool git_known_read(struct git_work *w, struct err *err);
void git_job_fini(struct git_job *job);
/* Into the job what it will do; false: job->err. */
bool git_job_plan(struct git_work *w, struct git_job *job);
/* The commit that those of a run's changes that write were made from; the tip, where that is not
 * known. Fills `own`. */
void git_base_find(struct git_work *w, struct git_job *jobs, size_t count, git_oid *ret);

/* --- git_commit.c: commits ------------------------------------------------------------------ */

extern const char git_key_trailer[];
/* The changes of one run, onto the branch; with `push` onto the tip alone, and w->made says so. */
bool git_run_do(struct git_work *w, struct git_job *jobs, size_t count, struct err *err);
/* The branch to what was pushed, or found at the remote. */
bool git_branch_follow(struct git_work *w, struct err *err);

/* --- git_tree.c: a branch that is checked out ------------------------------------------------ */

/* Sets w->taken. E_STATE: it is checked out, and nothing may go along. */
bool git_tree_find(struct git_work *w, struct err *err);
/* Where it is: what would be written over something that was not committed fails (job->err), and
 * all of it while somebody else is at it (E_UNAVAILABLE, E_STATE). */
bool git_tree_check(struct git_work *w, struct git_job *jobs, size_t count, struct err *err);
/* Work tree and index become what the changes make of the branch. False: all is as it was. */
bool git_tree_follow(struct git_work *w, struct git_job *jobs, size_t count, struct err *err);
/* And back, where the branch could not be moved. */
void git_tree_restore(struct git_work *w, struct git_job *jobs, size_t count);

/* --- git_lock.c: locks that a daemon left when it died ---------------------------------------- */

/* This daemon begins: when the first target is opened. */
void git_lock_init(void);
void git_lock_path(const char *folder, const char *name, struct buf *out);
/* Notes what is about to be locked (jobs: of one run; NULL: the branch alone), until it is done. In
 * a thread; one group at a time. */
bool git_lock_note(struct git_work *w, const struct git_job *jobs, struct err *err);
void git_lock_done(struct git_work *w);
/* Removes what a daemon before us noted, locked, and died over. */
void git_lock_recover(struct git_work *w);

/* --- git_push.c: the remote ----------------------------------------------------------------- */

/* The program git, with nothing of the repository run; never from within the call. */
bool git_fetch_start(struct git_work *w, git_on_fetched *on_fetched, struct err *err);
bool git_push_start(struct git_work *w, git_on_pushed *on_pushed, struct err *err);

#endif
