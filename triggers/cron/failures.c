/* Failures: a schedule whose runs fail one after another pauses itself. */
/* SPDX-License-Identifier: MIT */
#include "triggers/cron/inside.h"

#include "base/log.h"
#include "core/halt.h"
#include "core/run.h"
#include "store/runs.h"

/* Of those that are not over yet, so many are looked past. */
#define UNFINISHED_MAX 64

struct tally {
	int64_t since, failed, wanted, newest;
	bool broken; /* one did not fail */
};

static bool
on_run(void *arg, const struct run_row *row)
{
	struct tally *tally = arg;

	if (row->seq <= tally->since)
		return false;
	if (row->seq > tally->newest)
		tally->newest = row->seq;
	if (!strcmp(row->status, "failed"))
		tally->failed++;
	else if (!strcmp(row->status, "succeeded"))
		tally->broken = true;
	return !tally->broken && tally->failed < tally->wanted;
}

bool
tick_gives_up(struct tick *tick)
{
	struct core *core = tick->source.core;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct tally tally = {.since = tick->cursor.failures_seq, .wanted = tick->pause_after};
	struct list_query query = {.filters = {{"trigger", tick->source.name}},
				   .since = WALL_NONE,
				   .limit = (unsigned)tick->pause_after + UNFINISHED_MAX};

	if (!tick->pause_after)
		return false;
	if (query.limit > 1000)
		query.limit = 1000;
	if (!runs_list(core->store, &query, on_run, &tally, &err)) {
		log_warning("failed runs cannot be counted", "trigger", tick->source.name, "error",
			    err_text(&err));
		return false;
	}
	if (tally.failed < tick->pause_after)
		return false;
	tick->cursor.failures_seq = tally.newest;
	tick_save(tick);
	if (!switch_turn(core, "trigger", tick->source.name, "paused", true, "pause_after_failures",
			 &err)) {
		log_error("trigger cannot be paused", "trigger", tick->source.name, "error",
			  err_text(&err));
		return false;
	}
	return true;
}
