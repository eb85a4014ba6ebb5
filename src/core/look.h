/* Looks: a selection of changes, grouped, with what needs eyes first; kept for who reads on.
 * SPEC 12, rouse diff and rouse review. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_LOOK_H
#define ROUSE_CORE_LOOK_H

#include "core/selection.h"
#include "pure/group.h"

#define LOOKS_MAX 16	    /* kept; the one least lately used goes */
#define LOOK_KEEP_MS 600000 /* after its last use */
#define LOOK_ROWS_MAX 4000000

struct look;
struct looks;

struct looks *looks_new(struct core *core);
void looks_free(struct looks *looks);

/* look NULL: err says why. It is the room's, and lives until the loop goes on. */
typedef void look_on_done(void *arg, struct look *look, struct err *err);
/* Takes what spec owns. Exactly once, never from within. */
void look_take(struct core *core, struct selection_spec *spec, const char *policy,
	       look_on_done *on_done, void *arg);
/* By its id, or by the digest of its selection; NULL: not kept any more. Counts as a use. */
struct look *look_find(struct core *core, const char *id);
struct look *look_find_digest(struct core *core, const char *digest);

const char *look_id(const struct look *look);
const struct selection *look_selection(const struct look *look);
const struct grouper *look_groups(const struct look *look);

/* One change in the order of what needs eyes first. */
struct looked {
	int64_t seq;
	uint32_t group; /* its place among the groups as ranked */
	uint32_t flags; /* enum group_flag */
};
/* n from the at-th on; how many there were, -1 when the disk fails. */
int look_get(const struct look *look, uint64_t at, struct looked *ret, int n, struct err *err);

struct look_counts {
	uint64_t all, flagged, create, update, remove, call;
	uint64_t by_status[16]; /* enum change_state */
};
const struct look_counts *look_counts(const struct look *look);

#endif
