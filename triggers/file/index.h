/* Index: what a trigger knows of the files below its root, durable, as facts of the store.
 *
 * Two kinds of facts, so that a change costs one small row however large its folder is, and a
 * million files cost no million rows:
 *   c FOLDER NUL UPPER   a chunk: names of FOLDER whose hash is at most UPPER (four bytes, the
 *                        highest first) and more than that of the chunk before
 *   d FOLDER NUL NAME    a note: what became of one name since; empty: it is gone
 * Notes are written in the transaction of their event, and folded into the chunks by and by.
 * Nothing of it is kept in memory. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_FILE_INDEX_H
#define ROUSE_TRIGGERS_FILE_INDEX_H

#include "store/facts.h"
#include "triggers/file/pack.h"

/* Longer paths have no event: no program could open them by it. */
#define INDEX_PATH_MAX 4095

struct index {
	struct store *store;
	const char *trigger; /* borrowed */
	int64_t notes;	     /* not folded yet, at least */
};

/* A path below the root, cut at its last slash; folder "" is the root. */
void index_cut(struct str path, struct str *ret_folder, struct str *ret_name);

/* What is known of path; *ret_known false: nothing. */
bool index_get(struct index *index, struct str path, struct version *ret, bool *ret_known,
	       struct err *err);
/* The note that path is now so (NULL: gone), to be written with an event. item and value are what
 * the fact borrows. */
struct fact index_note(struct index *index, struct str path, const struct version *version,
		       struct buf *item, struct buf *value);
/* The same within the turn, without an event. */
bool index_set(struct index *index, struct str path, const struct version *version,
	       struct err *err);

/* Names of one folder, in order. */
struct index_names {
	struct packed *entries;
	size_t count;
	struct buf bytes; /* what the names are slices of */
};
void index_names_fini(struct index_names *names);
/* Those whose hashes lie in [from, to], notes considered (and folded). limit: stop after the chunk
 * that reaches so many; *ret_next is where to go on, > UINT32_MAX: all were read. */
bool index_read(struct index *index, struct str folder, uint64_t from, uint32_t to, size_t limit,
		struct index_names *ret, uint64_t *ret_next, struct err *err);
/* Writes changes (in order, each name once) into the chunks of folder. */
bool index_merge(struct index *index, struct str folder, const struct packed *changes, size_t count,
		 struct err *err);
/* Folds up to some hundred notes; *ret_more: there may be others. */
bool index_fold(struct index *index, bool *ret_more, struct err *err);
/* The first folder with a chunk that is greater than after (p NULL: the first at all), by bytes;
 * *ret_found false: there is none. */
bool index_next(struct index *index, struct str after, struct buf *ret_folder, bool *ret_found,
		struct err *err);

/* What the index is of: any text of the source's own. E_NOT_FOUND. */
bool index_about_get(struct index *index, struct buf *ret, struct err *err);
bool index_about_set(struct index *index, struct str about, struct err *err);
/* Everything, the above too. */
bool index_forget(struct index *index, struct err *err);

#endif
