/* The queue: which run starts next. Durable order is the store's, between tenants it is fair.h's;
 * here is only who may go now. */
/* SPDX-License-Identifier: MIT */
#include "core/queue.h"

#include <limits.h>

#include "base/log.h"
#include "core/attempt.h"
#include "core/breakers.h"
#include "core/halt.h"
#include "core/ledger.h"
#include "core/queue_inside.h"
#include "core/vigil.h"

/* Claims in one turn, so that one commit does not grow without bound. */
#define CLAIMS_A_TURN 64
#define RETRY_MS 1000
#define DUES_A_TURN 1000
/* A clock that was set; less is one that is being slewed. */
#define STEP_MS 1000
/* Tenants of an agent that stand in memory at once. */
#define LINES_MAX 1024

/* A claim whose commit is awaited. */
struct claim {
	struct core *core;
	struct run_row run;
	char *carrier; /* the agent that carries it */
	int n;
};

enum claim_end {
	CLAIM_DONE,
	CLAIM_HELD,   /* its budget has no room: it was put aside */
	CLAIM_GONE,   /* it is not queued any more */
	CLAIM_ENDING, /* due again in the turn that ended its last attempt, which is not on disk */
	CLAIM_FAILED, /* later again */
};

/* Of all times that are due. */
#define FROM_START ((struct wall){WALL_NONE.ms + 1})

static void queue_on_turn(void *arg);
static void queue_on_due(void *arg);

/* --- what fair.h asks ---------------------------------------------------------------------- */

static void
on_terms(void *arg, const char *tenant, struct fair_terms *ret)
{
	const struct queue *queue = arg;
	const struct conf_section *section =
		conf_section(registry_conf(queue->core->registry), "tenant", tenant);

	*ret = (struct fair_terms){1, INT_MAX, false};
	if (!*tenant)
		return;
	ret->paused = switch_is_on(queue->core->switches, "tenant", tenant, "paused");
	if (!section)
		return;
	ret->weight = (int)conf_int(section, "weight");
	if (conf_is_set(section, "max_running"))
		ret->max_running = (int)conf_int(section, "max_running");
}

static bool
on_is_open(void *arg, const void *agent)
{
	(void)arg;
	return ((const struct slot *)agent)->carrier != NULL;
}

static void queue_try_again(struct queue *queue, const char *what, const struct slot *slot,
			    const struct err *err);

/* A line of nothing but paused runs stays, so that they are not walked again for each new one. */
static bool
passed_any(const struct run_place *place)
{
	for (int i = 0; i < RUN_PRIORITIES; i++)
		if (place->after[i])
			return true;
	return false;
}

static enum fair_look
on_look(void *arg, struct fair_line *line, struct fair_head *ret)
{
	struct queue *queue = arg;
	struct core *core = queue->core;
	const struct slot *slot = line->agent;
	const char *tenant = fair_tenant_name(line);
	AUTO(err_fini) struct err err = ERR_INIT;

	if (runs_peek(core->store, slot->agent, *tenant ? tenant : NULL,
		      switches_paused(core->switches, "trigger"), &line->place, &ret->priority,
		      &ret->seq, &err))
		return ret->seq ? FAIR_HEAD : passed_any(&line->place) ? FAIR_LATER : FAIR_EMPTY;
	queue_try_again(queue, "queue cannot look for the next run", slot, &err);
	return FAIR_LATER;
}

static void
on_gone(void *arg, void *agent)
{
	struct queue *queue = arg;
	struct slot *slot = agent;

	slot->lines--;
	queue->gone = true;
}

static int64_t
offset_now(const struct core *core)
{
	return core_wall(core).ms - clock_mono(core->clock).ms;
}

/* --- life ---------------------------------------------------------------------------------- */

struct queue *
queue_new(struct core *core)
{
	struct queue *queue = mem_alloc(sizeof(*queue));
	const struct fair_view view = {on_terms, on_is_open, on_look, on_gone, queue};

	queue->core = core;
	queue->due_at = WALL_NONE;
	queue->offset = offset_now(core);
	queue->begun_to = WALL_NONE;
	queue->fair = fair_new(&view);
	return queue;
}

void
queue_free(struct queue *queue)
{
	if (!queue)
		return;
	fair_free(queue->fair);
	slots_free(queue);
	core_timer_free(queue->turn);
	core_timer_free(queue->due);
	core_timer_free(queue->again);
	free(queue);
}

