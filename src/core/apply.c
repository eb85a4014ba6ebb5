/* Applying: the outbox. Approved changes go to their targets, each once, under its key. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#include "core/apply.h"

#include <inttypes.h>

#include "base/log.h"
#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"
#include "core/breakers.h"
#include "core/change.h"
#include "core/halt.h"
#include "core/metrics.h"
#include "core/target.h"
#include "store/changes.h"

/* At once on one target; of one entity never more than one. */
#define IN_FLIGHT_A_TARGET 8
#define STORE_RETRY_MS 500
/* A target ends by itself within its timeout; one that has not so long after never will. */
#define OVERDUE_MARGIN_MS 10000
/* A revert on its way is out of the way of the next look for so long; longer ones are known by
 * their flight. */
#define REVERT_HOLD_MS 60000

struct lane {
	struct apply *apply;
	char *target;
	int in_flight;
	bool armed;
	LIST_HEAD(, flight) flights, late; /* late: given up, but their targets may still answer */
	struct core_timer *turn, *due;
	UT_hash_handle hh;
};

struct apply {
	struct core *core;
	struct lane *lanes;
	int in_flight;
};

/* One change on its way, from the claim's commit to its last row; and, where that did not wait for
 * the target, on to its answer: the target holds on to it until then. */
struct flight {
	LIST_ENTRY(flight) entry;
	struct lane *lane;
	struct registry *registry;
	struct change_row change;
	bool revert, overdue, answered, landed;
	/* What the target said, kept until it is on disk. */
	enum target_outcome outcome;
	char *current, *receipt, *error;
	bool again;
	int64_t retry_after_ms;
	struct core_timer *timer;
};

static void flight_free(struct flight *flight);
static void lane_on_turn(void *arg);
static void flight_write(void *arg);

struct apply *
apply_new(struct core *core)
{
	struct apply *apply = mem_alloc(sizeof(*apply));

	apply->core = core;
	return apply;
}

void
apply_free(struct apply *apply)
{
	struct lane *lane, *next;
	struct flight *flight, *after;

	if (!apply)
		return;
	HASH_ITER (hh, apply->lanes, lane, next) {
		/* Their targets' answers never come now; the next daemon asks again. */
		LIST_FOREACH_SAFE (flight, &lane->flights, entry, after)
			flight_free(flight);
		LIST_FOREACH_SAFE (flight, &lane->late, entry, after)
			flight_free(flight);
		HASH_DEL(apply->lanes, lane);
		core_timer_free(lane->turn);
		core_timer_free(lane->due);
		free(lane->target);
		free(lane);
	}
	free(apply);
}

static struct lane *
lane_of(struct apply *apply, const char *target)
{
	struct lane *lane;

	HASH_FIND_STR(apply->lanes, target, lane);
	if (lane)
		return lane;
	lane = mem_alloc(sizeof(*lane));
	lane->apply = apply;
	lane->target = mem_strdup(target);
	HASH_ADD_KEYPTR(hh, apply->lanes, lane->target, strlen(lane->target), lane);
	return lane;
}

int
apply_in_flight(const struct apply *apply)
{
	return apply->in_flight;
}

static void
lane_wake(void *arg)
{
	struct lane *lane = arg;

	if (lane->armed)
		return;
	lane->armed = true;
	core_timer_arm(lane->apply->core, &lane->turn, 0, lane_on_turn, lane);
}

void
apply_wake(struct apply *apply, const char *target)
{
	struct lane *lane, *next;

	if (target) {
		lane_wake(lane_of(apply, target));
		return;
	}
	for (size_t i = 0; i < registry_target_count(apply->core->registry); i++)
		lane_wake(lane_of(apply, registry_target_at(apply->core->registry, i)->name));
	HASH_ITER (hh, apply->lanes, lane, next)
		lane_wake(lane);
}

static void
flight_free(struct flight *flight)
{
	LIST_REMOVE(flight, entry);
	core_timer_free(flight->timer);
	change_row_fini(&flight->change);
	registry_unref(flight->registry);
	free(flight->current);
	free(flight->receipt);
	free(flight->error);
	free(flight);
}

