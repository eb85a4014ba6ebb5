/* The clock of a run's deadline: it stands while a person decides. SPEC 6, 9. */
/* SPDX-License-Identifier: MIT */
#include "core/stand.h"

#include "base/log.h"
#include "core/agent.h"
#include "store/runs.h"

/* By id, because the attempt may end first. */
struct standing {
	struct core *core;
	char id[64];
};

static void
kind_tell(struct attempt *attempt)
{
	if (attempt->agent && attempt->agent->kind->stand && attempt->state && !attempt->ending)
		attempt->agent->kind->stand(attempt, attempt->now.waits);
}

static void
on_begun(void *arg, const struct err *err)
{
	struct standing *standing = arg;
	struct attempt *attempt = attempt_find(standing->core, standing->id);

	if (err->code == E_OK && attempt)
		kind_tell(attempt);
	free(standing);
}

int64_t
stand_worked_ms(const struct attempt *attempt)
{
	return attempt->now.waits ? 0 : clock_mono(attempt->core->clock).ms - attempt->now.since.ms;
}

/* Also what was counted last does not count again: what it says has become active_ms, or is from
 * before the wait. */
static void
count_anew(struct attempt *attempt)
{
	const struct run_worked none = {0, clock_mono(attempt->core->clock), attempt->core->boot};
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!attempts_count(attempt->core->store, attempt->run.seq, attempt->n, &none, &err))
		log_warning("what a run has worked is counted later", "run", attempt->run.id,
			    "error", err_text(&err));
}

void
stand_begin(struct attempt *attempt)
{
	struct standing *standing;
	int64_t worked;

	if (attempt->now.waits)
		return;
	/* Zero would say that it never waited. */
	worked = stand_worked_ms(attempt);
	worked = worked > 0 ? worked : 1;
	attempt->now.used.active_ms += worked;
	attempt->now.run_used.active_ms += worked;
	attempt->now.waits = true;
	attempt->progress_dirty = true;
	count_anew(attempt);
	standing = mem_alloc(sizeof(*standing));
	standing->core = attempt->core;
	memcpy(standing->id, attempt->id, sizeof(standing->id));
	turn_after(attempt->core->store, on_begun, standing);
}

void
stand_end(struct attempt *attempt)
{
	if (!attempt->now.waits)
		return;
	attempt->now.waits = attempt->durable.waits = false;
	attempt->now.since = attempt->durable.since = clock_mono(attempt->core->clock);
	count_anew(attempt);
	kind_tell(attempt);
}

/* --- taken up ------------------------------------------------------------------------------ */

void
stand_recall(struct attempt *attempt, const struct attempt_row *row, bool waits)
{
	struct core *core = attempt->core;
	int64_t now = clock_mono(core->clock).ms, worked = row->worked_ms;

	/* In another boot nothing of it can have lived on. */
	if (row->boot && row->boot == core->boot && row->counted_ms < now)
		worked += now - row->counted_ms;
	attempt->now.since.ms = now - worked;
	attempt->now.waits = waits;
}

void
stand_lost(struct attempt *attempt, const struct attempt_row *row)
{
	attempt->now.since.ms = clock_mono(attempt->core->clock).ms - row->worked_ms;
}

void
stand_adopted(struct attempt *attempt)
{
	if (attempt->now.waits || attempt->now.used.active_ms)
		kind_tell(attempt);
}
