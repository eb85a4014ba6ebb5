/* Vetting: targets are asked about proposals before anybody looks at them. */
/* SPDX-License-Identifier: MIT */
#include "core/vet.h"

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "core/attempt.h"
#include "core/breakers.h"
#include "core/change.h"
#include "core/protocol.h"
#include "core/target.h"
#include "store/changes.h"

/* Of one target at once. */
#define PAGE 16
/* What a target has to answer in, whatever its own `timeout` is, and what it may be late by. */
#define VET_MS 10000
#define LATE_MS 2000
/* One that did not answer is not asked for so long. */
#define REST_MS 5000
#define AGAIN_MS 500
/* A run's end waits for its proposals so long at most. */
#define WAIT_MS 60000

/* One target, and what waits for it. */
struct lane {
	struct vets *vets;
	char *target;
	int64_t after; /* changes up to this one were asked about */
	int asked;     /* answers that are still to come */
	bool armed, more;
	struct mono rests; /* until then */
	char *why;	   /* it rests */
	struct core_timer *timer;
	UT_hash_handle hh;
};

/* One question, until it was answered. */
struct vet {
	struct lane *lane;
	struct registry *registry; /* that its target is of */
	struct change_row change;
	bool overdue; /* nobody waits for its answer any more */
	struct core_timer *timer;
	LIST_ENTRY(vet) entry;
};

LIST_HEAD(vet_list, vet);

struct vet_wait {
	struct vets *vets;
	int64_t run;
	void (*fn)(void *arg);
	void *arg;
	struct mono until;
	struct core_timer *timer;
	UT_hash_handle hh;
};

struct vets {
	struct core *core;
	struct lane *lanes;
	struct vet_list live;
	struct vet_wait *waits; /* by run */
};

struct vets *
vets_new(struct core *core)
{
	struct vets *vets = mem_alloc(sizeof(*vets));

	vets->core = core;
	LIST_INIT(&vets->live);
	return vets;
}

static void
vet_free(struct vet *vet)
{
	LIST_REMOVE(vet, entry);
	core_timer_free(vet->timer);
	change_row_fini(&vet->change);
	registry_unref(vet->registry);
	free(vet);
}

void
vets_free(struct vets *vets)
{
	struct lane *lane, *next;

	if (!vets)
		return;
	/* What targets were asked is not answered any more; the next daemon asks again. */
	while (!LIST_EMPTY(&vets->live))
		vet_free(LIST_FIRST(&vets->live));
	HASH_ITER (hh, vets->lanes, lane, next) {
		HASH_DEL(vets->lanes, lane);
		core_timer_free(lane->timer);
		free(lane->target);
		free(lane->why);
		free(lane);
	}
	vets->core->vets = NULL;
	free(vets);
}

static void lane_go(void *arg);

static void
lane_wake(struct lane *lane, int64_t ms)
{
	lane->more = true;
	if (lane->armed || (lane->asked && !ms))
		return;
	lane->armed = true;
	core_timer_arm(lane->vets->core, &lane->timer, ms, lane_go, lane);
}

static struct lane *
lane_of(struct vets *vets, const char *target)
{
	struct lane *lane;

	HASH_FIND_STR(vets->lanes, target, lane);
	if (lane)
		return lane;
	lane = mem_alloc(sizeof(*lane));
	lane->vets = vets;
	lane->target = mem_strdup(target);
	HASH_ADD_KEYPTR(hh, vets->lanes, lane->target, strlen(lane->target), lane);
	return lane;
}

/* --- who waits ----------------------------------------------------------------------------- */

static void
on_wait(void *arg)
{
	struct vet_wait *wait = arg;
	struct core *core = wait->vets->core;
	void (*fn)(void *arg) = wait->fn;
	bool waits = false;
	int64_t left = wait->until.ms - clock_mono(core->clock).ms;

	arg = wait->arg;
	if (!changes_vet_of_run(core->store, wait->run, &waits, NULL))
		waits = true;
	if (waits && left > 0) {
		core_timer_arm(core, &wait->timer, left, on_wait, wait);
		return;
	}
	vet_wait_free(wait);
	fn(arg);
}

