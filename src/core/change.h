/* Changes: what a run proposes, and who decides. Rules only. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_CHANGE_H
#define ROUSE_CORE_CHANGE_H

#include "core/attempt.h"

#define CHANGE_STATES(X)                                                                           \
	X(CHANGE_PROPOSED, "proposed")                                                             \
	X(CHANGE_APPROVED, "approved")                                                             \
	X(CHANGE_REJECTED, "rejected")                                                             \
	X(CHANGE_SUPERSEDED, "superseded")                                                         \
	X(CHANGE_APPLYING, "applying")                                                             \
	X(CHANGE_APPLIED, "applied")                                                               \
	X(CHANGE_CONFLICT, "conflict")                                                             \
	X(CHANGE_FAILED, "failed")                                                                 \
	X(CHANGE_REVERTING, "reverting")                                                           \
	X(CHANGE_REVERTED, "reverted")
enum change_state {
#define X(id, name) id,
	CHANGE_STATES(X)
#undef X
		CHANGE_STATE_COUNT,
	CHANGE_NOWHERE = -1
};
enum change_event {
	CHANGE_APPROVE,
	CHANGE_REJECT,
	CHANGE_EDIT,
	CHANGE_SUPERSEDE,
	CHANGE_APPLY, /* the dispatcher takes it */
	CHANGE_DONE,  /* the target did it */
	CHANGE_DRIFT,
	CHANGE_FAIL,
	CHANGE_AGAIN, /* later: a transient failure */
	CHANGE_REVERT,
	CHANGE_REOPEN, /* a decision is taken back */
	CHANGE_EVENTS
};
const char *change_state_name(enum change_state state);
enum change_state change_state_of(const char *name);
enum change_state change_next(enum change_state state, enum change_event ev);

/* A `change` line of a run: checked, staged; in mode apply approved at once. What may not be is
 * refused and recorded in the run log; the run goes on. */
bool change_propose(struct attempt *attempt, const json_t *line, struct err *err);

/* The same of what an attempt left where it worked (attempt->left), which its kind has compared
 * with the target already. partial: the run fails, so that nobody but a person approves it. */
bool change_leave(struct attempt *attempt, const json_t *line, bool partial, struct err *err);
/* A proposal whose target had nothing against it, within the turn: it replaces what it has to, its
 * rules are asked, or (apply) it is approved. */
bool change_stand(struct core *core, const struct change_row *change, bool apply, struct err *err);
/* Supersedes what this proposal replaces, within the turn: of earlier runs everything on the
 * entity, of its own what it says again. */
bool change_replace(struct core *core, int64_t seq, const struct change_row *change,
		    struct err *err);
/* One that its target refuses, in these words: rejected. */
bool change_refuse(struct core *core, const struct change_row *change, const char *why,
		   struct err *err);

/* By a person. seen_digest (NULL: not said) must be the change's own (E_STATE when it differs now).
 * Who approves a conflict approves on what is there now: that becomes its `before`. */
bool change_decide(struct core *core, const char *id, enum change_event ev, const char *by,
		   const char *reason, const char *seen_digest, struct err *err);
/* The same about a row as it was just read. *ret_to: what it is now, which is what it was where
 * others have to agree. */
bool change_decide_row(struct core *core, const struct change_row *change, enum change_event ev,
		       const char *by, const char *reason, enum change_state *ret_to,
		       struct err *err);
/* What was approved before, by as many as it takes: by says by whom. */
bool change_approve_again(struct core *core, const struct change_row *change, const char *by,
			  const char *reason, struct err *err);
/* Replaces `after` of a proposal; it stays proposed, with a new digest. */
bool change_edit(struct core *core, const char *id, const json_t *after, const char *by,
		 const char *reason, struct err *err);
/* approved, failed, conflict: ask the dispatcher again. Nothing to do when it is applied. */
bool change_apply_again(struct core *core, const char *id, const char *by, struct err *err);
bool change_revert(struct core *core, const char *id, const char *by, const char *reason,
		   struct err *err);

/* SHA-256 over what a person sees (of a conflict also what was found), hex; owned. */
char *change_digest(const struct change_row *change);
json_t *change_object(const struct change_row *change);
/* Tells who follows, after the turn, what it is now. */
void change_tell(struct core *core, int64_t seq);

#endif