static bool
queue_count(void *arg, const char *agent, int64_t queued)
{
	queue_note_queued(arg, agent, (int)queued);
	return true;
}

bool
queue_load(struct queue *queue, struct err *err)
{
	if (!runs_count_queued(queue->core->store, queue_count, queue, err))
		return false;
	if (queue->queued) {
		/* Nobody knows what became of the clock while nobody looked. */
		queue->begun_to = FROM_START;
		queue_on_due(queue);
		queue_wake(queue, NULL);
	}
	return true;
}

void
queue_note_queued(struct queue *queue, const char *agent, int by)
{
	slot_of(queue, agent)->queued += by;
	queue->queued += by;
}

void
queue_note_running(struct queue *queue, const char *agent, const char *tenant, int by)
{
	slot_note_running(queue, slot_of(queue, agent), by);
	fair_note_running(queue->fair, tenant ? tenant : "", by);
}

/* --- waking -------------------------------------------------------------------------------- */

static void
queue_arm(struct queue *queue)
{
	if (queue->armed)
		return;
	queue->armed = true;
	core_timer_arm(queue->core, &queue->turn, 0, queue_on_turn, queue);
}

static void
line_wake(struct queue *queue, const char *agent, const char *tenant,
	  void (*known)(struct fair_line *line))
{
	struct slot *slot = slot_of(queue, agent);
	const char *name = tenant ? tenant : "";
	struct fair_line *line = fair_find(queue->fair, name, slot);

	if (line) {
		known(line);
	} else if (slot->lines < LINES_MAX) {
		slot->lines++;
		fair_add(queue->fair, name, slot);
	} else {
		slot->more = true;
	}
	queue_arm(queue);
}

void
queue_note_new(struct queue *queue, const char *agent, const char *tenant)
{
	line_wake(queue, agent, tenant, fair_grew);
}

void
queue_note_ready(void *queue, const char *agent, const char *tenant)
{
	line_wake(queue, agent, tenant, fair_look_again);
}

void
queue_wake(struct queue *queue, const char *agent)
{
	if (!agent)
		queue->stale = true;
	else if (!queue_depth(queue, agent))
		return;
	queue_arm(queue);
}

void
queue_room(struct queue *queue)
{
	if (queue->queued)
		queue_arm(queue);
}

void
queue_wake_at(struct queue *queue, struct wall due)
{
	struct wall now = core_wall(queue->core);

	if (!wall_is_set(due) || (wall_is_set(queue->due_at) && queue->due_at.ms <= due.ms))
		return;
	queue->due_at = due;
	core_timer_arm(queue->core, &queue->due, due.ms > now.ms ? due.ms - now.ms : 0,
		       queue_on_due, queue);
}

static void
queue_on_again(void *arg)
{
	queue_wake(arg, NULL);
}

static void
queue_try_again(struct queue *queue, const char *what, const struct slot *slot,
		const struct err *err)
{
	queue->failed = true;
	log_error(what, "agent", slot->agent, "error", err_text(err));
	core_timer_arm(queue->core, &queue->again, RETRY_MS, queue_on_again, queue);
}

/* What was made ready is on disk, or still waits for its time, which has come. */
static void
on_woken(void *arg, const struct err *err)
{
	struct queue *queue = arg;

	if (err->code == E_OK)
		return;
	if (queue->beginning)
		queue->begun_to = FROM_START;
	queue_wake_at(queue, (struct wall){core_wall(queue->core).ms + RETRY_MS});
}

/* Waits are kept as times of day. Where the clock was set back, those that had begun begin anew:
 * it puts nobody off by more than his own wait. False: failed. */
static bool
dues_look(struct queue *queue, struct err *err)
{
	int64_t offset = offset_now(queue->core);

	if (offset < queue->offset - STEP_MS)
		queue->begun_to = FROM_START;
	queue->offset = offset;
	queue->beginning = wall_is_set(queue->begun_to);
	return !queue->beginning ||
	       runs_due_again(queue->core->store, core_wall(queue->core), queue->begun_to,
			      DUES_A_TURN, &queue->begun_to, err);
}

