/* Attempts: their end, judged and written down until it is on disk. */
/* SPDX-License-Identifier: MIT */
#include "core/attempt_parts.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/log.h"
#include "base/uuid.h"
#include "core/agent.h"
#include "core/batch.h"
#include "core/breakers.h"
#include "core/change.h"
#include "core/expect.h"
#include "core/gate.h"
#include "core/ledger.h"
#include "core/meter.h"
#include "core/metrics.h"
#include "core/notify.h"
#include "core/protocol.h"
#include "core/queue.h"
#include "core/run.h"
#include "core/session.h"
#include "core/signal.h"
#include "core/stand.h"
#include "core/telemetry.h"
#include "core/vet.h"
#include "store/changes.h"
#include "store/runs.h"

/* An end whose rows are being written: kept until they are on disk. */
struct ending {
	struct attempt *attempt;
	struct attempt_end end;
	char *reason, *text;
	struct run_verdict verdict;
	struct vet_wait *vetting; /* its proposals are looked at; NULL: not any more */
	struct expect *expect;	  /* NULL: nothing is expected */
	struct expectation *told; /* NULL: nothing yet */
	struct core_timer *timer;
};

static void ending_write(void *arg);

void
ending_free(struct ending *ending)
{
	if (!ending)
		return;
	core_timer_free(ending->timer);
	vet_wait_free(ending->vetting);
	expect_free(ending->expect);
	expectation_free(ending->told);
	free(ending->reason);
	free(ending->text);
	free(ending);
}

static void
on_ended(void *arg, const struct err *err)
{
	struct ending *ending = arg;
	struct attempt *attempt = ending->attempt;
	struct core *core = attempt->core;
	const struct run_verdict *verdict = &ending->verdict;
	const char *status = run_state_name(run_next(RUN_RUNNING, verdict->event));

	if (err->code != E_OK) {
		core_timer_arm(core, &ending->timer, ATTEMPT_RETRY_MS, ending_write, ending);
		return;
	}
	log_info("run ends", "run", attempt->run.id, "agent", attempt->carrier, "status", status,
		 "reason", verdict->reason);
	queue_note_running(core->queue, attempt->carrier, attempt->run.tenant, -1);
	breakers_kept(core, BREAKER_AGENT, attempt->carrier);
	ledger_release(core, attempt->run.seq, &attempt->now.used);
	if (verdict->event == RUN_RETRY) {
		queue_note_queued(core->queue, attempt->run.agent, 1);
		queue_wake_at(core->queue, (struct wall){core_wall(core).ms + verdict->delay_ms});
	} else if (verdict->event != RUN_WAIT) {
		metrics_ended(core->metrics, attempt->run.agent, status, verdict->reason);
		metrics_observe(core->metrics, "rouse_run_duration_seconds", "agent",
				attempt->run.agent, (double)attempt->now.used.active_ms / 1000);
	}
	queue_room(core->queue);
	if (attempt->agent && attempt->state) {
		attempt->agent->kind->release(attempt, true);
		attempt->state = NULL;
	}
	attempt_free(attempt);
}

static void
done_log(struct attempt *attempt, const struct ending *ending, const char *status)
{
	AUTO(json_auto_decref) json_t *object = json_object();
	AUTO(buf_fini) struct buf text = BUF_INIT;

	json_put_str(object, "type", "done");
	json_put_str(object, "status", status);
	json_put_str(object, "reason", ending->verdict.reason);
	json_put_str(object, "attempt_status", ending->verdict.attempt_status);
	if (ending->end.exit_code >= 0)
		json_object_set_new(object, "exit", json_integer(ending->end.exit_code));
	if (ending->end.signal)
		json_object_set_new(object, "signal", json_integer(ending->end.signal));
	json_put_str(object, "error", ending->text);
	json_write(&text, object);
	attempt_log(attempt, "done", buf_str(&text));
}

/* It would go on, but was cancelled when its process had ended and that was not written yet: there
 * was nothing left to stop. */
static bool
ending_is_cancelled(struct ending *ending, bool *ret, struct err *err)
{
	char *why;

	*ret = false;
	if (ending->verdict.event != RUN_WAIT && ending->verdict.event != RUN_RETRY)
		return true;
	if (!run_unwanted(ending->attempt->core, ending->attempt->run.id, &why, err))
		return false;
	if (!why)
		return true;
	*ret = true;
	ending->verdict.event = RUN_CANCEL;
	ending->verdict.reason = NULL;
	free(ending->text);
	ending->text = why;
	ending->end.text = why;
	return true;
}

