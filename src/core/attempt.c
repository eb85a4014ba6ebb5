/* Attempts: one envelope being carried out now, from its claim to its end. */
/* SPDX-License-Identifier: MIT */
#include "core/attempt.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/log.h"
#include "base/uuid.h"
#include "core/agent.h"
#include "core/apply.h"
#include "core/envelope.h"
#include "core/gate.h"
#include "core/metrics.h"
#include "core/protocol.h"
#include "core/queue.h"
#include "core/run.h"
#include "core/signal.h"
#include "core/stream.h"
#include "store/changes.h"
#include "store/events.h"
#include "store/runs.h"

/* How long a step that the store refused waits before it is tried again. */
#define STORE_RETRY_MS 500

struct attempts {
	struct core *core;
	struct attempt *by_id, *by_run;
	struct attempt_list live;
	struct core_timer *gate_timer;
	struct wall gate_due;
};

/* An end whose rows are being written: kept until they are on disk. */
struct ending {
	struct attempt *attempt;
	struct attempt_end end;
	char *reason, *text;
	struct run_verdict verdict;
	struct core_timer *timer;
};

/* Output whose commit is awaited; by id, because the attempt may end first. */
struct took {
	struct core *core;
	char id[64];
};

static void ending_write(void *arg);
static void ending_free(struct ending *ending);

struct attempts *
attempts_new(struct core *core)
{
	struct attempts *attempts = mem_alloc(sizeof(*attempts));

	attempts->core = core;
	attempts->gate_due = WALL_NONE;
	LIST_INIT(&attempts->live);
	return attempts;
}

struct attempt_list *
attempts_live(struct core *core)
{
	return &core->attempts->live;
}

static struct attempt *
attempt_new(struct core *core, struct run_row *take_run, int n)
{
	struct attempt *attempt = mem_alloc(sizeof(*attempt));

	attempt->core = core;
	attempt->registry = registry_ref(core->registry);
	attempt->agent = registry_agent(attempt->registry, take_run->agent);
	attempt->run = *take_run;
	*take_run = (struct run_row){0};
	attempt->n = n;
	snprintf(attempt->id, sizeof(attempt->id), "%s.%d", attempt->run.id, n);
	attempt->started = clock_mono(core->clock);
	attempt->now.run_used = attempt->run.used;
	attempt->durable = attempt->now;
	attempt->checkpoint = mem_strdup(attempt->run.checkpoint);
	attempt->completed_steps = mem_strdup(attempt->run.completed_steps);
	attempt->said_retry_after_ms = -1;
	HASH_ADD_STR(core->attempts->by_id, id, attempt);
	HASH_ADD_KEYPTR(hh_run, core->attempts->by_run, attempt->run.id, strlen(attempt->run.id),
			attempt);
	LIST_INSERT_HEAD(&core->attempts->live, attempt, entry);
	return attempt;
}

static void
attempt_free(struct attempt *attempt)
{
	HASH_DEL(attempt->core->attempts->by_id, attempt);
	HASH_DELETE(hh_run, attempt->core->attempts->by_run, attempt);
	LIST_REMOVE(attempt, entry);
	if (attempt->agent && attempt->state)
		attempt->agent->kind->release(attempt, false);
	core_timer_free(attempt->progress_timer);
	ending_free(attempt->end);
	run_row_fini(&attempt->run);
	err_fini(&attempt->said);
	free(attempt->said_reason);
	free(attempt->checkpoint);
	free(attempt->completed_steps);
	free(attempt->result);
	free(attempt->result_status);
	free(attempt->stop_text);
	free(attempt->executor);
	registry_unref(attempt->registry);
	free(attempt);
}

void
attempts_free(struct attempts *attempts)
{
	struct attempt *attempt, *next;

	if (!attempts)
		return;
	LIST_FOREACH_SAFE (attempt, &attempts->live, entry, next)
		attempt_free(attempt);
	core_timer_free(attempts->gate_timer);
	free(attempts);
}

struct core_timer **
attempts_gate_timer(struct core *core, struct wall **ret_due)
{
	*ret_due = &core->attempts->gate_due;
	return &core->attempts->gate_timer;
}

struct attempt *
attempt_find(struct core *core, const char *attempt_id)
{
	struct attempt *attempt;

	HASH_FIND_STR(core->attempts->by_id, attempt_id, attempt);
	return attempt;
}

struct attempt *
attempt_of_run(struct core *core, const char *run_id)
{
	struct attempt *attempt;

	HASH_FIND(hh_run, core->attempts->by_run, run_id, strlen(run_id), attempt);
	return attempt;
}