static void
queue_on_due(void *arg)
{
	struct queue *queue = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct wall next = WALL_NONE;
	unsigned woken = 0;

	queue->due_at = WALL_NONE;
	if (!dues_look(queue, &err) ||
	    !runs_wake(queue->core->store, core_wall(queue->core), DUES_A_TURN, queue_note_ready,
		       queue, &woken, &next, &err)) {
		log_error("queue cannot look for due runs", "error", err_text(&err));
		next = (struct wall){core_wall(queue->core).ms + RETRY_MS};
	} else if (wall_is_set(queue->begun_to))
		next = core_wall(queue->core);
	if (woken || queue->beginning)
		turn_after(queue->core->store, on_woken, queue);
	queue_wake_at(queue, next);
}

static void
claim_free(struct claim *claim)
{
	run_row_fini(&claim->run);
	free(claim->carrier);
	free(claim);
}

/* NULL: its own agent carries it. */
static const char *
claim_fallback(const struct claim *claim)
{
	return strcmp(claim->carrier, claim->run.agent) ? claim->carrier : NULL;
}

/* --- claims -------------------------------------------------------------------------------- */

/* The claim is on disk: now, and not before, the agent starts. */
static void
on_claimed(void *arg, const struct err *err)
{
	struct claim *claim = arg;
	struct core *core = claim->core;
	const struct run_row *run = &claim->run;

	if (err->code == E_OK) {
		attempt_start(core, &claim->run, claim->n, claim_fallback(claim));
	} else {
		ledger_release(core, run->seq, NULL);
		breakers_end(core, BREAKER_AGENT, claim->carrier, run->seq, BREAKER_SILENT, NULL);
		queue_note_running(core->queue, claim->carrier, run->tenant, -1);
		queue_note_queued(core->queue, run->agent, 1);
		queue_note_ready(core->queue, run->agent, run->tenant);
		core_timer_arm(core, &core->queue->again, RETRY_MS, queue_on_again, core->queue);
	}
	claim_free(claim);
}

static bool
claim_read(struct claim *claim, int64_t seq, bool *ret_gone, struct err *err)
{
	*ret_gone = false;
	if (runs_get_seq(claim->core->store, seq, &claim->run, err)) {
		*ret_gone = strcmp(claim->run.status, "queued") != 0;
		return true;
	}
	*ret_gone = err->code == E_NOT_FOUND;
	return *ret_gone;
}

/* Running from now on, or put aside; otherwise it stays as it is. */
static enum claim_end
claim_rows(struct claim *claim, int64_t seq, struct err *err)
{
	struct core *core = claim->core;
	const struct conf_section *daemon =
		conf_section(registry_conf(core->registry), "daemon", "");
	struct wall now = core_wall(core);
	struct wall lease = {now.ms + conf_ms(daemon, "lease")};
	const struct run_worked began = {0, clock_mono(core->clock), core->boot};
	AUTO(hold_fini) struct hold hold = {.until = WALL_NONE};
	AUTO(err_fini) struct err failure = ERR_INIT;
	bool gone;

	if (!claim_read(claim, seq, &gone, err))
		return CLAIM_FAILED;
	if (gone)
		return CLAIM_GONE;
	if (ledger_has(core, seq))
		return CLAIM_ENDING;
	if (!turn_savepoint(core->store, err))
		return CLAIM_FAILED;
	if (!ledger_reserve(core, &claim->run, &hold, err)) {
		if (err->code == E_BUDGET &&
		    ledger_hold(core, &claim->run, &hold, err_text(err), &failure)) {
			turn_release(core->store);
			return CLAIM_HELD;
		}
	} else if (runs_claim(core->store, seq, now, lease, &began, claim_fallback(claim),
			      &claim->n, err)) {
		turn_release(core->store);
		return CLAIM_DONE;
	} else {
		ledger_release(core, seq, NULL);
	}
	turn_undo(core->store);
	if (failure.code != E_OK)
		err_move(err, &failure);
	return CLAIM_FAILED;
}

static void
line_took(struct queue *queue, struct fair_line *line)
{
	const struct slot *slot = line->agent;

	fair_took(queue->fair, line);
	/* More tenants wait on disk than stand here: to the end of their line. */
	if (slot->more && fair_is_spent(line))
		fair_drop(queue->fair, line);
}

