/* Changes: what a run proposes, and who decides. Rules only. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#include "core/change.h"

#include <assert.h>
#include <math.h>

#include "base/json.h"
#include "base/log.h"
#include "base/uuid.h"
#include "core/apply.h"
#include "core/carry.h"
#include "core/replay.h"
#include "core/review.h"
#include "core/ruling.h"
#include "core/target.h"
#include "core/trust.h"
#include "core/vet.h"
#include "store/batches.h"
#include "store/changes.h"

static const char *const state_names[] = {
#define X(id, name) name,
	CHANGE_STATES(X)
#undef X
};
static_assert(ARRAY_LEN(state_names) == CHANGE_STATE_COUNT, "a name for every state");

static const char *const op_names[] = {"create", "update", "delete", "call"};

#define NO CHANGE_NOWHERE
/* clang-format off */
static const signed char grid[CHANGE_STATE_COUNT][CHANGE_EVENTS] = {
	/*                       APPROVE          REJECT           EDIT             SUPERSEDE          APPLY            DONE            DRIFT            FAIL           AGAIN            REVERT            REOPEN */
	[CHANGE_PROPOSED]   = { CHANGE_APPROVED, CHANGE_REJECTED, CHANGE_PROPOSED, CHANGE_SUPERSEDED, NO,              NO,             NO,              NO,            NO,              NO,               CHANGE_PROPOSED },
	[CHANGE_APPROVED]   = { NO,              CHANGE_REJECTED, NO,              NO,                CHANGE_APPLYING, NO,             NO,              NO,            NO,              NO,               CHANGE_PROPOSED },
	[CHANGE_REJECTED]   = { NO,              NO,              NO,              NO,                NO,              NO,             NO,              NO,            NO,              NO,               CHANGE_PROPOSED },
	[CHANGE_SUPERSEDED] = { NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO },
	[CHANGE_APPLYING]   = { NO,              NO,              NO,              NO,                NO,              CHANGE_APPLIED, CHANGE_CONFLICT, CHANGE_FAILED, CHANGE_APPROVED, NO, NO },
	[CHANGE_APPLIED]    = { NO,              NO,              NO,              NO,                NO,              NO,             NO,              NO,            NO,              CHANGE_REVERTING, NO },
	[CHANGE_CONFLICT]   = { CHANGE_APPROVED, CHANGE_REJECTED, NO,              NO,                NO,              NO,             NO,              NO,            NO,              NO, NO },
	[CHANGE_FAILED]     = { CHANGE_APPROVED, CHANGE_REJECTED, NO,              NO,                NO,              NO,             NO,              NO,            NO,              NO, NO },
	[CHANGE_REVERTING]  = { NO,              NO,              NO,              NO,                NO,              CHANGE_REVERTED, CHANGE_APPLIED, CHANGE_APPLIED, CHANGE_REVERTING, NO, NO },
	[CHANGE_REVERTED]   = { NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO },
};
/* clang-format on */
#undef NO

static const char *const event_words[] = {"approve", "reject", "edit",	"supersede",
					  "apply",   "apply",  "apply", "apply",
					  "apply",   "revert", "reopen"};
static_assert(ARRAY_LEN(event_words) == CHANGE_EVENTS, "a word for every event");
static const char *const event_participles[] = {"approved", "rejected", "edited",  "superseded",
						"applied",  "applied",	"applied", "applied",
						"applied",  "reverted", "reopened"};
static_assert(ARRAY_LEN(event_participles) == CHANGE_EVENTS, "a participle for every event");

const char *
change_state_name(enum change_state state)
{
	return state_names[state];
}

enum change_state
change_state_of(const char *name)
{
	return (enum change_state)str_place(state_names, ARRAY_LEN(state_names), name);
}

enum change_state
change_next(enum change_state state, enum change_event ev)
{
	return state == CHANGE_NOWHERE ? CHANGE_NOWHERE : (enum change_state)grid[state][ev];
}

/* --- a proposal ---------------------------------------------------------------------------- */

/* The agent's own key, else one that is the same when the same run proposes the same thing again.
 */
static char *
key_of(const struct attempt *attempt, const json_t *line, const struct change_row *change)
{
	const char *key = json_str(line, "key");
	struct change_row bare = *change;
	AUTO(auto_free) char *digest = NULL;
	struct buf made = BUF_INIT;

	if (key && *key)
		return mem_strdup(key);
	bare.before = NULL;
	digest = change_digest(&bare);
	buf_printf(&made, "%s/%.16s", attempt->run.id, digest);
	return buf_take(&made);
}

