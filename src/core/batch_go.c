/* Batches on their way: entities become runs, as many at once as may be. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <inttypes.h>
#include <math.h>

#include "base/log.h"
#include "base/uuid.h"
#include "core/batch_inside.h"
#include "core/envelope.h"
#include "core/ledger.h"
#include "core/queue.h"
#include "core/replay.h"
#include "core/run.h"
#include "core/shed.h"
#include "store/runs.h"

/* Runs that one turn makes, or ends. */
#define STEP_RUNS 64
#define RETRY_MS 1000
/* While the queue is full, or what it takes to start is not there. */
#define WAIT_MS 1000

/* --- those that go on ---------------------------------------------------------------------- */

struct live *
batch_live(struct core *core, int64_t seq)
{
	struct live *live = NULL;

	if (core->batches)
		HASH_FIND(hh, core->batches->by_seq, &seq, sizeof(seq), live);
	return live;
}

struct live *
live_new(struct core *core, const struct batch_row *row)
{
	struct live *live = batch_live(core, row->seq);

	if (live)
		return live;
	live = mem_alloc(sizeof(*live));
	live->core = core;
	live->seq = row->seq;
	live->id = mem_strdup(row->id);
	live->name = mem_strdup(row->name);
	HASH_ADD(hh, core->batches->by_seq, seq, sizeof(live->seq), live);
	return live;
}

void
live_free(struct live *live)
{
	HASH_DEL(live->core->batches->by_seq, live);
	live_close(live);
	plan_fini(&live->plan);
	core_timer_free(live->step);
	core_timer_free(live->clock);
	free(live->id);
	free(live->name);
	free(live);
}

static void live_on_step(void *arg);
static void live_on_clock(void *arg);

void
live_wake(struct live *live, int64_t ms)
{
	if (ms > 0) {
		core_timer_arm(live->core, &live->clock, ms, live_on_clock, live);
		return;
	}
	if (live->armed)
		return;
	live->armed = true;
	core_timer_arm(live->core, &live->step, 0, live_on_step, live);
}

static void
live_on_clock(void *arg)
{
	live_wake(arg, 0);
}

void
batches_wake(struct core *core, int64_t seq)
{
	struct live *live = batch_live(core, seq);

	if (live)
		live_wake(live, 0);
}

void
batches_wake_id(struct core *core, const char *id)
{
	struct live *live, *next;

	if (!core->batches)
		return;
	HASH_ITER (hh, core->batches->by_seq, live, next)
		if (!strcmp(live->id, id))
			live_wake(live, 0);
}

/* --- when it stops ------------------------------------------------------------------------- */

/* True: too many did not end well. */
static bool
gone_wrong(const struct batch_row *row, const struct batch_settings *settings, struct buf *out)
{
	int64_t bad = row->skipped + row->failed - row->excused;
	int64_t ended = row->done + row->skipped + row->failed - row->excused;

	if (settings->stop_count && bad >= settings->stop_count) {
		buf_printf(
			out,
			"%" PRId64 " entit%s did not end well (on_failure = stop); rouse batch "
			"show %s --entities --status skipped says why, rouse batch resume goes on",
			bad, bad == 1 ? "y" : "ies", row->id);
		return true;
	}
	if (isnan(settings->stop_share) || ended < BATCH_SHARE_LEAST ||
	    (double)bad <= settings->stop_share * (double)ended)
		return false;
	buf_printf(out,
		   "%" PRId64 " of %" PRId64 " entities did not end well, which is more than "
		   "stop_after = %s; rouse batch show %s --entities --status skipped says why, "
		   "rouse batch resume goes on",
		   bad, ended, conf_str(settings->section, "stop_after"), row->id);
	return true;
}

static bool
too_late(struct live *live, const struct batch_row *row, const struct batch_settings *settings,
	 struct buf *out)
{
	int64_t gone = row->worked_ms;

	if (!settings->deadline_ms)
		return false;
	if (wall_is_set(row->resumed))
		gone += core_wall(live->core).ms - row->resumed.ms;
	if (gone < settings->deadline_ms) {
		live_wake(live, settings->deadline_ms - gone);
		return false;
	}
	buf_printf(out,
		   "not done within batch_budget.deadline = %s; rouse batch resume goes on once "
		   "there is more",
		   conf_str(settings->section, "batch_budget.deadline"));
	return true;
}

