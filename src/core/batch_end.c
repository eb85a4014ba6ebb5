/* Batches: the end of a run is the end of its entity. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#include "base/os.h"
#include "core/batch_inside.h"
#include "core/replay.h"
#include "store/runs.h"

const char *
batch_outcome(const char *status, const char *reason)
{
	/* It said so itself, or a person did; all else happened to it. */
	static const char *const said[] = {"permanent", "no_effect", "denied", "gate_timeout",
					   "invalid"};

	if (!strcmp(status, "succeeded"))
		return "done";
	for (size_t i = 0; reason && i < ARRAY_LEN(said); i++)
		if (!strcmp(reason, said[i]))
			return "failed";
	return "skipped";
}

static void
counts_add(struct batch_counts *counts, const char *state, int64_t by)
{
	if (!strcmp(state, "running"))
		counts->running += by;
	else if (!strcmp(state, "done"))
		counts->done += by;
	else if (!strcmp(state, "skipped"))
		counts->skipped += by;
	else if (!strcmp(state, "failed"))
		counts->failed += by;
}

static void
rate_note(struct live *live)
{
	int64_t bucket = clock_mono(live->core->clock).ms / RATE_BUCKET_MS;

	for (int64_t b = live->bucket + 1; b <= bucket && b <= live->bucket + RATE_BUCKETS; b++)
		live->ends[b % RATE_BUCKETS] = 0;
	live->bucket = bucket;
	live->ends[bucket % RATE_BUCKETS]++;
}

bool
batch_run_ended(struct core *core, const struct run_row *run, const char *status,
		const char *reason, struct err *err)
{
	AUTO(item_row_fini) struct item_row item = {0};
	struct batch_counts counts = {.run = run->seq};
	struct item_move move = {.run = run->seq, .drops_data = true};
	struct live *live;

	const char *entity = replay_is(run->batch) ? run->replay_of : run->entity;

	if (!run->batch || !entity)
		return true;
	/* Nobody has to look after it. */
	if (replay_is(run->batch) && !strcmp(status, "failed") &&
	    !runs_drop(core->store, run->seq, err))
		return false;
	if (!items_find(core->store, run->batch, entity, &item, err))
		return false;
	/* Its own run, or one that repeats that. */
	if (!item.batch || (item.run != run->seq && (!run->replay_of || !item.run_id ||
						     strcmp(run->replay_of, item.run_id) != 0)))
		return true;
	move.from = item.state;
	move.to = batch_outcome(status, reason);
	move.reason = !strcmp(status, "failed")	     ? reason
		      : !strcmp(status, "succeeded") ? NULL
						     : status;
	counts_add(&counts, move.from, -1);
	counts_add(&counts, move.to, 1);
	if (!items_move(core->store, item.batch, item.n, &move, err) ||
	    !batches_count(core->store, item.batch, &counts, err))
		return false;
	crash_point("batch_ended");
	live = batch_live(core, item.batch);
	if (live) {
		live->looked = false;
		rate_note(live);
		live_wake(live, 0);
	}
	return true;
}