static bool
proposal_read(const struct attempt *attempt, const json_t *line, struct change_row *change,
	      struct err *err)
{
	const char *op = json_str(line, "op"), *target = json_str(line, "target");
	double confidence = json_num(line, "confidence", -1);

	if (!target)
		return err_set(
			err, E_INVALID,
			"change without target; expected the name of one of the agent's targets");
	op = op ? op : "update";
	if (str_place(op_names, ARRAY_LEN(op_names), op) < 0)
		return err_set(
			err, E_INVALID,
			"change on %s: op %s is unknown; expected create, update, delete or call",
			target, op);
	change->target = mem_strdup(target);
	change->op = mem_strdup(op);
	change->entity = mem_strdup(json_str(line, "entity"));
	if (!change->entity && json_is_integer(json_object_get(line, "entity")))
		change->entity = json_member_text(line, "entity");
	change->before = json_member_text(line, "before");
	change->after = json_member_text(line, "after");
	change->patch = json_member_text(line, "patch");
	change->reason = mem_strdup(json_str(line, "reason"));
	change->confidence =
		isfinite(confidence) && confidence >= 0 && confidence <= 1 ? confidence : -1;
	change->batch = mem_strdup(attempt->run.batch);
	change->key = key_of(attempt, line, change);
	change->digest = change_digest(change);
	return true;
}

enum proposal { PROPOSED, LEFT, LEFT_PARTIAL };

static bool
proposal_check(const struct attempt *attempt, const struct change_row *change, enum proposal how,
	       struct err *err)
{
	const struct target *target = registry_target(attempt->registry, change->target);

	if (!trust_may_target(attempt->agent, attempt->trust, change->target, err))
		return false;
	if (!target)
		return err_set(err, E_NOT_FOUND, "there is no target %s", change->target);
	return how != PROPOSED || !target->kind->check ||
	       target->kind->check(attempt->core, target, change, err);
}

/* Has its target more to say than it could at once? */
static bool
proposal_is_vetted(const struct attempt *attempt, const struct change_row *change)
{
	const struct target *target = registry_target(attempt->registry, change->target);

	return target->kind->vet && target->kind->vets(target, change);
}

struct wake {
	struct core *core;
	char *target;
};

static void
on_approved(void *arg, const struct err *err)
{
	struct wake *wake = arg;

	if (err->code == E_OK)
		apply_wake(wake->core->apply, wake->target);
	free(wake->target);
	free(wake);
}

static void
wake_after(struct core *core, const char *target)
{
	struct wake *wake = mem_alloc(sizeof(*wake));

	wake->core = core;
	wake->target = mem_strdup(target);
	turn_after(core->store, on_approved, wake);
}

static bool
same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* What it would write, and where. Its before may have become another since: see change_ground(). */
static bool
same_proposal(const struct change_row *a, const struct change_row *b)
{
	return same_text(a->target, b->target) && same_text(a->entity, b->entity) &&
	       same_text(a->op, b->op) && same_text(a->after, b->after) &&
	       same_text(a->patch, b->patch);
}

/* An attempt that is repeated proposes again what stands already. Anything else needs a key of its
 * own. */
static bool
stands_already(struct core *core, int64_t seq, const struct change_row *change, struct err *err)
{
	AUTO(change_row_fini) struct change_row known = {0};

	if (!changes_get_seq(core->store, seq, &known, err))
		return false;
	if (!same_proposal(&known, change))
		return err_set(err, E_CONFLICT,
			       "change %s of this run has the key %s already, and is another; use "
			       "another key",
			       known.id, change->key);
	err_fini(err);
	*err = (struct err)ERR_INIT;
	return true;
}

/* What it replaces, and who is asked about it next; *ret_ruled: nobody approves it before that. */
static bool
proposal_stand(struct core *core, int64_t seq, const struct change_row *change,
	       const struct review_policy *policy, bool apply, bool *ret_ruled, struct err *err)
{
	bool ruled = ruling_wants(policy), carried = false;

	*ret_ruled = ruled;
	return change_replace(core, seq, change, err) &&
	       (!change->batch || (apply && !ruled) ||
		change_carry(core, seq, change, &carried, err)) &&
	       (!ruled || carried || ruling_ask(core, seq, apply, err));
}