void
attempt_log(struct attempt *attempt, const char *type, struct str data)
{
	int64_t seq;

	if (!runlog_add(attempt->core->store, attempt->run.seq, attempt->n,
			core_wall(attempt->core), type, data, &seq, NULL))
		return;
	stream_publish(attempt->core->stream, &(struct stream_event){.kind = "log",
								     .id = attempt->run.id,
								     .type = type,
								     .seq = seq,
								     .data = data});
}

/* A run's new state, to whom it may concern. */
static void
attempt_tell(struct attempt *attempt, const char *status, const char *reason)
{
	AUTO(json_auto_decref) json_t *object = NULL;
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!stream_count(attempt->core->stream))
		return;
	object = json_object();
	json_put_str(object, "id", attempt->run.id);
	json_put_str(object, "status", status);
	json_put_str(object, "reason", reason);
	json_put_str(object, "agent", attempt->run.agent);
	json_put_str(object, "trigger", attempt->run.trigger);
	json_write(&text, object);
	stream_publish(attempt->core->stream, &(struct stream_event){.kind = "run",
								     .id = attempt->run.id,
								     .type = status,
								     .data = buf_str(&text)});
}

/* The deadline of this attempt: what earlier ones left of the run's. */
int64_t
attempt_time_left_ms(const struct attempt *attempt)
{
	return attempt->run.limits.deadline_ms - attempt->now.run_used.active_ms;
}

static void
attempt_not_started(struct attempt *attempt, const struct err *err)
{
	bool again = err_again(err->code);

	attempt_exit(attempt, &(struct attempt_end){.not_started = !again,
						    .exit_code = again ? 75 : -1,
						    .text = err_text(err)});
}

/* The event whose data is the payload, unless the run has one of its own. */
static bool
attempt_event(const struct attempt *attempt, struct event_row *event, struct err *err)
{
	if (attempt->run.payload)
		return true;
	if (!events_get_seq(attempt->core->store, attempt->run.event, event, err) &&
	    err->code != E_NOT_FOUND)
		return false;
	return event->document ||
	       err_set(err, E_NOT_FOUND,
		       "the event of the run is no longer kept, and its data was the payload");
}

void
attempt_start(struct core *core, struct run_row *take_run, int n)
{
	struct attempt *attempt = attempt_new(core, take_run, n);
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(event_row_fini) struct event_row event = {0};
	AUTO(buf_fini) struct buf envelope = BUF_INIT;
	struct wall now = core_wall(core);

	metrics_observe(core->metrics, "rouse_event_to_start_seconds", NULL, NULL,
			(double)(now.ms - attempt->run.created.ms) / 1000);
	if (!attempt->agent) {
		err_set(&err, E_NOT_FOUND, "agent %s is no longer configured", attempt->run.agent);
		attempt_not_started(attempt, &err);
		return;
	}
	if (!attempt_event(attempt, &event, &err)) {
		attempt_not_started(attempt, &err);
		return;
	}
	if (n > 1) {
		free(attempt->run.decisions);
		attempt->run.decisions = gates_decisions(core, attempt->run.id);
	}
	envelope_build(&attempt->run, n,
		       event.document ? envelope_event_data(str_of(event.document)) : STR("null"),
		       &envelope);
	log_info("run starts", "run", attempt->run.id, "agent", attempt->run.agent, "trigger",
		 attempt->run.trigger);
	attempt_log(attempt, "start", STR("{\"type\":\"start\"}"));
	attempt_tell(attempt, "running", NULL);
	crash_point("before-agent-start");
	if (!attempt->agent->kind->start(attempt, buf_str(&envelope), &err)) {
		attempt_not_started(attempt, &err);
		return;
	}
	if (attempt->executor)
		attempts_set_executor(core->store, attempt->run.seq, n, attempt->executor, NULL);
}

/* --- adoption: what an earlier daemon started --------------------------------------------- */

/* How long ago that was; 0 where the clock went back. */
static int64_t
wall_age_ms(const struct core *core, struct wall at)
{
	struct wall now = core_wall(core);

	return wall_is_set(at) && at.ms < now.ms ? now.ms - at.ms : 0;
}