static void
flight_land(struct flight *flight)
{
	struct lane *lane = flight->lane;

	lane->in_flight--;
	lane->apply->in_flight--;
	if (flight->overdue && !flight->answered) {
		flight->landed = true;
		LIST_REMOVE(flight, entry);
		LIST_INSERT_HEAD(&lane->late, flight, entry);
	} else {
		flight_free(flight);
	}
	lane_wake(lane);
}

/* --- the answer ---------------------------------------------------------------------------- */

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
	flight_land(flight);
}

static enum change_event
flight_event(const struct flight *flight, const struct target *target)
{
	switch (flight->outcome) {
	case TARGET_DONE:
	case TARGET_ALREADY:
		return CHANGE_DONE;
	case TARGET_DRIFTED:
		return CHANGE_DRIFT;
	case TARGET_FAILED:
		break;
	}
	return flight->again && target && flight->change.attempts + 1 < target->retry.attempts
		       ? CHANGE_AGAIN
		       : CHANGE_FAIL;
}

/* What a person is shown of a conflict, and so what an approval of it covers. */
static char *
conflict_digest(const struct flight *flight, const char *current)
{
	struct change_row seen = flight->change;

	seen.status = (char *)(uintptr_t)change_state_name(CHANGE_CONFLICT);
	seen.current = (char *)(uintptr_t)current;
	return change_digest(&seen);
}

static bool
flight_rows(struct flight *flight, struct err *err)
{
	struct core *core = flight->lane->apply->core;
	const struct target *target = registry_target(flight->registry, flight->change.target);
	enum change_event ev = flight_event(flight, target);
	enum change_state from = flight->revert ? CHANGE_REVERTING : CHANGE_APPLYING;
	enum change_state to = change_next(from, ev);
	struct wall now = core_wall(core);
	int64_t delay = 0;
	/* What an earlier look found is not there any more. */
	const char *current = ev == CHANGE_DRIFT && !flight->current ? "null" : flight->current;
	AUTO(auto_free)
	char *digest = to == CHANGE_CONFLICT ? conflict_digest(flight, current) : NULL;
	struct change_move move = {
		.from = change_state_name(from),
		.to = change_state_name(to),
		.error = flight->error ? flight->error : "",
		.receipt = flight->revert ? NULL : flight->receipt,
		.current = current,
		.digest = digest,
		.decided_at = WALL_NONE,
		.applied_at = to == CHANGE_APPLIED && !flight->revert ? now : WALL_NONE,
		.reverted_at = to == CHANGE_REVERTED ? now : WALL_NONE,
		.due = WALL_NONE,
		.add_attempt = 1};

	if (ev == CHANGE_AGAIN) {
		delay = flight->retry_after_ms > 0
				? flight->retry_after_ms
				: backoff_delay(&target->retry.backoff,
						(unsigned)flight->change.attempts + 1,
						entropy_below(UINT64_MAX));
		move.due = (struct wall){now.ms + delay};
		move.since = now;
	}
	if (!changes_move(core->store, flight->change.seq, &move, err))
		return false;
	if (!decisions_add(core->store, "change", flight->change.id, move.to, "rouse",
			   flight->error, NULL, now, err) ||
	    !breakers_store(core, BREAKER_TARGET, flight->lane->target, err))
		return false;
	change_tell(core, flight->change.seq);
	metrics_count(core->metrics, "rouse_changes_total", "status", move.to, "target",
		      flight->change.target, 1);
	if (ev == CHANGE_AGAIN)
		core_timer_arm(core, &flight->lane->due, delay, lane_wake, flight->lane);
	log_info(flight->revert ? "change reverted" : "change applied", "change", flight->change.id,
		 "target", flight->change.target, "status", move.to, "error", flight->error);
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
	log_error("outcome of a change not kept yet", "change", flight->change.id, "error",
		  err_text(&err));
	core_timer_arm(core, &flight->timer, STORE_RETRY_MS, flight_write, flight);
}