/* One word, and out in words: it cannot go on. NULL: it can. */
static const char *
must_stop(struct live *live, const struct batch_row *row, const struct batch_settings *settings,
	  bool is_spent, struct buf *out)
{
	if (is_spent && batch_left(row) + row->running > 0) {
		if (replay_is(row->id))
			buf_cat(out, "its budget has no room for another run; rouse replay ",
				row->id, " --budget.cost N goes on once there is more");
		else
			buf_puts(out,
				 "batch_budget has no room for another entity (budget.* says what "
				 "one may use); raise it and reload, then rouse batch resume");
		return "budget";
	}
	if (gone_wrong(row, settings, out))
		return "failures";
	if (batch_left(row) + row->running > 0 && too_late(live, row, settings, out))
		return "deadline";
	return NULL;
}

/* --- the end ------------------------------------------------------------------------------- */

struct standing {
	int64_t going, proposed, other; /* on their way; to be decided; conflict or failed */
};

static bool
standing_add(void *arg, const char *status, int64_t n)
{
	struct standing *standing = arg;

	if (!strcmp(status, "approved") || !strcmp(status, "applying"))
		standing->going += n;
	else if (!strcmp(status, "proposed"))
		standing->proposed += n;
	else if (!strcmp(status, "conflict") || !strcmp(status, "failed"))
		standing->other += n;
	return true;
}

/* mode = apply: what was approved as it arrived is on its way, or has landed. */
static bool
land(struct core *core, const struct batch_row *row, bool *ret_over, struct err *err)
{
	struct standing standing = {0};

	*ret_over = false;
	if (!batch_changes_count(core->store, row->id, standing_add, &standing, err))
		return false;
	if (standing.going)
		return true;
	*ret_over = true;
	return batch_move(core, row->seq,
			  standing.proposed || standing.other ? BATCH_APPLY_STOPS
							      : BATCH_APPLY_DONE,
			  NULL, NULL, err);
}

/* What was asked for by name and is not there. */
static bool
absent_keep(struct live *live, const struct batch_row *row, struct err *err)
{
	struct core *core = live->core;
	struct batch_counts counts = {0};
	const char *key;
	json_t *value;

	json_object_foreach (live->plan.only, key, value) {
		struct item_row item = {.batch = live->seq,
					.n = plan_place(&live->plan, row->items + counts.items + 1),
					.entity = (char *)key,
					.state = (char *)"skipped",
					.reason = (char *)"absent",
					.error = (char *)"its source has no entity of this key"};
		bool is_new;

		if (!items_insert(core->store, &item, &is_new, err))
			return false;
		counts.items += is_new;
		counts.skipped += is_new;
	}
	return !counts.items || batches_count(core->store, live->seq, &counts, err);
}

/* Nothing runs and nothing is left: true, or it goes on with another page. */
static bool
nothing_left(struct live *live, const struct batch_row *row, struct err *err)
{
	if (!strcmp(row->source_state, "broken"))
		return batch_move(live->core, live->seq, BATCH_FAIL, "source", row->error, err);
	if (strcmp(row->source_state, "ended") != 0)
		return true;
	if (!live->looked && !live->plan.limit && !live->plan.only) {
		live_read(live, row);
		return true;
	}
	return (!live->plan.only || absent_keep(live, row, err)) &&
	       batch_move(live->core, live->seq, BATCH_ENTITIES_DONE, NULL, NULL, err);
}

/* --- a step -------------------------------------------------------------------------------- */

/* What runs of a batch that was cancelled is stopped, some at a time. */
struct sweep {
	char *runs[STEP_RUNS];
	unsigned count;
	int64_t last;
};

static bool
sweep_add(void *arg, const struct item_row *row)
{
	struct sweep *sweep = arg;

	sweep->last = row->n;
	sweep->runs[sweep->count++] = mem_strdup(row->run_id);
	return true;
}

static void
live_sweep(struct live *live)
{
	struct core *core = live->core;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct sweep sweep = {.last = live->swept};

	if (!items_list(core->store, live->seq, "running", live->swept, STEP_RUNS, false, sweep_add,
			&sweep, &err))
		log_error("batch does not stop what runs", "batch", live->id, "error",
			  err_text(&err));
	for (unsigned i = 0; i < sweep.count; i++) {
		AUTO(err_fini) struct err gone = ERR_INIT;

		if (sweep.runs[i])
			run_cancel(core, sweep.runs[i], "batch", "its batch was cancelled", &gone);
		free(sweep.runs[i]);
	}
	live->swept = sweep.last;
	if (sweep.count == STEP_RUNS)
		live_wake(live, 0);
	else
		live_free(live);
}

