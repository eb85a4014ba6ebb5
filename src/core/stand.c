/* The clock of a run's deadline: it stands while a person decides. SPEC 6, 9. */
/* SPDX-License-Identifier: MIT */
#include "core/stand.h"

#include "core/agent.h"
#include "store/state.h"

#define GATES_LOOKED_AT 1000

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
	kind_tell(attempt);
}

/* --- taken up ------------------------------------------------------------------------------ */

static bool
on_gate(void *arg, const struct gate_row *row)
{
	struct wall *last = arg;

	if (wall_is_set(row->decided_at) && (!wall_is_set(*last) || row->decided_at.ms > last->ms))
		*last = row->decided_at;
	return true;
}

void
stand_recall(struct attempt *attempt, bool waits)
{
	struct core *core = attempt->core;
	struct list_query query = {.filters = {{"run", attempt->run.id}},
				   .since = WALL_NONE,
				   .limit = GATES_LOOKED_AT};
	struct wall last = WALL_NONE, now = core_wall(core);

	attempt->now.since = attempt->started;
	attempt->now.waits = waits;
	if (waits || !attempt->now.used.active_ms)
		return;
	/* It has waited, and went on when the last of its gates was decided. */
	gates_list(core->store, &query, on_gate, &last, NULL);
	if (wall_is_set(last) && last.ms <= now.ms &&
	    now.ms - last.ms < clock_mono(core->clock).ms - attempt->started.ms)
		attempt->now.since = (struct mono){clock_mono(core->clock).ms - (now.ms - last.ms)};
}

void
stand_adopted(struct attempt *attempt)
{
	if (attempt->now.waits || attempt->now.used.active_ms)
		kind_tell(attempt);
}
