/* Suspended runs: they wait for a person, and no process of theirs is kept. SPEC 6. */
/* SPDX-License-Identifier: MIT */
#include "core/suspend.h"

#include "base/log.h"
#include "core/agent.h"
#include "core/gate.h"
#include "core/queue.h"
#include "core/run.h"
#include "store/changes.h"
#include "store/runs.h"

/* Of one run: an agent that asks for ever is in error. */
#define SUSPENDS_MAX 1000
/* What an agent has for leaving by itself, before it is stopped. */
#define LEAVE_MS 10000

static void
suspend_on_time(void *arg)
{
	struct attempt *attempt = arg;

	if (attempt->ending || !attempt->durable.suspended)
		return;
	log_info("suspended agent does not leave; it is stopped", "attempt", attempt->id);
	attempt->agent->kind->cancel(attempt, "suspended");
}

/* It fails, and is not tried again: it would say the same. Of one that is just being taken up, an
 * earlier daemon has stopped the process. */
static void
refuse(struct attempt *attempt, const char *why)
{
	if (attempt->agent && attempt->state)
		attempt_stop(attempt, "invalid", why);
	else if (!attempt->stop_reason) {
		attempt->stop_reason = "invalid";
		attempt->stop_text = mem_strdup(why);
	}
}

void
suspend_begin(struct attempt *attempt)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	bool asked = true;

	if (attempt->stop_reason)
		return;
	if (attempt->suspended >= SUSPENDS_MAX) {
		refuse(attempt, "suspended 1000 times; that is the most");
		return;
	}
	/* A store that cannot be read now decides nothing: the end looks once more. */
	if (gates_asked(attempt, &asked, &err) && !asked) {
		refuse(attempt, "it said suspend, and no gate of it is open: nothing would wake "
				"it; say approval or ask first");
		return;
	}
	attempt->has_asked = true;
	attempt->now.suspended = true;
	core_timer_arm(attempt->core, &attempt->suspend_timer, LEAVE_MS, suspend_on_time, attempt);
}

static bool
on_attempt(void *arg, const struct attempt_row *row)
{
	*(int *)arg += !strcmp(row->status, "suspended") ||
		       (row->reason && !strcmp(row->reason, "unread"));
	return true;
}

int
suspend_count(struct core *core, int64_t run)
{
	int count = 0;

	attempts_list(core->store, run, on_attempt, &count, NULL);
	return count;
}

bool
suspend_is(struct core *core, const struct run_row *run, bool *ret, struct err *err)
{
	AUTO(attempt_row_fini) struct attempt_row last = {0};

	*ret = false;
	if (run_state_of(run->status) != RUN_WAITING)
		return true;
	if (!attempts_get(core->store, run->seq, run->attempts, &last, err))
		return false;
	*ret = !strcmp(last.status, "suspended");
	return true;
}

static bool
on_decision(void *arg, const struct decision_row *row)
{
	char **why = arg;

	if (strcmp(row->decision, "cancel"))
		return true;
	free(*why);
	*why = mem_strdup(row->reason ? row->reason : "cancelled");
	return true;
}

bool
run_unwanted(struct core *core, const char *run_id, char **ret_why, struct err *err)
{
	*ret_why = NULL;
	return decisions_each(core->store, "run", run_id, on_decision, ret_why, err);
}

struct waking {
	struct core *core;
	char *agent, *tenant;
};

static void
on_queued(void *arg, const struct err *err)
{
	struct waking *waking = arg;

	if (err->code == E_OK) {
		queue_note_queued(waking->core->queue, waking->agent, 1);
		queue_note_ready(waking->core->queue, waking->agent, waking->tenant);
	}
	free(waking->agent);
	free(waking->tenant);
	free(waking);
}

bool
suspend_wake(struct core *core, int64_t seq, struct err *err)
{
	const struct run_move move = {
		.from = "waiting", .to = "queued", .ended = WALL_NONE, .due = WALL_NONE};
	AUTO(run_row_fini) struct run_row run = {0};
	struct waking *waking;
	bool suspended;

	if (!runs_get_seq(core->store, seq, &run, err) || !suspend_is(core, &run, &suspended, err))
		return false;
	if (!suspended)
		return true;
	if (!runs_move(core->store, seq, &move, err))
		return false;
	log_info("suspended run goes on", "run", run.id, "agent", run.agent);
	run_tell(core, run.id, &run, move.to);
	waking = mem_alloc(sizeof(*waking));
	waking->core = core;
	waking->agent = mem_strdup(run.agent);
	waking->tenant = mem_strdup(run.tenant);
	turn_after(core->store, on_queued, waking);
	return true;
}
