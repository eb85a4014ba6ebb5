/* Pending: paths that something happened to, until they have come to rest and were looked at. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_FILE_PENDING_H
#define ROUSE_TRIGGERS_FILE_PENDING_H

#include "base/map.h"
#include "base/str.h"
#include "triggers/file/pack.h"

/* How long a name that has gone may come back, as another file or under another name, before it
 * counts as gone. */
#define HOLD_MS 200

enum mark {
	MARK_CREATED, /* it is there; whoever made it has not closed it */
	MARK_WRITTEN, /* closed after writing, or renamed to here */
	MARK_TOUCHED, /* its times or rights are others */
	MARK_GONE,    /* deleted, or renamed to elsewhere */
	MARK_SEEN,    /* what was listed is not what was known */
	MARK_MET      /* ... the first time that this folder was listed at all */
};

struct pending {
	char *path;	    /* below the root */
	char *from;	    /* it may have been renamed from there; NULL */
	char *heir;	    /* it may have been renamed to there, which is looked at first; NULL */
	int64_t due, first; /* milliseconds of the loop's clock; of the first mark */
	size_t place;	    /* in the heap, from 1; 0: not there */
	unsigned tries;
	bool busy;     /* being looked at, or on its way into the store */
	bool again;    /* marked meanwhile */
	bool unclosed; /* created, and no close was seen */
	bool gone;     /* it was seen to go */
	bool met;      /* it may have been there long before anybody looked */
	bool has_seen; /* ... by the look before: */
	struct version seen;
	UT_hash_handle hh;
};

struct pendings {
	struct pending *by_path;
	struct pending **heap;
	size_t count, queued, room, max;
	int64_t settle_ms, longest_ms;
};

void pendings_fini(struct pendings *pendings);
struct pending *pendings_find(struct pendings *pendings, struct str path);
/* Notes that something happened to path at now; NULL: there is no room. The quiet time begins anew,
 * unless that would make it wait longer than longest_ms in all. */
struct pending *pendings_mark(struct pendings *pendings, struct str path, enum mark mark,
			      int64_t now);
/* path was renamed to `to`; both are marked. False: there is no room. */
bool pendings_move(struct pendings *pendings, struct str path, struct str to, int64_t now);
/* The one that is due first, now busy; NULL: none is due. */
struct pending *pendings_take(struct pendings *pendings, int64_t now);
/* Taken out of turn, by another that concerns it; false: it is busy. */
bool pendings_hold(struct pendings *pendings, struct pending *pending);
/* A busy one waits until due. */
void pendings_again(struct pendings *pendings, struct pending *pending, int64_t due);
/* A busy one is done with: forgotten, or (marked meanwhile) begun anew. Its heir's forebear may go
 * on. */
void pendings_done(struct pendings *pendings, struct pending *pending, int64_t now);
/* When the next is due; -1: none waits. */
int64_t pendings_next(const struct pendings *pendings);
/* Forgets all that is not busy; busy ones as they are done. */
void pendings_drop(struct pendings *pendings);

#endif