static bool
live_go(struct live *live, struct batch_row *row, struct err *err)
{
	struct core *core = live->core;
	AUTO(buf_fini) struct buf why = BUF_INIT;
	AUTO(err_fini) struct err missing = ERR_INIT;
	struct batch_settings settings;
	const char *reason;
	int64_t affordable, alone;
	bool idle;

	plan_fini(&live->plan);
	plan_read(row->options, &live->plan);
	if (!batch_settings_of(core->registry, row, &settings, &missing))
		return batch_move(core, live->seq, BATCH_FAIL, "config", err_text(&missing), err);
	if (!ledger_batch_room(core, row->id, &settings.limits, row->running, &affordable, &idle,
			       err) ||
	    !ledger_batch_room(core, row->id, &settings.limits, 0, &alone, &idle, err))
		return false;
	reason = must_stop(live, row, &settings, idle && !alone, &why);
	if (reason)
		return batch_move(core, live->seq, BATCH_FAIL, reason, buf_cstr(&why), err);
	if (!live_admit(live, row, &settings, affordable, err))
		return false;
	if (!strcmp(row->source_state, "reading"))
		live_read(live, row);
	/* As it was before this step began: what it admitted is still to come. */
	if (live->plan.trial && !row->running && batch_left(row) &&
	    row->done + row->skipped + row->failed >= live->plan.trial)
		return batch_move(core, live->seq, BATCH_PAUSE, "trial", NULL, err);
	if (!row->running && !batch_left(row) && !live->reading)
		return nothing_left(live, row, err);
	if (live->plan.shuffled && !strcmp(row->source_state, "broken") && !row->running)
		return batch_move(core, live->seq, BATCH_FAIL, "source", row->error, err);
	return true;
}

static void
live_on_step(void *arg)
{
	struct live *live = arg;
	struct core *core = live->core;
	AUTO(batch_row_fini) struct batch_row row = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	enum batch_state state;
	bool over;

	live->armed = false;
	if (core->draining)
		return;
	if (!batches_get_seq(core->store, live->seq, &row, &err)) {
		if (err.code == E_NOT_FOUND) {
			live_free(live);
			return;
		}
	} else {
		state = batch_state_of(row.state);
		if (state == BATCH_CANCELLED) {
			live_close(live);
			live_sweep(live);
			return;
		}
		if (state == BATCH_APPLYING && !strcmp(row.mode, "apply") &&
		    land(core, &row, &over, &err)) {
			if (over)
				live_free(live);
			return;
		}
		if (err.code == E_OK && state != BATCH_RUNNING) {
			live_free(live);
			return;
		}
		if (err.code == E_OK && live_go(live, &row, &err))
			return;
	}
	log_error("batch does not go on now", "batch", live->id, "error", err_text(&err));
	live_wake(live, RETRY_MS);
}

/* --- all of them --------------------------------------------------------------------------- */

struct batches *
batches_new(struct core *core)
{
	struct batches *batches = mem_alloc(sizeof(*batches));

	batches->core = core;
	batches->timer_fd = -1;
	return batches;
}

void
batches_free(struct batches *batches)
{
	struct live *live, *next;

	if (!batches)
		return;
	HASH_ITER (hh, batches->by_seq, live, next)
		live_free(live);
	schedules_free(batches);
	free(batches);
}

#define LOAD_PAGE 64

static bool
load_state(struct core *core, const char *state, struct err *err)
{
	int64_t seqs[LOAD_PAGE], after = 0;
	size_t count;

	do {
		if (!batches_in_state(core->store, state, after, seqs, LOAD_PAGE, &count, err))
			return false;
		for (size_t i = 0; i < count; i++) {
			AUTO(batch_row_fini) struct batch_row row = {0};

			after = seqs[i];
			if (!batches_get_seq(core->store, after, &row, err))
				return false;
			if (!strcmp(state, "running") || row.running || !strcmp(row.mode, "apply"))
				live_wake(live_new(core, &row), 0);
		}
	} while (count == LOAD_PAGE);
	return true;
}

bool
batches_load(struct core *core, struct err *err)
{
	if (core->rehearsal)
		return true;
	if (!load_state(core, "running", err) || !load_state(core, "cancelled", err) ||
	    !load_state(core, "applying", err))
		return false;
	schedules_set(core->batches);
	return true;
}

void
batches_reload(struct core *core)
{
	struct live *live, *next;

	HASH_ITER (hh, core->batches->by_seq, live, next) {
		live_close(live);
		live_wake(live, 0);
	}
	schedules_set(core->batches);
}
