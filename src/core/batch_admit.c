/* Batches on their way: an entity becomes a run, as many at once as may be. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#include "base/os.h"
#include "base/uuid.h"
#include "core/batch_inside.h"
#include "core/bound.h"
#include "core/envelope.h"
#include "core/queue.h"
#include "core/replay.h"
#include "core/run.h"
#include "core/shed.h"
#include "store/runs.h"

/* Runs that one turn makes. */
#define STEP_RUNS 64
#define RETRY_MS 1000
/* While the queue is full. */
#define WAIT_MS 1000

struct taken {
	int64_t n[STEP_RUNS];
	char *entity[STEP_RUNS], *data[STEP_RUNS];
	unsigned count;
};

static bool
taken_add(void *arg, const struct item_row *row)
{
	struct taken *taken = arg;

	taken->n[taken->count] = row->n;
	taken->entity[taken->count] = mem_strdup(row->entity);
	taken->data[taken->count++] = mem_strdup(row->data ? row->data : "null");
	return true;
}

static void
taken_fini(struct taken *taken)
{
	for (unsigned i = 0; i < taken->count; i++) {
		free(taken->entity[i]);
		free(taken->data[i]);
	}
}

struct admitted {
	struct core *core;
	char *agent, *tenant;
	int64_t seq; /* of the batch */
};

static void
on_admitted(void *arg, const struct err *err)
{
	struct admitted *admitted = arg;
	struct core *core = admitted->core;
	struct live *live = batch_live(core, admitted->seq);

	if (err->code == E_OK) {
		queue_note_new(core->queue, admitted->agent, admitted->tenant);
	} else {
		queue_note_queued(core->queue, admitted->agent, -1);
		if (live)
			live_wake(live, RETRY_MS);
	}
	free(admitted->agent);
	free(admitted->tenant);
	free(admitted);
}

static void
run_fill(const struct batch_row *row, const struct batch_settings *settings, struct wall now,
	 struct run_row *ret)
{
	const struct agent *agent = settings->agent;

	*ret = (struct run_row){
		.event = row->event,
		.trigger = (char *)"",
		.source = (char *)"batch",
		.agent = (char *)agent->name,
		.intent = (char *)settings->intent,
		.mode = row->mode,
		.batch = row->id,
		.tenant = (char *)settings->tenant,
		.trust = (char *)trust_name(TRUST_TRUSTED),
		.config_commit = (char *)(*agent->commit ? agent->commit : NULL),
		.root = row->event_id,
		.priority = settings->priority,
		.status = (char *)"queued",
		.max_attempts = agent->retry.attempts,
		.created = now,
		.started = WALL_NONE,
		.ended = WALL_NONE,
		.event_time = row->started,
		.due = WALL_NONE,
		.limits = settings->limits,
	};
}

/* The item and its run, in one savepoint. */
static bool
run_admit(struct live *live, int64_t n, struct run_row *run, struct err *err)
{
	struct core *core = live->core;
	AUTO(buf_fini) struct buf traceparent = BUF_INIT;
	struct item_move move = {.from = "left", .to = "running", .drops_data = true};
	struct admitted *admitted;
	bool ready;

	envelope_traceparent(core, STR_NONE, NULL, &traceparent);
	run->traceparent = (char *)buf_cstr(&traceparent);
	if (!runs_insert(core->store, run, &move.run, &ready, err) ||
	    !items_move(core->store, live->seq, n, &move, err) ||
	    !batches_count(core->store, live->seq, &(struct batch_counts){.running = 1}, err))
		return false;
	crash_point("batch_admitted");
	run_tell(core, run->id, run, "queued");
	queue_note_queued(core->queue, run->agent, 1);
	admitted = mem_alloc(sizeof(*admitted));
	*admitted =
		(struct admitted){core, mem_strdup(run->agent), mem_strdup(run->tenant), live->seq};
	turn_after(core->store, on_admitted, admitted);
	return true;
}

/* An old run of a replay, whose payload is no longer kept. */
static bool
gone_keep(struct live *live, int64_t n, struct err *err)
{
	const struct item_move move = {.from = "left",
				       .to = "skipped",
				       .reason = "payload",
				       .error = "its payload is no longer kept (retention.events)",
				       .drops_data = true};

	live_wake(live, 0);
	return items_move(live->core->store, live->seq, n, &move, err) &&
	       batches_count(live->core->store, live->seq, &(struct batch_counts){.skipped = 1},
			     err);
}

static bool
entity_admit(struct live *live, const struct batch_row *row, const struct batch_settings *settings,
	     const struct taken *taken, unsigned i, struct err *err)
{
	struct wall now = core_wall(live->core);
	struct uuid id = uuid_v7(now);
	AUTO(buf_fini) struct buf key = BUF_INIT, payload = BUF_INIT, guise = BUF_INIT;
	AUTO(json_auto_decref) json_t *made = NULL;
	struct run_row run;
	bool gone = false;

	run_fill(row, settings, now, &run);
	buf_cat(&key, row->id, "/", taken->entity[i]);
	run.id = id.text;
	run.key = (char *)buf_cstr(&key);
	if (!replay_is(row->id)) {
		run.entity = taken->entity[i];
		run.payload = taken->data[i];
	} else if (!replay_fill(taken->data[i], &run, &made, &payload, &guise, &gone, err)) {
		return false;
	} else {
		run.replay_of = taken->entity[i];
	}
	return gone ? gone_keep(live, taken->n[i], err) : run_admit(live, taken->n[i], &run, err);
}

/* How many may begin now: as many as run at once, for the money that is left. */
static int64_t
room_now(struct live *live, const struct batch_row *row, const struct batch_settings *settings,
	 int64_t affordable)
{
	int64_t room = settings->concurrency - row->running;
	int64_t ended = row->done + row->skipped + row->failed;

	if (room > affordable)
		room = affordable;
	if (live->plan.shuffled && strcmp(row->source_state, "ended") != 0)
		return 0;
	if (live->plan.trial && room > live->plan.trial - ended - row->running)
		room = live->plan.trial - ended - row->running;
	return room < STEP_RUNS ? room : STEP_RUNS;
}

bool
live_admit(struct live *live, const struct batch_row *row, const struct batch_settings *settings,
	   int64_t affordable, struct err *err)
{
	struct core *core = live->core;
	int64_t room = room_now(live, row, settings, affordable);
	struct taken taken = {.count = 0};
	bool ok = true;

	if (room <= 0 || !batch_left(row))
		return true;
	if (queue_is_full(core) || bound_look(core) == BOUND_FULL) {
		live_wake(live, WAIT_MS);
		return true;
	}
	if (!items_next(core->store, live->seq, (unsigned)room, taken_add, &taken, err))
		ok = false;
	for (unsigned i = 0; ok && i < taken.count; i++) {
		if (!turn_savepoint(core->store, err)) {
			ok = false;
		} else if (entity_admit(live, row, settings, &taken, i, err)) {
			turn_release(core->store);
		} else {
			turn_undo(core->store);
			ok = false;
		}
	}
	/* More of it in the next turn. */
	if (ok && taken.count == STEP_RUNS)
		live_wake(live, 0);
	taken_fini(&taken);
	return ok;
}
