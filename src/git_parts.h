/* rouse-git: what its files share. It looks at one repository once: what is asked comes on standard
 * input, what is found goes to standard output, line by line, so that what was found before it dies
 * counts. triggers/git/look.c is the other side. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_GIT_PARTS_H
#define ROUSE_GIT_PARTS_H

#include "base/json.h"
#include "base/map.h"
#include "io/git.h"

#define REF_MAX 1024 /* bytes of a name; longer ones are left out */
/* Refs of the cache, one a commit that was fetched: what the next fetch need not bring again. */
#define KEPT "refs/rouse/"
#define OID_NONE "0000000000000000000000000000000000000000"

/* What is asked: a line of JSON, then "OID REF" for every ref that is known. */
struct request {
	json_t *head;
	const char *repo;   /* path or URL */
	const char *cache;  /* folder of our own, for what is fetched */
	const char *secret; /* password, token or private key; NULL */
	const char *git;    /* the program; NULL: libgit2 fetches, and that whole */
	const char *ssh;    /* the program that git reaches an ssh server by; NULL */
	bool remote;
	bool learn; /* refs that are not known are told, and no more */
	bool plain; /* an earlier look died over what is in there: names and ids alone */
	int64_t changes_max, commits_max, paths_max, fetch_max;
};

/* A ref: as it is known, and as it was found. "" where it is not. */
struct ref {
	char *name;
	char known[GIT_OID_HEXSZ + 1], found[GIT_OID_HEXSZ + 1];
	char peeled[GIT_OID_HEXSZ + 1]; /* of a remote's tag */
	bool unreadable;		/* it is there, and what it points to cannot be read */
	UT_hash_handle hh;
};

struct courier;

struct look {
	struct request request;
	struct git git;
	git_repository *repository; /* the local one, or the cache; NULL: none (yet) */
	git_remote *remote;
	struct ref *refs; /* by name */
	size_t found, left_out;
	const char *incomplete;	 /* why changes are told without what is in them; NULL */
	struct courier *courier; /* NULL: libgit2 fetches */
	bool shallow;		 /* a history that ends where its commits still name parents */
	struct buf out;
};

/* git_refs.c */
struct ref *ref_note(struct look *look, struct str name);
bool ref_is_wanted(const struct look *look, struct str name);
/* Finds all refs of a local repository. */
bool refs_list_local(struct look *look, struct err *err);
void refs_free(struct look *look);

/* git_walk.c: commits of a history that may be cut off. */
struct walk {
	git_oid *ids; /* newest first; owned */
	size_t count;
	bool more;    /* there are more than were asked for */
	bool border;  /* some of them come from commits that are not here */
	bool reached; /* the first of those that were hidden leads to the start */
};
/* From start down, without what the hidden ones lead to; those that are not here hide nothing. */
void walk_commits(struct look *look, const git_oid *start, const git_oid *hidden, size_t count,
		  size_t most, struct walk *ret);
void walk_fini(struct walk *walk);
/* Does the repository's history end before its beginning? */
bool walk_is_needed(const struct look *look);

/* git_cut.c */
/* Brings what these refs point to into the cache, a hundred commits deep and a little. Errors as
 * courier_fetch()'s. */
bool cut_fetch(struct look *look, struct ref *const *refs, size_t count, struct err *err);
/* There is git, and it did not fail time and again. */
bool cut_is_possible(const struct look *look);
/* A fetch into the cache did not come to its end; until cut_is_mended(). */
bool cut_was_broken(const struct look *look);
void cut_is_mended(const struct look *look);
/* All is well again. */
void cut_forget(const struct look *look);

/* git_courier.c: a process that may start one program still: git, to fetch. */

/* Before rights are given up. NULL: there is no git, or nothing to fetch; libgit2 does it then. */
struct courier *courier_start(const struct look *look);
void courier_free(struct courier *courier);
/* Brings these objects (40 digits each) into the cache, each with its history so many commits deep
 * and, where the server can leave them out, without the content of files. keep: refs/rouse/ID is
 * made of each; what has one already is not made deeper. E_TOO_LARGE: more than fetch_max.
 * E_INVALID: this git, or that server, cannot. E_NOT_FOUND: the server has not, or does not give,
 * one of them. E_UNAVAILABLE: anything else. */
bool courier_fetch(struct courier *courier, unsigned depth, bool keep, const char *const *ids,
		   size_t count, struct err *err);

/* git_roles.c: what git asks rouse-git to be: the one who answers for a password, and the ssh that
 * takes none of its settings from anybody. */
struct role_means {
	const char *secret; /* path of a file in memory */
	const char *user, *known_hosts, *ssh;
};
/* Appends NAME=VALUE of all that git and they need to know. */
void roles_environ(const struct role_means *means, const char *self, struct buf *out);
/* Does not return if this process was started as one of them. */
void roles_play(char **argv);

/* git_remote.c */
bool remote_list(struct look *look, struct err *err);
/* Brings what these refs point to into the cache. Failing for size or a cache that cannot be
 * written is no error: look->incomplete says it. */
bool remote_fetch(struct look *look, struct ref *const *refs, size_t count, struct err *err);

/* git_change.c: the data of the event of one ref that changed, and the cause that its commits
 * carry. */
void change_build(struct look *look, const struct ref *ref, struct buf *data, struct buf *cause);

bool git_failed(const struct look *look, struct err *err, const char *what);

#endif
