/* Applying: what targets said of changes, on its way to disk. */
/* SPDX-License-Identifier: MIT */
#include "core/apply_inside.h"

#include <inttypes.h>

#include "base/log.h"
#include "base/uuid.h"
#include "core/breakers.h"
#include "core/change.h"
#include "core/metrics.h"
#include "core/rollout.h"
#include "core/telemetry.h"
#include "store/changes.h"

static void flight_write(void *arg);

static void
on_written(void *arg, const struct err *err)
{
	struct flight *flight = arg;

	if (err->code != E_OK) {
		core_timer_arm(flight->lane->apply->core, &flight->timer, STORE_RETRY_MS,
			       flight_write, flight);
		return;
	}
	breakers_kept(flight->lane->apply->core, BREAKER_TARGET, flight->lane->target);
	/* Once for those of one batch that follow each other. */
	for (size_t i = 0; i < flight->count; i++)
		if (!i ||
		    !str_eq(str_of(flight->changes[i].batch), str_of(flight->changes[i - 1].batch)))
			rollouts_landed(flight->lane->apply->core, flight->changes[i].batch);
	flight_land(flight);
}

static bool
answer_is_done(const struct answer *answer)
{
	return answer->outcome == TARGET_DONE || answer->outcome == TARGET_ALREADY;
}

static enum change_event
answer_event(const struct answer *answer, const struct change_row *change,
	     const struct target *target)
{
	switch (answer->outcome) {
	case TARGET_DONE:
	case TARGET_ALREADY:
		return CHANGE_DONE;
	case TARGET_DRIFTED:
		return CHANGE_DRIFT;
	case TARGET_FAILED:
		break;
	}
	return answer->again && target && change->attempts + 1 < target->retry.attempts
		       ? CHANGE_AGAIN
		       : CHANGE_FAIL;
}

/* What a person is shown of a conflict, and so what an approval of it covers. */
static char *
conflict_digest(const struct change_row *change, const char *current)
{
	struct change_row seen = *change;

	seen.status = (char *)(uintptr_t)change_state_name(CHANGE_CONFLICT);
	seen.current = (char *)(uintptr_t)current;
	return change_digest(&seen);
}

/* When it is tried again. */
static int64_t
again_delay(const struct answer *answer, const struct change_row *change,
	    const struct target *target)
{
	return answer->retry_after_ms > 0
		       ? answer->retry_after_ms
		       : backoff_delay(&target->retry.backoff, (unsigned)change->attempts + 1,
				       entropy_below(UINT64_MAX));
}

/* The rows of one change. *ret_to: what it is now. */
static bool
answer_rows(struct flight *flight, size_t i, enum change_state *ret_to, struct err *err)
{
	struct core *core = flight->lane->apply->core;
	const struct change_row *change = &flight->changes[i];
	const struct answer *answer = &flight->answers[i];
	const struct target *target = registry_target(flight->registry, change->target);
	enum change_event ev = answer_event(answer, change, target);
	enum change_state from = flight->revert ? CHANGE_REVERTING : CHANGE_APPLYING;
	enum change_state to = change_next(from, ev);
	struct wall now = core_wall(core);
	/* What an earlier look found is not there any more. */
	const char *current = ev == CHANGE_DRIFT && !answer->current ? "null" : answer->current;
	AUTO(auto_free)
	char *digest = to == CHANGE_CONFLICT ? conflict_digest(change, current) : NULL;
	struct change_move move = {
		.from = change_state_name(from),
		.to = change_state_name(to),
		.error = answer->error ? answer->error : "",
		.receipt = flight->revert ? NULL : answer->receipt,
		.current = current,
		.digest = digest,
		.decided_at = WALL_NONE,
		.applied_at = to == CHANGE_APPLIED && !flight->revert ? now : WALL_NONE,
		.reverted_at = to == CHANGE_REVERTED ? now : WALL_NONE,
		.due = WALL_NONE,
		.add_attempt = 1};

	*ret_to = to;
	if (ev == CHANGE_AGAIN) {
		int64_t delay = again_delay(answer, change, target);

		move.due = (struct wall){now.ms + delay};
		move.since = now;
		core_timer_arm(core, &flight->lane->due, delay, lane_wake, flight->lane);
	}
	if (!changes_move(core->store, change->seq, &move, err) ||
	    !decisions_add(core->store, "change", change->id, move.to, "rouse", answer->error, NULL,
			   now, err))
		return false;
	change_tell(core, change->seq);
	return true;
}

