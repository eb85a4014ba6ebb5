/* Replays: questions, decided as they were then. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "core/attempt.h"
#include "core/gate.h"
#include "core/gate_tell.h"
#include "core/replay.h"
#include "core/run.h"
#include "store/state.h"

#define GATES_LOOKED_AT 1000

struct then {
	const struct gate_row *gate;
	struct gate_row found; /* the best so far: the same step, and better the same payload */
	bool any, exact;
};

static bool
same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool
on_gate_of_old(void *arg, const struct gate_row *row)
{
	struct then *then = arg;
	bool exact = same_text(row->payload, then->gate->payload);

	if (!row->decision || !same_text(row->kind, then->gate->kind) ||
	    !same_text(row->step, then->gate->step) || (then->any && !exact) ||
	    !gate_allows(then->gate, row->decision))
		return true;
	gate_row_fini(&then->found);
	then->found = (struct gate_row){.id = mem_strdup(row->id),
					.decision = mem_strdup(row->decision),
					.answer = mem_strdup(row->answer),
					.decided_by = mem_strdup(row->decided_by)};
	then->any = true;
	then->exact = exact;
	return !exact;
}

static void
remark(struct attempt *attempt, const char *step, const char *decision)
{
	AUTO(buf_fini) struct buf line = BUF_INIT, text = BUF_INIT;

	buf_cat(&text, "the run that this one replays did not ask ", step ? step : "this",
		"; decided as where nobody answers: ", decision);
	buf_puts(&line, "{\"type\":\"log\",\"level\":\"warning\",\"text\":");
	buf_json_cstr(&line, buf_cstr(&text));
	buf_puts(&line, ",\"fields\":{\"replay\":\"not_asked_then\"}}");
	attempt_log(attempt, "log", buf_str(&line));
}

static bool
decide(struct attempt *attempt, const struct gate_row *gate, const char *decision,
       const char *answer, const char *why, struct err *err)
{
	struct core *core = attempt->core;
	const char *status = !strcmp(decision, "timeout") ? "expired" : "decided";
	AUTO(gate_row_fini) struct gate_row kept = {0};
	int64_t seq;

	if (!turn_savepoint(core->store, err))
		return false;
	if (!gates_insert(core->store, gate, &seq, err) ||
	    !gates_decide(core->store, seq, status, decision, "replay", why, answer,
			  core_wall(core), err) ||
	    !gates_get(core->store, gate->id, &kept, err) ||
	    (gate_ends_run(gate, decision) &&
	     !run_fail(core, attempt->run.seq, "gate_timeout", why, err))) {
		turn_undo(core->store);
		return false;
	}
	turn_release(core->store);
	attempt->has_asked = true;
	if (!gate_ends_run(gate, decision))
		gate_tell_agent(core, &kept, decision, answer, "replay", why, false);
	return true;
}

bool
replay_gate(struct attempt *attempt, const struct gate_row *gate, const char *lapsed,
	    struct err *err)
{
	struct list_query query = {.filters = {{"run", attempt->run.replay_of}},
				   .since = WALL_NONE,
				   .limit = GATES_LOOKED_AT};
	struct then then = {.gate = gate};
	AUTO(buf_fini) struct buf why = BUF_INIT;
	AUTO(err_fini) struct err gone = ERR_INIT;
	bool ok;

	/* An old run that is gone by now says nothing, as one that did not ask. */
	if (!gates_list(attempt->core->store, &query, on_gate_of_old, &then, &gone) &&
	    gone.code != E_NOT_FOUND)
		return err_move(err, &gone);
	if (then.any) {
		buf_cat(&why, "as it was decided then, by ",
			then.found.decided_by ? then.found.decided_by : "rouse", " (gate ",
			then.found.id, ")");
		ok = decide(attempt, gate, then.found.decision, then.found.answer, buf_cstr(&why),
			    err);
	} else {
		remark(attempt, gate->step, lapsed);
		ok = decide(attempt, gate, lapsed, NULL, "it was not asked then", err);
	}
	gate_row_fini(&then.found);
	return ok;
}