static bool
on_live(void *arg, const struct run_row *run, const struct attempt_row *row)
{
	struct core *core = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct run_row copy = {0};
	struct attempt *attempt;

	if (!runs_get_seq(core->store, run->seq, &copy, &err)) {
		log_error("live run cannot be read", "run", run->id, "error", err_text(&err));
		return true;
	}
	attempt = attempt_new(core, &copy, row->n);
	attempt->executor = mem_strdup(row->executor);
	attempt->has_asked = run_state_of(attempt->run.status) == RUN_WAITING;
	attempt->now.offset = row->offset;
	attempt->now.used = row->used;
	attempt->now.open_steps = row->used.steps;
	attempt->now.open_tools = row->used.tools;
	attempt->started.ms -= wall_age_ms(core, row->started);
	protocol_recall(attempt);
	attempt->durable = attempt->now;
	queue_note_running(core->queue, attempt->run.agent, 1);
	if (!attempt->agent)
		err_set(&err, E_NOT_FOUND, "agent %s is no longer configured", run->agent);
	else if (attempt->agent->kind->adopt(attempt, &err)) {
		log_info("run is taken up again", "run", attempt->run.id, "agent",
			 attempt->run.agent);
		return true;
	}
	log_warning("run lost its executor", "run", attempt->run.id, "error", err_text(&err));
	attempt_exit(attempt,
		     &(struct attempt_end){.lost = true, .exit_code = -1, .text = err_text(&err)});
	return true;
}

bool
attempts_adopt_all(struct core *core, struct err *err)
{
	if (!runs_live(core->store, on_live, core, err))
		return false;
	gates_watch(core);
	return true;
}

/* --- output ------------------------------------------------------------------------------- */

void
attempt_line(struct attempt *attempt, struct str line, bool truncated, int64_t offset_after)
{
	if (attempt->ending)
		return;
	protocol_line(attempt, line, truncated);
	attempt->now.offset = offset_after;
	attempt->progress_dirty = true;
}

static void
attempt_on_rewind(void *arg)
{
	struct attempt *attempt = arg;

	attempt->agent->kind->rewind(attempt);
}

/* Counted when it is on disk, so that what is read twice counts once. */
static void
progress_count(const struct attempt *attempt)
{
	struct metrics *metrics = attempt->core->metrics;
	const struct run_meters *now = &attempt->now.used, *before = &attempt->durable.used;
	const char *agent = attempt->run.agent,
		   *tenant = attempt->run.tenant ? attempt->run.tenant : "";

	if (attempt->now.emitted != attempt->durable.emitted)
		metrics_count(metrics, "rouse_emissions_total", "agent", agent, NULL, NULL,
			      attempt->now.emitted - attempt->durable.emitted);
	if (now->input_tokens != before->input_tokens)
		metrics_count(metrics, "rouse_tokens_total", "agent", agent, "kind", "input",
			      (double)(now->input_tokens - before->input_tokens));
	if (now->output_tokens != before->output_tokens)
		metrics_count(metrics, "rouse_tokens_total", "agent", agent, "kind", "output",
			      (double)(now->output_tokens - before->output_tokens));
	if (now->cost_uusd != before->cost_uusd)
		metrics_count(metrics, "rouse_cost_usd_total", "agent", agent, "tenant", tenant,
			      (double)(now->cost_uusd - before->cost_uusd) / 1e6);
}

/* What the turn took is on disk, or it is not and has to be read once more. */
static void
on_took(void *arg, const struct err *err)
{
	struct took *took = arg;
	struct attempt *attempt = attempt_find(took->core, took->id);

	free(took);
	if (!attempt)
		return;
	attempt->took_pending = false;
	if (err->code == E_OK) {
		progress_count(attempt);
		attempt->durable = attempt->now;
		return;
	}
	if (attempt->ending)
		return;
	attempt->now = attempt->durable;
	core_timer_arm(attempt->core, &attempt->progress_timer, STORE_RETRY_MS, attempt_on_rewind,
		       attempt);
}

static bool
progress_store(struct attempt *attempt, struct err *err)
{
	return runs_progress(attempt->core->store, attempt->run.seq, attempt->n,
			     &(struct run_progress){.used = attempt->now.run_used,
						    .attempt_used = attempt->now.used,
						    .offset = attempt->now.offset,
						    .checkpoint = attempt->checkpoint,
						    .completed_steps = attempt->completed_steps},
			     err);
}

void
attempt_took(struct attempt *attempt)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct took *took;

	if (!attempt->progress_dirty || attempt->ending)
		return;
	attempt->progress_dirty = false;
	if (!progress_store(attempt, &err))
		log_error("progress not kept", "run", attempt->run.id, "error", err_text(&err));
	if (attempt->took_pending)
		return;
	attempt->took_pending = true;
	took = mem_alloc(sizeof(*took));
	took->core = attempt->core;
	memcpy(took->id, attempt->id, sizeof(took->id));
	turn_after(attempt->core->store, on_took, took);
}

