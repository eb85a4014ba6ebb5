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
#define OID_NONE "0000000000000000000000000000000000000000"

/* What is asked: a line of JSON, then "OID REF" for every ref that is known. */
struct request {
	json_t *head;
	const char *repo;   /* path or URL */
	const char *cache;  /* folder of our own, for what is fetched */
	const char *secret; /* password, token or private key; NULL */
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

struct look {
	struct request request;
	struct git git;
	git_repository *repository; /* the local one, or the cache; NULL: none (yet) */
	git_remote *remote;
	struct ref *refs; /* by name */
	size_t found, left_out;
	const char *incomplete; /* why changes are told without what is in them; NULL */
	struct buf out;
};

/* git_refs.c */
struct ref *ref_note(struct look *look, struct str name);
bool ref_is_wanted(const struct look *look, struct str name);
/* Finds all refs of a local repository. */
bool refs_list_local(struct look *look, struct err *err);
void refs_free(struct look *look);

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
