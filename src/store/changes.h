/* Changes: staging table, outbox and undo in one. Rows only; the grid is core/change.h's. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_CHANGES_H
#define ROUSE_STORE_CHANGES_H

#include "store/rows.h"

/* Unique: (run, key). E_EXISTS when that run proposed under this key before (*ret_seq is that
 * row's). */
bool changes_insert(struct store *store, const struct change_row *row, int64_t *ret_seq,
		    struct err *err);
bool changes_get(struct store *store, const char *id, struct change_row *ret,
		 struct err *err); /* id or unique beginning */
bool changes_get_seq(struct store *store, int64_t seq, struct change_row *ret, struct err *err);
/* columns: run(run id) batch target entity status op. */
bool changes_list(struct store *store, const struct list_query *query,
		  bool (*fn)(void *arg, const struct change_row *row), void *arg, struct err *err);
/* All of one run in order of proposal. */
bool changes_of_run(struct store *store, int64_t run,
		    bool (*fn)(void *arg, const struct change_row *row), void *arg,
		    struct err *err);

/* Which changes: of a batch, or of a run (its seq), or all; of one entity; of one status. */
struct change_scope {
	const char *batch; /* NULL: any */
	int64_t run;	   /* 0: any */
	const char *entity, *status;
};
/* Those with a seq beyond after, in order, at most limit, lent. */
bool changes_walk(struct store *store, const struct change_scope *scope, int64_t after,
		  unsigned limit, bool (*fn)(void *arg, const struct change_row *row), void *arg,
		  struct err *err);

/* Compare-and-set of the status; E_STATE names the status that was found. NULL and WALL_NONE: as it
 * is. */
struct change_move {
	const char *from, *to;
	const char *decided_by, *decision_reason;
	const char *error, *receipt, *current, *before, *after, *digest;
	struct wall decided_at, applied_at, reverted_at, due;
	struct wall since; /* of due: now */
	int add_attempt;   /* 1: attempts + 1; -1: attempts = 0 */
	int hold;	   /* 1: held, the outbox does not see it; -1: not any more */
};
bool changes_move(struct store *store, int64_t seq, const struct change_move *move,
		  struct err *err);
/* Takes changes of a target that are due and not held, at most `most`, into ret (a row each, whose
 * text is owned): approved ones, the oldest first, which are `applying` from now on; or, revert,
 * reverting ones, the youngest first, which are taken no second time. Of one entity only one: the
 * others wait until that one has moved on, and what is approved waits for what is reverting. What
 * is approved and waits since later than now is due, too: the clock was set back. Of none
 * *ret_next_due: when to look again (WALL_NONE: on a wake). */
bool changes_take(struct store *store, const char *target, bool revert, struct wall now,
		  size_t most, struct change_row *ret, size_t *ret_count, struct wall *ret_next_due,
		  struct err *err);
/* Moves many of one target that were done, with the decision of each. receipts: the i-th's (JSON);
 * NULL: as it is. E_STATE when one of them is not applying (or reverting): then part of them is
 * moved, and to be undone. */
bool changes_land(struct store *store, const struct change_row *const *rows,
		  const char *const *receipts, size_t count, bool revert, struct wall at,
		  struct err *err);
/* Those left `applying` by a daemon that died; what it had taken to revert may be taken again, and
 * has an attempt more. Once, at start. */
bool changes_in_doubt(struct store *store, bool (*fn)(void *arg, const struct change_row *row),
		      void *arg, struct err *err);
/* Marks the proposals of a run that did not end well. */
bool changes_mark_partial(struct store *store, int64_t run, struct err *err);
/* Proposals, not yet decided, of the same target and entity by earlier runs of the same trigger and
 * agent as that of `keep`: status superseded. *ret_count. */
bool changes_supersede(struct store *store, int64_t keep, unsigned *ret_count, struct err *err);
/* Proposals, not yet decided, of the same run, target and entity, before `keep`. replayed:
 * those of a replay, which are `rejected` as they arrive. */
bool changes_beside(struct store *store, int64_t keep, bool replayed,
		    bool (*fn)(void *arg, const struct change_row *row), void *arg,
		    struct err *err);
/* Counts by status for a run (run > 0) or for all (0). */
bool changes_count(struct store *store, int64_t run,
		   bool (*fn)(void *arg, const char *status, const char *target, int64_t n),
		   void *arg, struct err *err);

/* It waits for its rules, its run being in this mode (apply stage); NULL: not any more. */
bool changes_rule_wait(struct store *store, int64_t seq, const char *mode, struct err *err);
/* Those that wait, in order, lent; fn must not write. */
bool changes_rule_waiting(struct store *store, int64_t after, unsigned limit,
			  bool (*fn)(void *arg, const struct change_row *row), void *arg,
			  struct err *err);
bool changes_rule_mode(struct store *store, int64_t seq, bool *ret_waits, bool *ret_apply,
		       struct err *err);
/* It waits for what its target says of it, its run being in this mode (apply stage); NULL: not any
 * more. */
bool changes_vet_wait(struct store *store, int64_t seq, const char *mode, struct err *err);
/* The seqs of those of a target that wait, in order, at most `most`. */
bool changes_vet_waiting(struct store *store, const char *target, int64_t after, size_t most,
			 int64_t *ret, size_t *ret_count, struct err *err);
bool changes_vet_mode(struct store *store, int64_t seq, bool *ret_waits, bool *ret_apply,
		      struct err *err);
/* Each target that is waited for; fn must not write. */
bool changes_vet_targets(struct store *store, void (*fn)(void *arg, const char *target), void *arg,
			 struct err *err);
/* Does any of the run's wait? */
bool changes_vet_of_run(struct store *store, int64_t run, bool *ret_waits, struct err *err);
/* Its target could not be asked: why, in words. */
bool changes_unchecked(struct store *store, int64_t seq, const char *why, struct err *err);
/* The latest change before seq that another batch of the same name has approved, and not applied,
 * for the same target and entity; E_NOT_FOUND. */
bool changes_approved_before(struct store *store, const struct change_row *of, int64_t seq,
			     struct change_row *ret, struct err *err);
/* An approved one becomes superseded. */
bool changes_replace_approved(struct store *store, const struct change_row *row, struct err *err);
/* previous: JSON, what was approved before and is another now. */
bool changes_differs(struct store *store, int64_t seq, const char *previous, struct err *err);

/* Who decided what, when and why; kept for ever with its object. object: change gate run trigger
 * daemon. */
bool decisions_add(struct store *store, const char *object, const char *object_id,
		   const char *decision, const char *by, const char *reason, const char *digest,
		   struct wall at, struct err *err);
struct decision_row {
	const char *decision, *by, *reason, *digest; /* lent; reason, digest: may be NULL */
	struct wall at;
};
/* Oldest first. */
bool decisions_each(struct store *store, const char *object, const char *object_id,
		    bool (*fn)(void *arg, const struct decision_row *row), void *arg,
		    struct err *err);

#endif
