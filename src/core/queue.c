/* The queue: which run starts next. Durable order is the store's; here is only who may go now. */
/* SPDX-License-Identifier: MIT */
#include "core/queue.h"

#include "base/log.h"
#include "base/map.h"
#include "core/attempt.h"
#include "core/breakers.h"
#include "core/halt.h"
#include "core/ledger.h"
#include "core/vigil.h"
#include "store/runs.h"

/* Claims in one turn, so that one commit does not grow without bound. */
#define CLAIMS_A_TURN 64
#define RETRY_MS 1000

struct slot {
	char *agent;
	int64_t queued;
	int running;
	bool woken;
	UT_hash_handle hh;
};

struct queue {
	struct core *core;
	struct slot *slots;
	int64_t queued;
	int running;
	struct core_timer *turn, *due, *again;
	struct wall due_at;
	bool armed;
};

/* A claim whose commit is awaited. */
struct claim {
	struct core *core;
	struct run_row run;
	char *carrier; /* the agent that carries it */
	int n;
	bool held; /* its budget has no room: it waits */
};

static void queue_on_turn(void *arg);
static void queue_on_due(void *arg);

static struct slot *
slot_of(struct queue *queue, const char *agent)
{
	struct slot *slot;

	HASH_FIND_STR(queue->slots, agent, slot);
	if (slot)
		return slot;
	slot = mem_alloc(sizeof(*slot));
	slot->agent = mem_strdup(agent);
	HASH_ADD_KEYPTR(hh, queue->slots, slot->agent, strlen(slot->agent), slot);
	return slot;
}

struct queue *
queue_new(struct core *core)
{
	struct queue *queue = mem_alloc(sizeof(*queue));

	queue->core = core;
	queue->due_at = WALL_NONE;
	return queue;
}

void
queue_free(struct queue *queue)
{
	struct slot *slot, *next;

	if (!queue)
		return;
	HASH_ITER (hh, queue->slots, slot, next) {
		HASH_DEL(queue->slots, slot);
		free(slot->agent);
		free(slot);
	}
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
	if (queue->queued)
		queue_on_due(queue);
	return true;
}

void
queue_note_queued(struct queue *queue, const char *agent, int by)
{
	slot_of(queue, agent)->queued += by;
	queue->queued += by;
}

void
queue_note_running(struct queue *queue, const char *agent, int by)
{
	slot_of(queue, agent)->running += by;
	queue->running += by;
}

int64_t
queue_depth(const struct queue *queue, const char *agent)
{
	struct slot *slot;

	if (!agent)
		return queue->queued;
	HASH_FIND_STR(queue->slots, agent, slot);
	return slot ? slot->queued : 0;
}

int
queue_in_flight(const struct queue *queue, const char *agent)
{
	struct slot *slot;

	if (!agent)
		return queue->running;
	HASH_FIND_STR(queue->slots, agent, slot);
	return slot ? slot->running : 0;
}