bool
change_stand(struct core *core, const struct change_row *change, bool apply, struct err *err)
{
	bool ruled;

	if (!proposal_stand(core, change->seq, change, review_policy_of_change(core, change), apply,
			    &ruled, err))
		return false;
	return !apply || ruled || change_approve_again(core, change, "policy", NULL, err);
}

/* In the turn that inserted it. */
static bool
proposal_go_on(struct core *core, int64_t seq, const struct change_row *change, bool vetted,
	       const struct review_policy *policy, bool apply, struct err *err)
{
	bool ruled;

	return vetted ? vet_ask(core, change, seq, apply, err)
		      : proposal_stand(core, seq, change, policy, apply, &ruled, err);
}

static bool
proposal_stage(struct attempt *attempt, const json_t *line, enum proposal how, struct err *err)
{
	struct core *core = attempt->core;
	AUTO(change_row_fini)
	struct change_row change = {.created = core_wall(core),
				    .decided_at = WALL_NONE,
				    .applied_at = WALL_NONE,
				    .reverted_at = WALL_NONE,
				    .due = WALL_NONE};
	const struct review_policy *policy =
		how == LEFT_PARTIAL
			? NULL
			: review_policy_of(core, attempt->run.batch, attempt->run.trigger);
	bool replayed = replay_is(attempt->run.batch), approved, vetted;
	bool apply = !strcmp(attempt->run.mode, "apply") && !replayed && how != LEFT_PARTIAL;
	struct uuid id = uuid_v7(change.created);
	int64_t seq = 0;

	if (!proposal_read(attempt, line, &change, err) ||
	    !proposal_check(attempt, &change, how, err))
		return false;
	vetted = !replayed && how == PROPOSED && proposal_is_vetted(attempt, &change);
	approved = apply && !vetted && !ruling_wants(policy);
	change.id = mem_strdup(id.text);
	change.run = attempt->run.seq;
	change.status = mem_strdup(replayed ? "rejected" : approved ? "approved" : "proposed");
	if (approved || replayed) {
		change.decided_by = mem_strdup(replayed ? "replay" : "policy");
		change.decided_at = change.created;
	}
	if (!turn_savepoint(core->store, err))
		return false;
	if (!changes_insert(core->store, &change, &seq, err) ||
	    !(replayed ? change_replace(core, seq, &change, err)
		       : proposal_go_on(core, seq, &change, vetted, policy, apply, err))) {
		turn_undo(core->store);
		return err->code == E_EXISTS && stands_already(core, seq, &change, err);
	}
	turn_release(core->store);
	log_debug("change staged", "change", change.id, "run", attempt->run.id, "target",
		  change.target, "status", change.status);
	change_tell(core, seq);
	if (approved)
		wake_after(core, change.target);
	crash_point("after-propose");
	return true;
}

bool
change_propose(struct attempt *attempt, const json_t *line, struct err *err)
{
	return proposal_stage(attempt, line, PROPOSED, err);
}

bool
change_leave(struct attempt *attempt, const json_t *line, bool partial, struct err *err)
{
	return proposal_stage(attempt, line, partial ? LEFT_PARTIAL : LEFT, err);
}

/* --- decisions ----------------------------------------------------------------------------- */

static bool
refuse_state(const struct change_row *change, enum change_event ev, struct err *err)
{
	if (replay_is(change->batch))
		return replay_refuse(change->id, change->batch, event_participles[ev], err);
	return err_set(err, E_STATE, "change %s is %s; it cannot be %s now", change->id,
		       change->status, event_participles[ev]);
}

/* The move and the decision, or neither. */
static bool
decision_keep(struct core *core, const struct change_row *change, const struct change_move *move,
	      const char *decision, const char *by, const char *reason, struct err *err)
{
	if (!turn_savepoint(core->store, err))
		return false;
	if (changes_move(core->store, change->seq, move, err) &&
	    decisions_add(core->store, "change", change->id, decision, by, reason,
			  move->digest ? move->digest : change->digest, core_wall(core), err)) {
		turn_release(core->store);
		return true;
	}
	turn_undo(core->store);
	return false;
}