static void
answer_log(const struct flight *flight, size_t i, enum change_state to)
{
	const struct change_row *change = &flight->changes[i];
	const char *what = flight->revert ? "change reverted" : "change applied";
	const char *error = flight->answers[i].error;

	if (flight->count == 1 || error)
		log_info(what, "change", change->id, "target", change->target, "status",
			 change_state_name(to), "error", error);
	else
		log_debug(what, "change", change->id, "target", change->target, "status",
			  change_state_name(to));
}

static void
group_log(const struct flight *flight, size_t done)
{
	AUTO(buf_fini) struct buf count = BUF_INIT, well = BUF_INIT;

	if (flight->count == 1)
		return;
	buf_printf(&count, "%zu", flight->count);
	buf_printf(&well, "%zu", done);
	log_info(flight->revert ? "changes reverted" : "changes applied", "target",
		 flight->lane->target, "changes", buf_cstr(&count), "done", buf_cstr(&well));
}

/* Of several those that went well, together. *ret_done of them; what is not is left. */
static bool
flight_land_done(struct flight *flight, size_t *ret_done, struct err *err)
{
	struct core *core = flight->lane->apply->core;
	AUTO(auto_free)
	const struct change_row **rows =
		mem_alloc_array(flight->count, sizeof(struct change_row *));
	AUTO(auto_free) const char **receipts = mem_alloc_array(flight->count, sizeof(*receipts));

	*ret_done = 0;
	if (flight->count == 1)
		return true;
	for (size_t i = 0; i < flight->count; i++) {
		if (!answer_is_done(&flight->answers[i]))
			continue;
		rows[*ret_done] = &flight->changes[i];
		receipts[*ret_done] = flight->revert ? NULL : flight->answers[i].receipt;
		++*ret_done;
	}
	return !*ret_done || changes_land(core->store, rows, receipts, *ret_done, flight->revert,
					  core_wall(core), err);
}

static bool
flight_rows(struct flight *flight, struct err *err)
{
	struct core *core = flight->lane->apply->core;
	uint64_t reached[CHANGE_STATE_COUNT] = {0};
	enum change_state well = flight->revert ? CHANGE_REVERTED : CHANGE_APPLIED;
	size_t done;

	if (!flight_land_done(flight, &done, err))
		return false;
	for (size_t i = 0; i < flight->count; i++) {
		enum change_state to = well;

		if (done && answer_is_done(&flight->answers[i]))
			change_tell(core, flight->changes[i].seq);
		else if (!answer_rows(flight, i, &to, err))
			return false;
		if (!telemetry_tried(core, &flight->changes[i], flight->revert, flight->started,
				     change_state_name(to), flight->answers[i].error, err))
			return false;
		reached[to]++;
		answer_log(flight, i, to);
	}
	if (!breakers_store(core, BREAKER_TARGET, flight->lane->target, err))
		return false;
	for (int to = 0; to < CHANGE_STATE_COUNT; to++)
		if (reached[to])
			metrics_count(core->metrics, "rouse_changes_total", "status",
				      change_state_name((enum change_state)to), "target",
				      flight->lane->target, (double)reached[to]);
	group_log(flight, (size_t)reached[well]);
	return true;
}

static void
flight_write(void *arg)
{
	struct flight *flight = arg;
	struct core *core = flight->lane->apply->core;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (turn_savepoint(core->store, &err)) {
		if (flight_rows(flight, &err)) {
			turn_release(core->store);
			turn_after(core->store, on_written, flight);
			return;
		}
		turn_undo(core->store);
	}
	log_error("outcome of a change not kept yet", "change", flight->changes[0].id, "error",
		  err_text(&err));
	core_timer_arm(core, &flight->timer, STORE_RETRY_MS, flight_write, flight);
}

/* A target that refuses what it is given is well; one that cannot be asked is not. Of several one
 * that was done, or refused for what it is, tells more than those that were not. */
static enum breaker_outcome
flight_says(const struct flight *flight, const char **ret_error)
{
	enum breaker_outcome says = BREAKER_BAD;

	for (size_t i = 0; i < flight->count; i++) {
		const struct answer *answer = &flight->answers[i];

		*ret_error = answer->error;
		if (answer->outcome != TARGET_FAILED)
			return BREAKER_GOOD;
		if (!answer->again)
			says = BREAKER_SILENT;
	}
	return says;
}