/* A target that refuses what it is given is well; one that cannot be asked is not. */
static enum breaker_outcome
flight_says(const struct flight *flight)
{
	if (flight->outcome != TARGET_FAILED)
		return BREAKER_GOOD;
	return flight->again ? BREAKER_BAD : BREAKER_SILENT;
}

static void
flight_answer(struct flight *flight, const struct target_result *result, const struct err *err)
{
	flight->outcome = result->outcome;
	flight->current = mem_strdup(result->current);
	flight->receipt = mem_strdup(result->receipt);
	flight->retry_after_ms = result->retry_after_ms;
	if (err && err->code != E_OK) {
		flight->error = mem_strdup(err_text(err));
		flight->again = err_again(err->code);
	} else if (result->outcome == TARGET_DRIFTED) {
		flight->error = mem_strdup(
			flight->revert
				? "what is there is not what was applied; nothing was reverted"
				: "what is there is not what the proposal was made from; nothing "
				  "was applied");
	}
	breakers_end(flight->lane->apply->core, BREAKER_TARGET, flight->lane->target,
		     flight->change.seq, flight_says(flight), flight->error);
	flight_write(flight);
}

/* Whatever it did, it is asked again under the same key, or a person looks. */
static void
on_late(struct flight *flight)
{
	log_warning("target answered after it was given up", "change", flight->change.id, "target",
		    flight->change.target);
	flight->answered = true;
	if (flight->landed)
		flight_free(flight);
}

static void
on_applied(void *arg, const struct target_result *result, struct err *err)
{
	struct flight *flight = arg;

	crash_point("after-apply");
	if (flight->overdue) {
		on_late(flight);
		return;
	}
	core_timer_stop(flight->timer);
	flight_answer(flight, result, err);
}

static void
on_overdue(void *arg)
{
	struct flight *flight = arg;
	const struct target *target = registry_target(flight->registry, flight->change.target);
	AUTO(err_fini) struct err err = ERR_INIT;

	flight->overdue = true;
	err_set(&err, E_TIMEOUT,
		"target %s did not answer within %" PRId64 " ms; it may or may not have done it",
		flight->change.target, target->timeout_ms + OVERDUE_MARGIN_MS);
	flight_answer(flight, &(struct target_result){.outcome = TARGET_FAILED}, &err);
}

/* --- the claim ----------------------------------------------------------------------------- */

static void
flight_fail(struct flight *flight, const char *why)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	err_set(&err, E_NOT_FOUND, "%s", why);
	flight_answer(flight, &(struct target_result){.outcome = TARGET_FAILED}, &err);
}

static void
flight_start(struct flight *flight)
{
	const struct target *target = registry_target(flight->registry, flight->change.target);

	log_debug("change goes to its target", "change", flight->change.id, "target",
		  flight->change.target);
	crash_point("before-apply");
	if (!target) {
		flight_fail(flight,
			    "the target is no longer configured; add it again, then rouse apply");
		return;
	}
	core_timer_arm(flight->lane->apply->core, &flight->timer,
		       target->timeout_ms + OVERDUE_MARGIN_MS, on_overdue, flight);
	target->kind->apply(flight->lane->apply->core, target, &flight->change, flight->revert,
			    on_applied, flight);
}

/* `applying` is on disk: whatever happens now, the next daemon knows that it may have been done. */
static void
on_claimed(void *arg, const struct err *err)
{
	struct flight *flight = arg;
	struct lane *lane = flight->lane;

	if (err->code == E_OK) {
		flight_start(flight);
		return;
	}
	core_timer_arm(lane->apply->core, &lane->due, STORE_RETRY_MS, lane_wake, lane);
	breakers_end(lane->apply->core, BREAKER_TARGET, lane->target, flight->change.seq,
		     BREAKER_SILENT, NULL);
	lane->in_flight--;
	lane->apply->in_flight--;
	flight_free(flight);
}