/* A person saw all three sides: what was found is what it starts from now. */
static char *
approve_found(const struct change_row *conflict, char **ret_digest)
{
	struct change_row change = *conflict;
	char *ground = change_ground(conflict->before, conflict->current);

	change.before = ground ? ground : conflict->before;
	change.status = NULL;
	*ret_digest = change_digest(&change);
	return ground;
}

static const char *
reason_found(const char *reason, struct buf *out)
{
	if (reason && *reason)
		buf_printf(out, "%s; ", reason);
	buf_puts(out, "approved on what is there now");
	return buf_cstr(out);
}

/* What is approved of a batch waits until that is applied, unless it is applied as it goes; what a
 * person asks for by its name goes. */
static int
approve_hold(struct core *core, const struct change_row *change, enum change_state to)
{
	AUTO(batch_row_fini) struct batch_row batch = {0};
	AUTO(err_fini) struct err none = ERR_INIT;

	if (!change->batch || to != CHANGE_APPROVED)
		return 0;
	if (change_state_of(change->status) != CHANGE_PROPOSED)
		return -1;
	return batches_get(core->store, change->batch, &batch, &none) &&
			       !strcmp(batch.mode, "apply")
		       ? -1
		       : 1;
}

/* alone: nobody else has to agree (any more). */
static bool
decide_row(struct core *core, const struct change_row *change, enum change_event ev, bool alone,
	   const char *by, const char *reason, enum change_state *ret_to, struct err *err)
{
	struct wall now = core_wall(core);
	AUTO(buf_fini) struct buf why = BUF_INIT;
	AUTO(auto_free) char *ground = NULL;
	AUTO(auto_free) char *digest = NULL;
	struct change_move move;
	enum change_state to = change_next(change_state_of(change->status), ev);

	if (to == CHANGE_NOWHERE || replay_is(change->batch))
		return refuse_state(change, ev, err);
	if (ev == CHANGE_APPROVE && !alone && !review_is_enough(core, change, by, &to, err))
		return false;
	if (change_state_of(change->status) == CHANGE_CONFLICT && to == CHANGE_APPROVED) {
		ground = approve_found(change, &digest);
		reason = ground ? reason_found(reason, &why) : reason;
	}
	move = (struct change_move){.from = change->status,
				    .to = change_state_name(to),
				    .decided_by = by,
				    .decision_reason = reason,
				    .before = ground,
				    .digest = digest,
				    .decided_at = now,
				    .applied_at = WALL_NONE,
				    .reverted_at = WALL_NONE,
				    .due = now,
				    .since = now,
				    .add_attempt = -1,
				    .hold = approve_hold(core, change, to)};
	if (to == change_state_of(change->status)) {
		/* One of several who must: it stays as it is, and the decision is kept. */
		if (!decisions_add(core->store, "change", change->id, event_words[ev], by, reason,
				   change->digest, now, err))
			return false;
	} else if (!decision_keep(core, change, &move, event_words[ev], by, reason, err)) {
		return false;
	}
	change_tell(core, change->seq);
	log_info("change decided", "change", change->id, "decision", event_words[ev], "by", by);
	if (to == CHANGE_APPROVED)
		wake_after(core, change->target);
	*ret_to = to;
	return true;
}

bool
change_decide_row(struct core *core, const struct change_row *change, enum change_event ev,
		  const char *by, const char *reason, enum change_state *ret_to, struct err *err)
{
	return decide_row(core, change, ev, false, by, reason, ret_to, err);
}

bool
change_approve_again(struct core *core, const struct change_row *change, const char *by,
		     const char *reason, struct err *err)
{
	enum change_state to;

	return decide_row(core, change, CHANGE_APPROVE, true, by, reason, &to, err);
}

bool
change_decide(struct core *core, const char *id, enum change_event ev, const char *by,
	      const char *reason, const char *seen_digest, struct err *err)
{
	AUTO(change_row_fini) struct change_row change = {0};
	enum change_state to;

	if (!changes_get(core->store, id, &change, err))
		return false;
	if (change_next(change_state_of(change.status), ev) == CHANGE_NOWHERE)
		return refuse_state(&change, ev, err);
	if (seen_digest && change.digest && strcmp(seen_digest, change.digest))
		return err_set(err, E_STATE,
			       "change %s is not what was shown any more; look at it again (rouse "
			       "diff %s)",
			       change.id, change.id);
	return change_decide_row(core, &change, ev, by, reason, &to, err);
}