struct vet_wait *
vet_wait(struct core *core, int64_t run, void (*fn)(void *arg), void *arg)
{
	struct vet_wait *wait;
	bool waits;

	if (!changes_vet_of_run(core->store, run, &waits, NULL) || !waits)
		return NULL;
	wait = mem_alloc(sizeof(*wait));
	*wait = (struct vet_wait){
		.vets = core->vets,
		.run = run,
		.fn = fn,
		.arg = arg,
		.until = {clock_mono(core->clock).ms + WAIT_MS},
	};
	HASH_ADD(hh, core->vets->waits, run, sizeof(wait->run), wait);
	core_timer_arm(core, &wait->timer, WAIT_MS, on_wait, wait);
	return wait;
}

void
vet_wait_free(struct vet_wait *wait)
{
	if (!wait)
		return;
	HASH_DEL(wait->vets->waits, wait);
	core_timer_free(wait->timer);
	free(wait);
}

/* --- what was said ------------------------------------------------------------------------- */

struct settled {
	struct core *core;
	struct lane *lane; /* of core->vets */
	int64_t run;
};

static void
on_settled(void *arg, const struct err *err)
{
	struct settled *settled = arg;
	struct lane *lane = settled->lane;
	struct core *core = settled->core;
	struct vet_wait *wait = NULL;

	if (core->vets && err->code != E_OK) {
		lane->after = 0;
		lane_wake(lane, AGAIN_MS);
	} else if (core->vets) {
		HASH_FIND(hh, core->vets->waits, &settled->run, sizeof(settled->run), wait);
	}
	if (wait)
		core_timer_arm(core, &wait->timer, 0, on_wait, wait);
	free(settled);
}

/* It is told where the agent's other refusals are told, too. */
static bool
refused_rows(struct core *core, const struct change_row *change, const struct err *said,
	     struct err *err)
{
	struct attempt *attempt = attempt_of_run(core, change->run_id ? change->run_id : "");

	if (attempt)
		protocol_refuse(attempt, "change", said);
	return change_refuse(core, change, err_text(said), err);
}

static bool
unchecked_rows(struct core *core, const struct change_row *change, const char *why, struct err *err)
{
	AUTO(buf_fini) struct buf reason = BUF_INIT;

	buf_printf(&reason, "target %s could not be asked: %s", change->target, why);
	log_info("change not checked", "change", change->id, "target", change->target, "error",
		 why);
	return changes_unchecked(core->store, change->seq, buf_cstr(&reason), err) &&
	       decisions_add(core->store, "change", change->id, "not checked", "rouse",
			     buf_cstr(&reason), change->digest, core_wall(core), err);
}

static bool
settle_rows(struct core *core, int64_t seq, enum vet_verdict verdict, const struct err *said,
	    struct err *err)
{
	AUTO(change_row_fini) struct change_row change = {0};
	bool waits, apply;

	if (!changes_vet_mode(core->store, seq, &waits, &apply, err))
		return false;
	if (!waits)
		return true;
	if (!changes_get_seq(core->store, seq, &change, err) ||
	    !changes_vet_wait(core->store, seq, NULL, err))
		return false;
	/* A person, or a later proposal, was sooner. */
	if (strcmp(change.status, "proposed"))
		return true;
	if (verdict == VET_REFUSED)
		return refused_rows(core, &change, said, err);
	return (verdict == VET_FITS || unchecked_rows(core, &change, err_text(said), err)) &&
	       change_stand(core, &change, apply, err);
}

static void
settle(struct lane *lane, const struct change_row *change, enum vet_verdict verdict,
       const struct err *said)
{
	struct core *core = lane->vets->core;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct settled *settled;

	if (turn_savepoint(core->store, &err)) {
		if (settle_rows(core, change->seq, verdict, said, &err)) {
			turn_release(core->store);
			settled = mem_alloc(sizeof(*settled));
			*settled = (struct settled){.core = core, .lane = lane, .run = change->run};
			turn_after(core->store, on_settled, settled);
			return;
		}
		turn_undo(core->store);
	}
	log_error("what a target said of a change is not kept yet", "change", change->id, "error",
		  err_text(&err));
	lane->after = 0;
	lane_wake(lane, AGAIN_MS);
}

static void
lane_answered(struct lane *lane)
{
	lane->asked--;
	if (!lane->asked && lane->more)
		lane_wake(lane, 0);
}

/* Whoever could not be asked is not asked the next moment either. */
static void
lane_rest(struct lane *lane, const char *why)
{
	lane->rests = (struct mono){clock_mono(lane->vets->core->clock).ms + REST_MS};
	free(lane->why);
	lane->why = mem_strdup(why);
}

