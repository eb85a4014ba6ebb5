/* Applying: the outbox. Approved changes go to their targets, each once, under its key. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#include "core/apply_inside.h"

#include <inttypes.h>

#include "base/log.h"
#include "base/uuid.h"
#include "core/breakers.h"
#include "core/change.h"
#include "core/halt.h"
#include "store/changes.h"

/* At once on one target, where it takes them one by one, or in groups. */
#define FLIGHTS_SINGLE 8
#define FLIGHTS_GROUP 2

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
	lane->group = TARGET_GROUP_MAX;
	HASH_ADD_KEYPTR(hh, apply->lanes, lane->target, strlen(lane->target), lane);
	return lane;
}

int
apply_in_flight(const struct apply *apply)
{
	return apply->in_flight;
}

void
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

static struct flight *
flight_new(struct lane *lane, size_t room)
{
	struct flight *flight = mem_alloc(sizeof(*flight));

	flight->lane = lane;
	LIST_INSERT_HEAD(&lane->flights, flight, entry);
	flight->registry = registry_ref(lane->apply->core->registry);
	flight->changes = mem_alloc_array(room, sizeof(*flight->changes));
	return flight;
}

static void
answer_fini(struct answer *answer)
{
	free(answer->current);
	free(answer->receipt);
	free(answer->error);
}

void
flight_free(struct flight *flight)
{
	LIST_REMOVE(flight, entry);
	core_timer_free(flight->timer);
	for (size_t i = 0; i < flight->count; i++) {
		change_row_fini(&flight->changes[i]);
		if (flight->answers)
			answer_fini(&flight->answers[i]);
	}
	registry_unref(flight->registry);
	free(flight->changes);
	free(flight->pointers);
	free(flight->answers);
	free(flight);
}

void
flight_land(struct flight *flight)
{
	struct lane *lane = flight->lane;

	lane->landing--;
	lane->apply->in_flight -= (int)flight->count;
	if (flight->overdue && !flight->answered) {
		flight->landed = true;
		LIST_REMOVE(flight, entry);
		LIST_INSERT_HEAD(&lane->late, flight, entry);
	} else {
		flight_free(flight);
	}
	lane_wake(lane);
}

int64_t
flight_who(const struct flight *flight)
{
	return flight->changes[0].seq;
}

/* --- the claim ----------------------------------------------------------------------------- */

static void
flight_start(struct flight *flight)
{
	struct core *core = flight->lane->apply->core;
	const struct target *target = registry_target(flight->registry, flight->lane->target);
	AUTO(err_fini) struct err err = ERR_INIT;

	log_debug("change goes to its target", "change", flight->changes[0].id, "target",
		  flight->lane->target);
	flight->started = core_wall(core);
	crash_point("before-apply");
	if (!target) {
		err_set(&err, E_NOT_FOUND,
			"the target is no longer configured; add it again, then rouse apply");
		flight_answer_all(flight, TARGET_FAILED, &err);
		return;
	}
	core_timer_arm(core, &flight->timer, target->timeout_ms + OVERDUE_MARGIN_MS,
		       flight_on_overdue, flight);
	if (target->kind->apply_many)
		target->kind->apply_many(core, target, flight->pointers, flight->count,
					 flight->revert, flight_on_all_done, flight);
	else
		target->kind->apply(core, target, &flight->changes[0], flight->revert,
				    flight_on_done, flight);
}

/* The claim is on disk: whatever happens now, the next daemon knows that it may have been done. */
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
	breakers_end(lane->apply->core, BREAKER_TARGET, lane->target, flight_who(flight),
		     BREAKER_SILENT, NULL);
	lane->in_flight--;
	lane->apply->in_flight -= (int)flight->count;
	flight_free(flight);
}

static void
flight_begin(struct flight *flight)
{
	struct lane *lane = flight->lane;

	flight->answers = mem_alloc_array(flight->count, sizeof(*flight->answers));
	flight->pointers = mem_alloc_array(flight->count, sizeof(const struct change_row *));
	for (size_t i = 0; i < flight->count; i++)
		flight->pointers[i] = &flight->changes[i];
	lane->in_flight++;
	lane->apply->in_flight += (int)flight->count;
	breakers_begin(lane->apply->core, BREAKER_TARGET, lane->target, flight_who(flight));
	turn_after(lane->apply->core->store, on_claimed, flight);
}