static void
line_claim(struct queue *queue, struct fair_line *line)
{
	struct core *core = queue->core;
	struct slot *slot = line->agent;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct claim *claim = mem_alloc(sizeof(*claim));
	enum claim_end end;

	claim->core = core;
	claim->carrier = mem_strdup(slot->carrier->agent);
	end = claim_rows(claim, line->head.seq, &err);
	if (end == CLAIM_DONE) {
		claim->run.attempts = claim->n;
		queue_note_queued(queue, claim->run.agent, -1);
		queue_note_running(queue, claim->carrier, claim->run.tenant, 1);
		breakers_begin(core, BREAKER_AGENT, claim->carrier, claim->run.seq);
		line_took(queue, line);
		turn_after(core->store, on_claimed, claim);
		return;
	}
	/* Once its end is on disk there is room, and another turn. */
	if (end == CLAIM_ENDING)
		queue->failed = true;
	else if (end == CLAIM_FAILED)
		queue_try_again(queue, "queue cannot claim a run", slot, &err);
	if (end != CLAIM_ENDING)
		fair_pass(queue->fair, line);
	claim_free(claim);
}

/* --- the turn ------------------------------------------------------------------------------ */

static void
tenant_found(struct queue *queue, struct slot *slot, const char *tenant)
{
	if (fair_find(queue->fair, tenant, slot))
		return;
	slot->lines++;
	fair_add(queue->fair, tenant, slot);
}

/* The next tenants that have something ready, from disk. False: failed. */
static bool
slot_fill(struct queue *queue, struct slot *slot, struct err *err)
{
	bool from_start = !slot->after.len, found;

	if (from_start)
		tenant_found(queue, slot, "");
	while (slot->lines < LINES_MAX) {
		if (!runs_next_tenant(queue->core->store, slot->agent, &slot->after, &found, err))
			return false;
		if (!found) {
			buf_clear(&slot->after);
			slot->more = !from_start;
			return true;
		}
		if (!switch_is_on(queue->core->switches, "tenant", buf_cstr(&slot->after),
				  "paused"))
			tenant_found(queue, slot, buf_cstr(&slot->after));
	}
	return true;
}

/* Goes round at most once. */
static void
slots_prepare(struct queue *queue)
{
	struct slot *slot, *next;

	HASH_ITER (hh, queue->slots, slot, next) {
		AUTO(err_fini) struct err err = ERR_INIT;

		for (int i = 0; i < 2 && slot->more && slot->lines <= LINES_MAX / 2; i++)
			if (!slot_fill(queue, slot, &err)) {
				queue_try_again(queue, "queue cannot look for tenants", slot, &err);
				break;
			}
	}
}

static void
slots_are_stale(struct queue *queue)
{
	struct slot *slot, *next;

	queue->stale = false;
	slots_refresh(queue);
	fair_forget(queue->fair);
	HASH_ITER (hh, queue->slots, slot, next) {
		slot->more = slot->queued > 0;
		buf_clear(&slot->after);
	}
}

/* Is there a line that a run could start from? */
static bool
any_is_open(struct queue *queue)
{
	struct slot *slot, *next;
	bool any = false;

	HASH_ITER (hh, queue->slots, slot, next) {
		slot->carrier = slot->lines ? slot_find_carrier(queue, slot) : NULL;
		any |= slot->carrier != NULL;
	}
	return any;
}

static bool
any_has_more(const struct queue *queue)
{
	struct slot *slot, *next;

	HASH_ITER (hh, queue->slots, slot, next)
		if (slot->more && slot->lines <= LINES_MAX / 2)
			return true;
	return false;
}

static void
queue_on_turn(void *arg)
{
	struct queue *queue = arg;
	struct core *core = queue->core;
	const struct conf_section *limits =
		conf_section(registry_conf(core->registry), "limits", "");
	int64_t max_running = conf_int(limits, "max_running");
	struct fair_line *line;
	int claims = 0;

	queue->armed = queue->failed = queue->gone = false;
	if (queue->queued > 0)
		vigil_queue(core);
	if (core->draining || core->handing || core_is_halted(core) ||
	    switch_is_on(core->switches, "all", "", "paused"))
		return;
	if (queue->stale)
		slots_are_stale(queue);
	slots_prepare(queue);
	while (claims < CLAIMS_A_TURN && queue->running < max_running && !queue->failed &&
	       any_is_open(queue) && (line = fair_next(queue->fair))) {
		line_claim(queue, line);
		claims++;
	}
	/* What failed has a timer of its own. */
	if (!queue->failed && (claims >= CLAIMS_A_TURN || (queue->gone && any_has_more(queue))))
		queue_arm(queue);
}