static void
on_overdue(void *arg)
{
	struct vet *vet = arg;
	AUTO(err_fini) struct err err = ERR_INIT;

	vet->overdue = true;
	err_set(&err, E_TIMEOUT, "it did not answer within %d ms", VET_MS + LATE_MS);
	lane_rest(vet->lane, err_text(&err));
	settle(vet->lane, &vet->change, VET_UNKNOWN, &err);
	lane_answered(vet->lane);
}

static void
on_vetted(void *arg, enum vet_verdict verdict, struct err *err)
{
	struct vet *vet = arg;
	struct lane *lane = vet->lane;
	bool late = vet->overdue;

	if (!late) {
		if (verdict == VET_UNKNOWN)
			lane_rest(lane, err_text(err));
		settle(lane, &vet->change, verdict, err);
	}
	vet_free(vet);
	if (!late)
		lane_answered(lane);
}

/* --- asking -------------------------------------------------------------------------------- */

/* Why it is not asked now; NULL: it is. */
static const char *
lane_is_shut(struct lane *lane, const struct target *target, struct breaker_view *view)
{
	struct core *core = lane->vets->core;

	if (!target)
		return "there is no such target any more";
	if (!target->kind->vet)
		return "it is of another kind now";
	if (clock_mono(core->clock).ms < lane->rests.ms)
		return lane->why;
	breakers_look(core, BREAKER_TARGET, lane->target, view);
	if (view->state == BREAKER_OPEN)
		return view->error ? view->error : "its breaker is open";
	return NULL;
}

/* Takes the row. */
static void
change_vet(struct lane *lane, const struct target *target, struct change_row *take_change)
{
	struct core *core = lane->vets->core;
	struct vet *vet = mem_alloc(sizeof(*vet));

	vet->lane = lane;
	vet->change = *take_change;
	*take_change = (struct change_row){0};
	vet->registry = registry_ref(core->registry);
	LIST_INSERT_HEAD(&lane->vets->live, vet, entry);
	lane->asked++;
	core_timer_arm(core, &vet->timer, VET_MS + LATE_MS, on_overdue, vet);
	target->kind->vet(core, target, &vet->change,
			  target->timeout_ms < VET_MS ? target->timeout_ms : VET_MS, on_vetted,
			  vet);
}

static void
change_ask(struct lane *lane, const struct target *target, int64_t seq)
{
	AUTO(change_row_fini) struct change_row change = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	struct breaker_view view;
	const char *shut = lane_is_shut(lane, target, &view);

	if (!changes_get_seq(lane->vets->core->store, seq, &change, &err)) {
		log_error("change not read", "error", err_text(&err));
		return;
	}
	if (!shut) {
		change_vet(lane, target, &change);
		return;
	}
	err_set(&err, E_UNAVAILABLE, "%s", shut);
	settle(lane, &change, VET_UNKNOWN, &err);
}

static void
lane_go(void *arg)
{
	struct lane *lane = arg;
	struct core *core = lane->vets->core;
	const struct target *target = registry_target(core->registry, lane->target);
	AUTO(err_fini) struct err err = ERR_INIT;
	int64_t seqs[PAGE];
	size_t count;

	lane->armed = false;
	if (lane->asked)
		return;
	lane->more = false;
	if (!changes_vet_waiting(core->store, lane->target, lane->after, PAGE, seqs, &count,
				 &err)) {
		log_error("changes not vetted", "target", lane->target, "error", err_text(&err));
		lane_wake(lane, AGAIN_MS);
		return;
	}
	if (!count) {
		lane->after = 0;
		return;
	}
	lane->more = true;
	lane->after = seqs[count - 1];
	for (size_t i = 0; i < count; i++)
		change_ask(lane, target, seqs[i]);
	if (!lane->asked)
		lane_wake(lane, 0);
}

static void
on_waiting(void *arg, const char *target)
{
	lane_wake(lane_of(arg, target), 0);
}

bool
vets_load(struct core *core, struct err *err)
{
	return changes_vet_targets(core->store, on_waiting, core->vets, err);
}

static void
on_kept(void *arg, const struct err *err)
{
	if (err->code == E_OK)
		lane_wake(arg, 0);
}

bool
vet_ask(struct core *core, const struct change_row *change, int64_t seq, bool apply,
	struct err *err)
{
	if (!changes_vet_wait(core->store, seq, apply ? "apply" : "stage", err))
		return false;
	turn_after(core->store, on_kept, lane_of(core->vets, change->target));
	return true;
}