/* What a suspended run waits for may have come while its agent left: then it goes on at once. */
static bool
ending_look_again(struct ending *ending, struct err *err)
{
	bool open, cancelled;

	if (!ending_is_cancelled(ending, &cancelled, err))
		return false;
	if (cancelled || ending->verdict.event != RUN_WAIT)
		return true;
	if (!gates_are_open(ending->attempt->core, ending->attempt->run.id, &open, err))
		return false;
	if (!open)
		ending->verdict.event = RUN_RETRY;
	return true;
}

/* What it left where it worked. */
static bool
ending_left(struct ending *ending, enum run_state to, struct err *err)
{
	struct attempt *attempt = ending->attempt;
	size_t i;
	json_t *line;

	json_array_foreach (attempt->left, i, line) {
		const char *type = json_str(line, "type");
		AUTO(buf_fini) struct buf text = BUF_INIT;
		AUTO(err_fini) struct err why = ERR_INIT;

		if (strcmp(type, "change")) {
			json_write(&text, line);
			attempt_log(attempt, type, buf_str(&text));
		} else if (run_is_final(to) &&
			   !change_leave(attempt, line, to != RUN_SUCCEEDED, &why)) {
			if (err_again(why.code))
				return err_move(err, &why);
			protocol_refuse(attempt, "change", &why);
		}
	}
	return true;
}

/* Every row that an end changes; false leaves none of them. */
static bool
ending_rows(struct ending *ending, struct err *err)
{
	struct attempt *attempt = ending->attempt;
	struct store *store = attempt->core->store;
	const struct run_verdict *verdict = &ending->verdict;
	enum run_state to = run_next(RUN_RUNNING, verdict->event);
	struct wall now = core_wall(attempt->core);
	struct run_move move = {
		.from = "running",
		.to = run_state_name(to),
		.reason = verdict->reason,
		.error = verdict->event == RUN_SUCCEED || verdict->event == RUN_WAIT ? NULL
										     : ending->text,
		.result = attempt->result,
		.expect = ending->told ? ending->told->json : NULL,
		.ended = run_is_final(to) ? now : WALL_NONE,
		.due = verdict->event == RUN_RETRY ? (struct wall){now.ms + verdict->delay_ms}
						   : WALL_NONE};
	AUTO(run_row_fini) struct run_row asked = {0};

	if (attempt->has_asked) {
		if (!runs_get_seq(store, attempt->run.seq, &asked, err))
			return false;
		move.from = asked.status;
	}
	if (!attempt_store_progress(attempt, err) ||
	    !ledger_settle(attempt->core, &attempt->run, &attempt->now.used, err) ||
	    !breakers_store(attempt->core, BREAKER_AGENT, attempt->carrier, err))
		return false;
	if (!attempts_end(store, attempt->run.seq, attempt->n, verdict->attempt_status,
			  verdict->attempt_reason, ending->text, ending->end.exit_code,
			  ending->end.signal, now, err))
		return false;
	if (!runs_move(store, attempt->run.seq, &move, err))
		return false;
	if (!ending_left(ending, to, err))
		return false;
	if (run_is_final(to) && verdict->event != RUN_SUCCEED &&
	    !changes_mark_partial(store, attempt->run.seq, err))
		return false;
	if (run_is_final(to) && !gates_cancel(attempt->core, attempt->run.id, err))
		return false;
	if (run_is_final(to) &&
	    (!session_turned(attempt->core, &attempt->run, attempt->checkpoint, err) ||
	     !runs_free_lines(store, &attempt->run, queue_note_ready, attempt->core->queue, err)))
		return false;
	if (run_is_final(to) && !signal_ended(attempt->core, &attempt->run, move.to, move.reason,
					      move.error, move.result, err))
		return false;
	if (to == RUN_FAILED &&
	    !notify_run_failed(attempt->core, &attempt->run, move.reason, move.error, err))
		return false;
	if (run_is_final(to) &&
	    !batch_run_ended(attempt->core, &attempt->run, move.to, move.reason, err))
		return false;
	if (!telemetry_ended(attempt->core, &attempt->run, attempt->n, run_is_final(to), err))
		return false;
	done_log(attempt, ending, move.to);
	attempt_tell(attempt, move.to, verdict->reason);
	return true;
}

static void
ending_write(void *arg)
{
	struct ending *ending = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct core *core = ending->attempt->core;

	if (turn_savepoint(core->store, &err)) {
		if (ending_look_again(ending, &err) && ending_rows(ending, &err)) {
			turn_release(core->store);
			turn_after(core->store, on_ended, ending);
			return;
		}
		turn_undo(core->store);
	}
	log_error("end of run not kept yet", "run", ending->attempt->run.id, "error",
		  err_text(&err));
	core_timer_arm(core, &ending->timer, ATTEMPT_RETRY_MS, ending_write, ending);
}