bool
change_refuse(struct core *core, const struct change_row *change, const char *why, struct err *err)
{
	static const char by[] = "target";
	const struct change_move move = {.from = "proposed",
					 .to = "rejected",
					 .decided_by = by,
					 .decision_reason = why,
					 .decided_at = core_wall(core),
					 .applied_at = WALL_NONE,
					 .reverted_at = WALL_NONE,
					 .due = WALL_NONE};

	if (!decision_keep(core, change, &move, "reject", by, why, err))
		return false;
	change_tell(core, change->seq);
	log_info("change refused by its target", "change", change->id, "target", change->target,
		 "error", why);
	return true;
}

bool
change_edit(struct core *core, const char *id, const json_t *after, const char *by,
	    const char *reason, struct err *err)
{
	AUTO(change_row_fini) struct change_row change = {0};
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(auto_free) char *digest = NULL;
	const struct target *target;
	struct change_move move;

	if (!changes_get(core->store, id, &change, err))
		return false;
	if (change_next(change_state_of(change.status), CHANGE_EDIT) == CHANGE_NOWHERE)
		return refuse_state(&change, CHANGE_EDIT, err);
	json_write(&text, after);
	free(change.after);
	change.after = mem_strdup(buf_cstr(&text));
	target = registry_target(core->registry, change.target);
	if (target && target->kind->check && !target->kind->check(core, target, &change, err))
		return false;
	digest = change_digest(&change);
	move = (struct change_move){.from = "proposed",
				    .to = "proposed",
				    .after = buf_cstr(&text),
				    .digest = digest,
				    .decided_at = WALL_NONE,
				    .applied_at = WALL_NONE,
				    .reverted_at = WALL_NONE,
				    .due = WALL_NONE};
	if (!decision_keep(core, &change, &move, "edit", by, reason, err))
		return false;
	change_tell(core, change.seq);
	return true;
}

bool
change_apply_again(struct core *core, const char *id, const char *by, struct err *err)
{
	AUTO(change_row_fini) struct change_row change = {0};
	const struct change_move now = {.from = "approved",
					.to = "approved",
					.decided_at = WALL_NONE,
					.applied_at = WALL_NONE,
					.reverted_at = WALL_NONE,
					.due = core_wall(core),
					.since = core_wall(core),
					.hold = -1};
	enum change_state state;

	if (!changes_get(core->store, id, &change, err))
		return false;
	if (replay_is(change.batch))
		return replay_refuse(change.id, change.batch, "applied", err);
	state = change_state_of(change.status);
	if (state == CHANGE_FAILED || state == CHANGE_CONFLICT)
		return change_decide(core, change.id, CHANGE_APPROVE, by, "apply again", NULL, err);
	if (state == CHANGE_PROPOSED)
		return err_set(err, E_STATE,
			       "change %s is proposed; approve it first (rouse approve %s)",
			       change.id, change.id);
	if (state == CHANGE_REJECTED || state == CHANGE_SUPERSEDED || state == CHANGE_REVERTED ||
	    state == CHANGE_REVERTING)
		return err_set(err, E_STATE, "change %s is %s; it is not applied any more",
			       change.id, change.status);
	/* One that waits after a failure does not wait for a person. */
	if (state == CHANGE_APPROVED && !changes_move(core->store, change.seq, &now, err))
		return false;
	wake_after(core, change.target);
	return true;
}

bool
change_revert(struct core *core, const char *id, const char *by, const char *reason,
	      struct err *err)
{
	AUTO(change_row_fini) struct change_row change = {0};
	const struct change_move move = {.from = "applied",
					 .to = "reverting",
					 .decided_at = WALL_NONE,
					 .applied_at = WALL_NONE,
					 .reverted_at = WALL_NONE,
					 .due = core_wall(core),
					 .since = core_wall(core),
					 .add_attempt = -1};

	if (!changes_get(core->store, id, &change, err))
		return false;
	if (change_next(change_state_of(change.status), CHANGE_REVERT) == CHANGE_NOWHERE)
		return refuse_state(&change, CHANGE_REVERT, err);
	if (!decision_keep(core, &change, &move, "revert", by, reason, err))
		return false;
	change_tell(core, change.seq);
	wake_after(core, change.target);
	return true;
}