static struct flight *
flight_new(struct lane *lane)
{
	struct flight *flight = mem_alloc(sizeof(*flight));

	flight->lane = lane;
	LIST_INSERT_HEAD(&lane->flights, flight, entry);
	flight->registry = registry_ref(lane->apply->core->registry);
	return flight;
}

static void
flight_begin(struct flight *flight)
{
	flight->revert = !strcmp(flight->change.status, "reverting");
	flight->lane->in_flight++;
	flight->lane->apply->in_flight++;
	breakers_begin(flight->lane->apply->core, BREAKER_TARGET, flight->lane->target,
		       flight->change.seq);
	turn_after(flight->lane->apply->core->store, on_claimed, flight);
}

/* The store keeps the order of what waits; a revert of something older may come while a newer one
 * is on its way. */
static bool
flight_must_wait(const struct flight *self)
{
	const struct flight *flight;

	LIST_FOREACH (flight, &self->lane->flights, entry)
		if (flight != self && (flight->change.seq == self->change.seq ||
				       (flight->change.entity && self->change.entity &&
					!strcmp(flight->change.entity, self->change.entity))))
			return true;
	return false;
}

static bool
lane_claim(struct lane *lane)
{
	struct core *core = lane->apply->core;
	struct flight *flight = flight_new(lane);
	AUTO(err_fini) struct err err = ERR_INIT;
	struct wall now = core_wall(core), due = WALL_NONE;
	struct change_move move = {.from = "approved",
				   .to = "applying",
				   .decided_at = WALL_NONE,
				   .applied_at = WALL_NONE,
				   .reverted_at = WALL_NONE,
				   .due = WALL_NONE};

	if (changes_peek(core->store, lane->target, now, &flight->change, &due, &err)) {
		if (flight_must_wait(flight)) {
			/* Its landing wakes the lane. */
			flight_free(flight);
			return false;
		}
		if (!strcmp(flight->change.status, "reverting")) {
			/* Stays what it is; out of the way of the next look until it has landed. */
			move.from = move.to = "reverting";
			move.due = (struct wall){now.ms + REVERT_HOLD_MS};
			move.since = now;
		}
		if (changes_move(core->store, flight->change.seq, &move, &err)) {
			flight_begin(flight);
			return true;
		}
	}
	if (err.code != E_NOT_FOUND)
		log_error("apply cannot take a change", "target", lane->target, "error",
			  err_text(&err));
	if (err.code != E_NOT_FOUND)
		due = (struct wall){now.ms + STORE_RETRY_MS};
	if (wall_is_set(due))
		core_timer_arm(core, &lane->due, due.ms > now.ms ? due.ms - now.ms : 1, lane_wake,
			       lane);
	flight_free(flight);
	return false;
}

static void
lane_on_turn(void *arg)
{
	struct lane *lane = arg;
	struct core *core = lane->apply->core;

	lane->armed = false;
	if (core->draining || core_is_halted(core))
		return;
	while (lane->in_flight < IN_FLIGHT_A_TARGET &&
	       breakers_admit(core, BREAKER_TARGET, lane->target) && lane_claim(lane))
		;
}

/* Left applying by a daemon that died: the target decides by the key whether it was done. What is
 * reverting may not have been begun, and there may be many: their lanes come to them when they are
 * due. */
static bool
on_doubt(void *arg, const struct change_row *row)
{
	struct apply *apply = arg;
	struct flight *flight;

	if (strcmp(row->status, "applying"))
		return true;
	flight = flight_new(lane_of(apply, row->target));
	log_warning("change was being applied when the daemon died; asking its target", "change",
		    row->id, "target", row->target);
	if (!changes_get_seq(apply->core->store, row->seq, &flight->change, NULL)) {
		flight_free(flight);
		return true;
	}
	/* An attempt that was never counted; the target is to know that it may have been done. */
	flight->change.attempts++;
	flight_begin(flight);
	return true;
}

bool
apply_load(struct apply *apply, struct err *err)
{
	if (!changes_in_doubt(apply->core->store, on_doubt, apply, err))
		return false;
	apply_wake(apply, NULL);
	return true;
}