void
queue_wake(struct queue *queue, const char *agent)
{
	struct slot *slot, *next;

	if (agent)
		slot_of(queue, agent)->woken = true;
	else
		HASH_ITER (hh, queue->slots, slot, next)
			slot->woken = true;
	if (queue->armed)
		return;
	queue->armed = true;
	core_timer_arm(queue->core, &queue->turn, 0, queue_on_turn, queue);
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

/* What was made ready is on disk, or still waits for its time, which has come. */
static void
on_woken(void *arg, const struct err *err)
{
	struct queue *queue = arg;

	if (err->code != E_OK)
		queue_wake_at(queue, (struct wall){core_wall(queue->core).ms + RETRY_MS});
}

static void
queue_on_due(void *arg)
{
	struct queue *queue = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct wall next = WALL_NONE;
	unsigned woken = 0;

	queue->due_at = WALL_NONE;
	if (!runs_wake(queue->core->store, core_wall(queue->core), 1000, &woken, &next, &err)) {
		log_error("queue cannot look for due runs", "error", err_text(&err));
		next = (struct wall){core_wall(queue->core).ms + RETRY_MS};
	}
	if (woken)
		turn_after(queue->core->store, on_woken, queue);
	queue_wake(queue, NULL);
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

/* The claim is on disk: now, and not before, the agent starts. */
static void
on_claimed(void *arg, const struct err *err)
{
	struct claim *claim = arg;
	struct core *core = claim->core;

	if (err->code == E_OK) {
		attempt_start(core, &claim->run, claim->n, claim_fallback(claim));
	} else {
		ledger_release(core, claim->run.seq, NULL);
		breakers_end(core, BREAKER_AGENT, claim->carrier, claim->run.seq, BREAKER_SILENT,
			     NULL);
		queue_note_running(core->queue, claim->carrier, -1);
		queue_note_queued(core->queue, claim->run.agent, 1);
		core_timer_arm(core, &core->queue->again, RETRY_MS, queue_on_again, core->queue);
	}
	claim_free(claim);
}

/* The next run of the agent, running from now on; false leaves it queued. */
static bool
claim_rows(struct claim *claim, const char *agent, struct err *err)
{
	struct core *core = claim->core;
	const struct conf_section *daemon =
		conf_section(registry_conf(core->registry), "daemon", "");
	struct wall now = core_wall(core);
	struct wall lease = {now.ms + conf_ms(daemon, "lease")};
	AUTO(hold_fini) struct hold hold = {.until = WALL_NONE};
	AUTO(err_fini) struct err failure = ERR_INIT;

	if (!runs_peek(core->store, agent, switches_paused(core->switches, "trigger"),
		       switches_paused(core->switches, "tenant"), &claim->run, err) ||
	    !turn_savepoint(core->store, err))
		return false;
	if (!ledger_reserve(core, &claim->run, &hold, err)) {
		claim->held = err->code == E_BUDGET &&
			      ledger_hold(core, &claim->run, &hold, err_text(err), &failure);
	} else if (runs_claim(core->store, claim->run.seq, now, lease, claim_fallback(claim),
			      &claim->n, err)) {
		turn_release(core->store);
		return true;
	} else {
		ledger_release(core, claim->run.seq, NULL);
	}
	if (claim->held)
		turn_release(core->store);
	else
		turn_undo(core->store);
	if (failure.code != E_OK)
		err_move(err, &failure);
	return false;
}

/* True: one was claimed, or put aside. */
static bool
slot_claim(struct queue *queue, struct slot *slot, const struct agent *carrier)
{
	struct core *core = queue->core;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct claim *claim = mem_alloc(sizeof(*claim));

	claim->core = core;
	claim->carrier = mem_strdup(carrier->name);
	if (claim_rows(claim, slot->agent, &err)) {
		claim->run.attempts = claim->n;
		queue_note_queued(queue, slot->agent, -1);
		queue_note_running(queue, carrier->name, 1);
		breakers_begin(core, BREAKER_AGENT, carrier->name, claim->run.seq);
		turn_after(core->store, on_claimed, claim);
		return true;
	}
	if (claim->held) {
		claim_free(claim);
		return true;
	}
	slot->woken = false;
	if (err.code != E_NOT_FOUND) {
		log_error("queue cannot claim a run", "agent", slot->agent, "error",
			  err_text(&err));
		core_timer_arm(core, &queue->again, RETRY_MS, queue_on_again, queue);
	}
	claim_free(claim);
	return false;
}

/* To the end of the line: where not all may start, every agent gets its turn. */
static void
slot_serve_last(struct queue *queue, struct slot *slot)
{
	HASH_DEL(queue->slots, slot);
	HASH_ADD_KEYPTR(hh, queue->slots, slot->agent, strlen(slot->agent), slot);
}

/* The agent that the next run of this one would start with now; NULL: none starts. */
static const struct agent *
slot_may_start(struct queue *queue, const struct slot *slot)
{
	struct core *core = queue->core;
	const struct agent *agent, *carrier;

	if (!slot->woken || slot->queued <= 0 ||
	    switch_is_on(core->switches, "agent", slot->agent, "paused"))
		return NULL;
	agent = registry_agent(core->registry, slot->agent);
	carrier = breakers_carrier(core, agent);
	if (!carrier || queue_in_flight(queue, carrier->name) >= carrier->concurrency)
		return NULL;
	if (carrier != agent && switch_is_on(core->switches, "agent", carrier->name, "paused"))
		return NULL;
	return carrier;
}

static void
queue_on_turn(void *arg)
{
	struct queue *queue = arg;
	struct core *core = queue->core;
	const struct conf_section *limits =
		conf_section(registry_conf(core->registry), "limits", "");
	int64_t max_running = conf_int(limits, "max_running");
	const struct agent *carrier;
	struct slot *slot, *next;
	int claims = 0;
	bool any = true;

	queue->armed = false;
	if (queue->queued > 0)
		vigil_queue(core);
	if (core->draining || core_is_halted(core) ||
	    switch_is_on(core->switches, "all", "", "paused"))
		return;
	while (any && claims < CLAIMS_A_TURN) {
		any = false;
		HASH_ITER (hh, queue->slots, slot, next) {
			if (queue->running >= max_running || claims >= CLAIMS_A_TURN)
				break;
			carrier = slot_may_start(queue, slot);
			if (!carrier || !slot_claim(queue, slot, carrier))
				continue;
			slot_serve_last(queue, slot);
			claims++;
			any = true;
		}
	}
	if (claims >= CLAIMS_A_TURN)
		queue_wake(queue, NULL);
}