static bool
lane_has_groups(const struct lane *lane)
{
	const struct target *target = registry_target(lane->apply->core->registry, lane->target);

	return target && target->kind->apply_many;
}

/* What is to be taken back goes before what is to be applied. */
static bool
lane_take(struct lane *lane, struct flight *flight, size_t room, struct wall *ret_due,
	  struct err *err)
{
	struct core *core = lane->apply->core;
	struct wall due = WALL_NONE;

	flight->revert = true;
	if (!changes_take(core->store, lane->target, true, core_wall(core), room, flight->changes,
			  &flight->count, ret_due, err))
		return false;
	if (flight->count)
		return true;
	flight->revert = false;
	if (!changes_take(core->store, lane->target, false, core_wall(core), room, flight->changes,
			  &flight->count, &due, err))
		return false;
	if (wall_is_set(due) && (!wall_is_set(*ret_due) || due.ms < ret_due->ms))
		*ret_due = due;
	return true;
}

static bool
lane_claim(struct lane *lane)
{
	struct core *core = lane->apply->core;
	size_t room = lane_has_groups(lane) ? lane->group : 1;
	struct flight *flight = flight_new(lane, room);
	AUTO(err_fini) struct err err = ERR_INIT;
	struct wall now = core_wall(core), due = WALL_NONE;

	if (lane_take(lane, flight, room, &due, &err) && flight->count) {
		flight_begin(flight);
		return true;
	}
	if (err.code != E_OK) {
		log_error("apply cannot take a change", "target", lane->target, "error",
			  err_text(&err));
		due = (struct wall){now.ms + STORE_RETRY_MS};
	}
	if (wall_is_set(due))
		core_timer_arm(core, &lane->due, due.ms > now.ms ? due.ms - now.ms : 1, lane_wake,
			       lane);
	flight_free(flight);
	return false;
}

void
lane_on_turn(void *arg)
{
	struct lane *lane = arg;
	struct core *core = lane->apply->core;
	int most = lane_has_groups(lane) ? FLIGHTS_GROUP : FLIGHTS_SINGLE;

	lane->armed = false;
	if (core->draining || core->handing || core_is_halted(core))
		return;
	/* What cannot be kept of those before holds up those after. */
	while (lane->in_flight < most && lane->landing <= most &&
	       breakers_admit(core, BREAKER_TARGET, lane->target) && lane_claim(lane))
		;
}

/* --- at start ------------------------------------------------------------------------------ */

/* Left applying by a daemon that died: the target decides by the key whether it was done. */
static bool
on_doubt(void *arg, const struct change_row *row)
{
	struct apply *apply = arg;
	struct lane *lane = lane_of(apply, row->target);
	size_t room = lane_has_groups(lane) ? TARGET_GROUP_MAX : 1;
	struct flight *flight = LIST_FIRST(&lane->flights);
	struct change_row *change;

	log_warning("change was being applied when the daemon died; asking its target", "change",
		    row->id, "target", row->target);
	if (!flight || flight->answers)
		flight = flight_new(lane, room);
	change = &flight->changes[flight->count];
	if (!changes_get_seq(apply->core->store, row->seq, change, NULL)) {
		if (!flight->count)
			flight_free(flight);
		return true;
	}
	flight->count++;
	/* An attempt that was never counted; the target is to know that it may have been done. */
	change->attempts++;
	if (flight->count == room)
		flight_begin(flight);
	return true;
}

bool
apply_load(struct apply *apply, struct err *err)
{
	struct lane *lane, *next;
	struct flight *flight;

	if (!changes_in_doubt(apply->core->store, on_doubt, apply, err))
		return false;
	HASH_ITER (hh, apply->lanes, lane, next)
		LIST_FOREACH (flight, &lane->flights, entry)
			if (!flight->answers)
				flight_begin(flight);
	apply_wake(apply, NULL);
	return true;
}