/* A sentence for people about an end that says nothing itself. */
static char *
ending_text(const struct attempt *attempt, const struct attempt_end *end)
{
	struct buf text = BUF_INIT;

	if (attempt->stop_text)
		buf_puts(&text, attempt->stop_text);
	else if (attempt->now.suspended)
		return NULL;
	else if (attempt->over_reason && (end->exit_code || attempt->said.code != E_OK))
		buf_puts(&text, attempt->over_text);
	else if (end->text)
		buf_puts(&text, end->text);
	else if (attempt->said.code != E_OK)
		buf_puts(&text, err_text(&attempt->said));
	else if (end->reason && !strcmp(end->reason, "deadline"))
		buf_printf(&text, "not done within %" PRId64 " ms (budget.deadline); stopped",
			   attempt->run.limits.deadline_ms);
	else if (end->reason && !strcmp(end->reason, "output"))
		buf_printf(&text, "printed more than %" PRId64 " bytes (budget.output); stopped",
			   attempt->run.limits.output_bytes);
	else if (end->lost)
		buf_puts(&text, "its executor is gone without a word");
	else if (end->signal)
		buf_printf(&text, "ended by signal %d", end->signal);
	else if (end->exit_code > 0)
		buf_printf(&text, "exit status %d", end->exit_code);
	return text.len ? buf_take(&text) : NULL;
}

/* All is known: what it means for the agent, and the rows. */
static void
ending_begin(struct ending *ending)
{
	struct attempt *attempt = ending->attempt;

	breakers_end(attempt->core, BREAKER_AGENT, attempt->carrier, attempt->run.seq,
		     ending->verdict.outcome, ending->text);
	core_timer_arm(attempt->core, &ending->timer, 0, ending_write, ending);
}

/* It ended well, and did not do what it was for: the agent may be well all the same. */
static void
on_expected(struct attempt *attempt, struct expectation *take_told)
{
	struct ending *ending = attempt->end;

	ending->told = take_told;
	if (!take_told->met) {
		ending->verdict = (struct run_verdict){.event = RUN_FAIL,
						       .reason = "no_effect",
						       .attempt_status = "failed",
						       .attempt_reason = "no_effect",
						       .outcome = BREAKER_SILENT};
		free(ending->text);
		ending->text = mem_strdup(take_told->text);
		ending->end.text = ending->text;
	}
	ending_begin(ending);
}

/* It may have ended, or lost its daemon, before it could be stopped for what it had used. */
static void
budget_is_over(struct attempt *attempt)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	const char *reason = attempt->stop_reason ? NULL : meter_exceeded(attempt, &text);

	if (!reason)
		return;
	attempt->stop_reason = reason;
	attempt->stop_text = buf_take(&text);
	attempt->now.over_budget = true;
}

static void
ending_judge(struct ending *ending)
{
	struct attempt *attempt = ending->attempt;

	if (attempt->agent)
		ending->verdict = run_judge(attempt, &ending->end, entropy_below(UINT64_MAX));
	else
		ending->verdict = (struct run_verdict){
			.event = RUN_FAIL, .reason = "permanent", .attempt_status = "failed"};
	if (ending->verdict.event == RUN_SUCCEED && expect_wants(attempt))
		ending->expect = expect_ask(attempt, ending->end.exit_code, on_expected);
	else
		ending_begin(ending);
}

/* Whoever looks at what it proposed, a rule, a person or a program, sees what is left of it. */
static void
on_vetted(void *arg)
{
	struct ending *ending = arg;

	ending->vetting = NULL;
	ending_judge(ending);
}

void
attempt_exit(struct attempt *attempt, const struct attempt_end *end)
{
	struct ending *ending;
	int64_t active_ms;

	if (attempt->ending)
		return;
	meter_holds_over(attempt, true);
	budget_is_over(attempt);
	ending = mem_alloc(sizeof(*ending));
	active_ms = stand_worked_ms(attempt);
	/* It may have ended while no daemon lived. */
	if (end->worked_ms && end->worked_ms - attempt->now.used.active_ms < active_ms)
		active_ms = end->worked_ms > attempt->now.used.active_ms
				    ? end->worked_ms - attempt->now.used.active_ms
				    : 0;
	attempt->ending = true;
	attempt->end = ending;
	attempt->now.used.active_ms += active_ms;
	attempt->now.run_used.active_ms += active_ms;
	ending->attempt = attempt;
	ending->end = *end;
	ending->reason = mem_strdup(end->reason);
	ending->end.reason = ending->reason;
	ending->text = ending_text(attempt, end);
	ending->end.text = ending->text;
	ending->vetting = vet_wait(attempt->core, attempt->run.seq, on_vetted, ending);
	if (!ending->vetting)
		ending_judge(ending);
}
