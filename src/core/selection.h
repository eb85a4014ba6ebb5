/* Selections: which changes somebody means, found page by page beside the loop, kept on disk.
 * SPEC 12: BATCH|RUN|CHANGE..., --entity, --where, and the group that a diff shows. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_SELECTION_H
#define ROUSE_CORE_SELECTION_H

#include "core/core.h"
#include "store/changes.h"

#define SELECTION_IDS_MAX 10000

/* All members must hold for a change to be selected; NULL and 0: no matter. Text is owned. */
struct selection_spec {
	char *batch;	/* full id: NAME/START */
	char *run;	/* id, or a beginning of one that is unique */
	char **ids;	/* of changes, or beginnings; NULL: not by name */
	char **digests; /* of ids: what each has to be as it is; NULL: no matter */
	size_t id_count;
	char *entity;
	char *where;	   /* a jq program over the change object */
	char *group;	   /* name of a group (pure/group.h) */
	unsigned statuses; /* a bit (1 << enum change_state) for each; 0: any */
	int64_t last_seq;  /* none that came later; 0: all */
	int64_t *except;   /* seqs, sorted, that are none of it */
	size_t except_count;
	bool open_since; /* proposed, or decided from `since` on: what was open then */
	struct wall since;
	/* Told each row in the thread, as it is selected, lent; NULL: not wanted. Not where only jq
	 * can tell which are: see selection_told(). */
	void (*on_row)(void *arg, const struct change_row *row);
	void *on_row_arg;
};
void selection_spec_fini(struct selection_spec *spec);
/* From the members batch, run, changes (ids), entity, where, group of an object. E_USAGE. */
bool selection_spec_read(const json_t *object, struct selection_spec *ret, struct err *err);

struct selected {
	int64_t seq;
	unsigned char digest[32]; /* of the change, as it was selected */
};

struct selection;

/* err->code E_OK: the selection is whole. Otherwise: E_NOT_FOUND (a run or change that is none),
 * E_MAPPING (what jq says), E_INVALID (the program does not compile), E_TIMEOUT, ... Never from
 * within selection_new(). The selection stays its maker's. */
typedef void selection_on_done(void *arg, struct selection *selection, struct err *err);

/* Takes what spec owns. policy: text that goes into the digest, "" for none. Reads in work threads
 * what is committed by now; jq runs in rouse-jq. To be freed by its maker, not before on_done. */
struct selection *selection_new(struct core *core, struct selection_spec *spec, const char *policy,
				selection_on_done *on_done, void *arg);
void selection_free(struct selection *selection);

const struct selection_spec *selection_spec(const struct selection *selection);
bool selection_told(const struct selection *selection); /* was on_row told of all? */
/* Ids, named with their digests, that no change has: an array, or NULL. Those named without are an
 * error of the whole. */
const json_t *selection_missing(const struct selection *selection);
uint64_t selection_count(const struct selection *selection);
/* Over id and digest of all that was selected, and the policy: 64 hex digits. An approval that
 * carries it covers exactly these, as they were. */
const char *selection_digest(const struct selection *selection);
/* The same digest of changes that somebody has at hand, in the order of their seqs. */
struct selection_chain {
	unsigned char bytes[32];
};
void selection_chain_init(struct selection_chain *chain, const char *policy);
void selection_chain_add(struct selection_chain *chain, const char *id, const char *digest);
void selection_chain_hex(const struct selection_chain *chain, char ret[65]);
/* n from the at-th on, in the order of their seqs; how many there were, -1 when the disk fails. */
int selection_get(const struct selection *selection, uint64_t at, struct selected *ret, int n,
		  struct err *err);

/* For a work thread: the rows of the selection from the at-th on, at most n, lent. A row that is
 * gone by now is left out. reader: store_open_reader(). */
bool selection_rows(const struct selection *selection, struct store *reader, uint64_t at, int n,
		    bool (*fn)(void *arg, const struct change_row *row), void *arg,
		    struct err *err);

/* What a change does, for pure/effect.h. */
struct effect_of;
struct effect_of change_effect(const struct change_row *change);

#endif