/* A conflict, in words; owned. */
static char *
drift_text(const struct flight *flight, const struct change_row *change, const char *current)
{
	struct buf text = BUF_INIT;

	if (!current && strcmp(change->op, "create") && change->entity)
		buf_cat(&text, change->entity, " is not there any more; nothing was ",
			flight->revert ? "reverted" : "applied");
	else if (flight->revert)
		buf_puts(&text, "what is there is not what was applied; nothing was reverted");
	else
		buf_puts(&text, "what is there is not what the proposal was made from; nothing "
				"was applied");
	return buf_take(&text);
}

static void
answer_keep(struct flight *flight, size_t i, const struct target_result *result,
	    const struct err *err)
{
	struct answer *answer = &flight->answers[i];

	*answer = (struct answer){.outcome = result->outcome,
				  .current = mem_strdup(result->current),
				  .receipt = mem_strdup(result->receipt),
				  .retry_after_ms = result->retry_after_ms};
	if (err && err->code != E_OK) {
		answer->error = mem_strdup(err_text(err));
		answer->again = err_again(err->code);
	} else if (result->outcome == TARGET_DRIFTED) {
		answer->error = drift_text(flight, &flight->changes[i], result->current);
	}
}

/* What fails as a whole may be too much at once. */
static void
group_learn(struct flight *flight, enum breaker_outcome says)
{
	struct lane *lane = flight->lane;

	if (says == BREAKER_BAD)
		lane->group = flight->count > 1 ? flight->count / 2 : 1;
	else if (lane->group < TARGET_GROUP_MAX)
		lane->group =
			lane->group * 2 < TARGET_GROUP_MAX ? lane->group * 2 : TARGET_GROUP_MAX;
}

/* All answers are there. */
static void
flight_answered(struct flight *flight)
{
	const char *error = NULL;
	enum breaker_outcome says = flight_says(flight, &error);

	flight->lane->in_flight--;
	flight->lane->landing++;
	group_learn(flight, says);
	breakers_end(flight->lane->apply->core, BREAKER_TARGET, flight->lane->target,
		     flight_who(flight), says, error);
	flight_write(flight);
}

/* One answer for all of them. */
void
flight_answer_all(struct flight *flight, enum target_outcome outcome, const struct err *err)
{
	for (size_t i = 0; i < flight->count; i++)
		answer_keep(flight, i, &(struct target_result){.outcome = outcome}, err);
	flight_answered(flight);
}

/* Whatever it did, it is asked again under the same key, or a person looks. */
static void
on_late(struct flight *flight)
{
	log_warning("target answered after it was given up", "change", flight->changes[0].id,
		    "target", flight->lane->target);
	flight->answered = true;
	if (flight->landed)
		flight_free(flight);
}

void
flight_on_all_done(void *arg, const struct target_result *results, struct err *errs)
{
	struct flight *flight = arg;
	struct lane *lane = flight->lane;

	crash_point("after-apply");
	if (flight->overdue) {
		on_late(flight);
		return;
	}
	core_timer_stop(flight->timer);
	for (size_t i = 0; i < flight->count; i++)
		answer_keep(flight, i, &results[i], &errs[i]);
	flight_answered(flight);
	/* The next ones are claimed in the turn that these land in: one commit for both. */
	lane_on_turn(lane);
}

void
flight_on_done(void *arg, const struct target_result *result, struct err *err)
{
	flight_on_all_done(arg, result, err);
}

void
flight_on_overdue(void *arg)
{
	struct flight *flight = arg;
	const struct target *target = registry_target(flight->registry, flight->lane->target);
	AUTO(err_fini) struct err err = ERR_INIT;

	flight->overdue = true;
	err_set(&err, E_TIMEOUT,
		"target %s did not answer within %" PRId64 " ms; it may or may not have done it",
		flight->lane->target, target->timeout_ms + OVERDUE_MARGIN_MS);
	flight_answer_all(flight, TARGET_FAILED, &err);
}

bool
change_intend(struct core *core, const struct change_row *change, const char *receipt,
	      struct err *err)
{
	const struct change_move move = {.from = change_state_name(CHANGE_APPLYING),
					 .to = change_state_name(CHANGE_APPLYING),
					 .receipt = receipt,
					 .decided_at = WALL_NONE,
					 .applied_at = WALL_NONE,
					 .reverted_at = WALL_NONE,
					 .due = WALL_NONE};

	return changes_move(core->store, change->seq, &move, err);
}