void
attempt_stop(struct attempt *attempt, const char *reason, const char *text)
{
	if (attempt->ending || attempt->stop_reason)
		return;
	log_info("run is stopped", "run", attempt->run.id, "reason", reason, "text", text);
	attempt->stop_reason = reason;
	attempt->stop_text = mem_strdup(text);
	attempt->agent->kind->cancel(attempt, reason);
}

/* --- the end ------------------------------------------------------------------------------ */

static void
ending_free(struct ending *ending)
{
	if (!ending)
		return;
	core_timer_free(ending->timer);
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
		core_timer_arm(core, &ending->timer, STORE_RETRY_MS, ending_write, ending);
		return;
	}
	log_info("run ends", "run", attempt->run.id, "agent", attempt->run.agent, "status", status,
		 "reason", verdict->reason);
	queue_note_running(core->queue, attempt->run.agent, -1);
	if (verdict->event == RUN_RETRY) {
		queue_note_queued(core->queue, attempt->run.agent, 1);
		queue_wake_at(core->queue, (struct wall){core_wall(core).ms + verdict->delay_ms});
	} else {
		metrics_count(core->metrics, "rouse_runs_total", "agent", attempt->run.agent,
			      "status", status, 1);
		metrics_observe(core->metrics, "rouse_run_duration_seconds", "agent",
				attempt->run.agent, (double)attempt->now.used.active_ms / 1000);
	}
	queue_wake(core->queue, NULL);
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

/* Every row that an end changes; false leaves none of them. */
static bool
ending_rows(struct ending *ending, struct err *err)
{
	struct attempt *attempt = ending->attempt;
	struct store *store = attempt->core->store;
	const struct run_verdict *verdict = &ending->verdict;
	enum run_state to = run_next(RUN_RUNNING, verdict->event);
	struct wall now = core_wall(attempt->core);
	struct run_move move = {.from = "running",
				.to = run_state_name(to),
				.reason = verdict->reason,
				.error = verdict->event == RUN_SUCCEED ? NULL : ending->text,
				.result = attempt->result,
				.ended = run_is_final(to) ? now : WALL_NONE,
				.due = verdict->event == RUN_RETRY
					       ? (struct wall){now.ms + verdict->delay_ms}
					       : WALL_NONE};
	AUTO(run_row_fini) struct run_row asked = {0};
	bool ready;

	if (attempt->has_asked) {
		if (!runs_get_seq(store, attempt->run.seq, &asked, err))
			return false;
		move.from = asked.status;
	}
	if (!progress_store(attempt, err))
		return false;
	if (!attempts_end(store, attempt->run.seq, attempt->n, verdict->attempt_status,
			  verdict->attempt_reason, ending->text, ending->end.exit_code,
			  ending->end.signal, now, err))
		return false;
	if (!runs_move(store, attempt->run.seq, &move, err))
		return false;
	if (run_is_final(to) && verdict->event != RUN_SUCCEED &&
	    !changes_mark_partial(store, attempt->run.seq, err))
		return false;
	if (run_is_final(to) && !gates_cancel(attempt->core, attempt->run.id, err))
		return false;
	if (run_is_final(to) && attempt->run.entity &&
	    !runs_free_entity(store, attempt->run.entity, &ready, err))
		return false;
	if (run_is_final(to) && !signal_ended(attempt->core, &attempt->run, move.to, move.reason,
					      move.error, move.result, err))
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
		if (ending_rows(ending, &err)) {
			turn_release(core->store);
			turn_after(core->store, on_ended, ending);
			return;
		}
		turn_undo(core->store);
	}
	log_error("end of run not kept yet", "run", ending->attempt->run.id, "error",
		  err_text(&err));
	core_timer_arm(core, &ending->timer, STORE_RETRY_MS, ending_write, ending);
}

/* A sentence for people about an end that says nothing itself. */
static char *
ending_text(const struct attempt *attempt, const struct attempt_end *end)
{
	struct buf text = BUF_INIT;

	if (attempt->stop_text)
		buf_puts(&text, attempt->stop_text);
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

void
attempt_exit(struct attempt *attempt, const struct attempt_end *end)
{
	struct ending *ending;
	int64_t active_ms;

	if (attempt->ending)
		return;
	ending = mem_alloc(sizeof(*ending));
	active_ms = clock_mono(attempt->core->clock).ms - attempt->started.ms;
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
	if (attempt->agent)
		ending->verdict = run_judge(attempt, &ending->end, entropy_below(UINT64_MAX));
	else
		ending->verdict = (struct run_verdict){
			.event = RUN_FAIL, .reason = "permanent", .attempt_status = "failed"};
	core_timer_arm(attempt->core, &ending->timer, 0, ending_write, ending);
}
