/* Overlaps: what an event does to earlier runs of its trigger and entity that are not done. SPEC 8.
 */
/* SPDX-License-Identifier: MIT */
#include "core/overlap.h"

#include "core/run.h"
#include "store/runs.h"

/* Of one event: more are left only where the policy was another before; the next event comes to
 * them. */
#define RUNS_A_TIME 256

bool
overlap_orders(enum overlap overlap)
{
	return overlap == OVERLAP_QUEUE_ONE || overlap == OVERLAP_CANCEL_OTHER;
}

static bool
run_yield(struct core *core, enum overlap overlap, int64_t seq, struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};

	if (!runs_get_seq(core->store, seq, &run, err))
		return false;
	if (overlap == OVERLAP_CANCEL_OTHER)
		return run_cancel(core, run.id, "rouse",
				  "overlap = cancel_other, and a newer event came", err);
	/* One that was begun and waits to be tried again goes on. */
	if (run_state_of(run.status) != RUN_QUEUED || run.attempts)
		return true;
	return run_skip(core, &run, "overlap = queue_one, and a newer event waits in its place",
			err);
}

bool
overlap_settle(struct core *core, enum overlap overlap, const char *trigger, const char *entity,
	       int64_t seq, struct err *err)
{
	int64_t seqs[RUNS_A_TIME];
	size_t count = 0;

	if (!overlap_orders(overlap))
		return true;
	if (!runs_unfinished(core->store, trigger, entity, seqs, RUNS_A_TIME, &count, err))
		return false;
	for (size_t i = 0; i < count; i++)
		if (seqs[i] < seq && !run_yield(core, overlap, seqs[i], err))
			return false;
	return true;
}
