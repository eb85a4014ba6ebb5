/* Attempts: one envelope being carried out now, from its claim to its end. */
/* SPDX-License-Identifier: MIT */
#include "core/attempt_parts.h"

#include <assert.h>

#include "base/json.h"
#include "base/log.h"
#include "core/agent.h"
#include "core/breakers.h"
#include "core/envelope.h"
#include "core/gate.h"
#include "core/gate_tell.h"
#include "core/ledger.h"
#include "core/meter.h"
#include "core/metrics.h"
#include "core/protocol.h"
#include "core/queue.h"
#include "core/run.h"
#include "core/session.h"
#include "core/stand.h"
#include "core/stream.h"
#include "core/suspend.h"
#include "core/trust.h"
#include "core/vigil.h"
#include "store/events.h"
#include "store/runs.h"

struct attempts {
	struct core *core;
	struct attempt *by_id, *by_run;
	struct attempt_list live;
	struct core_timer *gate_timer;
	struct wall gate_due;
};

/* Output whose commit is awaited; by id, because the attempt may end first. */
struct took {
	struct core *core;
	char id[64];
};

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

/* A fallback is bound by its own limits, beside those of the run. */
static void
limits_narrow(struct run_limits *limits, const struct run_limits *by)
{
	int64_t *const mine[] = {&limits->deadline_ms, &limits->steps,	 &limits->tools,
				 &limits->tokens,      &limits->context, &limits->cost_uusd,
				 &limits->output_bytes};
	const int64_t theirs[] = {by->deadline_ms, by->steps,	  by->tools,	   by->tokens,
				  by->context,	   by->cost_uusd, by->output_bytes};

	static_assert(ARRAY_LEN(mine) == ARRAY_LEN(theirs), "each has its like");
	for (size_t i = 0; i < ARRAY_LEN(mine); i++) {
		bool is_off = mine[i] == &limits->context && !theirs[i];

		if (theirs[i] >= 0 && !is_off &&
		    (*mine[i] < 0 || theirs[i] < *mine[i] ||
		     (mine[i] == &limits->context && !*mine[i])))
			*mine[i] = theirs[i];
	}
}

static struct attempt *
attempt_new(struct core *core, struct run_row *take_run, int n, const char *carrier)
{
	struct attempt *attempt = mem_alloc(sizeof(*attempt));

	attempt->core = core;
	attempt->registry = registry_ref(core->registry);
	attempt->run = *take_run;
	attempt->carrier = mem_strdup(carrier ? carrier : take_run->agent);
	attempt->agent = registry_agent(attempt->registry, attempt->carrier);
	if (carrier && attempt->agent)
		limits_narrow(&attempt->run.limits, &attempt->agent->limits);
	*take_run = (struct run_row){0};
	attempt->n = n;
	/* The agent may have changed its mind since the event was let in. */
	attempt->trust = run_trust(&attempt->run);
	if (attempt->agent && trust_stages(attempt->agent, attempt->trust)) {
		free(attempt->run.mode);
		attempt->run.mode = mem_strdup("stage");
	}
	snprintf(attempt->id, sizeof(attempt->id), "%s.%d", attempt->run.id, n);
	attempt->started = attempt->heard = attempt->now.since = clock_mono(core->clock);
	attempt->lease = WALL_NONE;
	attempt->now.run_used = attempt->run.used;
	attempt->durable = attempt->now;
	attempt->checkpoint = mem_strdup(attempt->run.checkpoint);
	attempt->completed_steps = mem_strdup(attempt->run.completed_steps);
	attempt->said_retry_after_ms = -1;
	HASH_ADD_STR(core->attempts->by_id, id, attempt);
	HASH_ADD_KEYPTR(hh_run, core->attempts->by_run, attempt->run.id, strlen(attempt->run.id),
			attempt);
	LIST_INSERT_HEAD(&core->attempts->live, attempt, entry);
	vigil_run(core);
	return attempt;
}

void
attempt_free(struct attempt *attempt)
{
	HASH_DEL(attempt->core->attempts->by_id, attempt);
	HASH_DELETE(hh_run, attempt->core->attempts->by_run, attempt);
	LIST_REMOVE(attempt, entry);
	meter_holds_over(attempt, false);
	if (attempt->agent && attempt->state)
		attempt->agent->kind->release(attempt, false);
	core_timer_free(attempt->progress_timer);
	core_timer_free(attempt->suspend_timer);
	ending_free(attempt->end);
	run_row_fini(&attempt->run);
	err_fini(&attempt->said);
	free(attempt->said_reason);
	free(attempt->carrier);
	free(attempt->checkpoint);
	free(attempt->completed_steps);
	free(attempt->result);
	free(attempt->result_status);
	free(attempt->stop_text);
	free(attempt->over_text);
	json_decref(attempt->left);
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

void
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
	return attempt->run.limits.deadline_ms - attempt->now.run_used.active_ms -
	       stand_worked_ms(attempt);
}

static void
attempt_not_started(struct attempt *attempt, const struct err *err)
{
	bool again = err_again(err->code);

	attempt_exit(attempt, &(struct attempt_end){.not_started = !again,
						    .ours = again,
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
attempt_start(struct core *core, struct run_row *take_run, int n, const char *carrier)
{
	struct attempt *attempt = attempt_new(core, take_run, n, carrier);
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(event_row_fini) struct event_row event = {0};
	AUTO(buf_fini) struct buf envelope = BUF_INIT;
	struct wall now = core_wall(core);

	metrics_observe(core->metrics, "rouse_event_to_start_seconds", NULL, NULL,
			(double)(now.ms - attempt->run.created.ms) / 1000);
	if (!attempt->agent) {
		err_set(&err, E_NOT_FOUND, "agent %s is no longer configured", attempt->carrier);
		attempt_not_started(attempt, &err);
		return;
	}
	if (!trust_admits(attempt->agent, attempt->trust, &err) ||
	    !attempt_event(attempt, &event, &err)) {
		attempt_not_started(attempt, &err);
		return;
	}
	session_recall(core, &attempt->run);
	if (n > 1) {
		free(attempt->run.decisions);
		attempt->run.decisions = gates_decisions(core, attempt->run.id);
		attempt->suspended = suspend_count(core, attempt->run.seq);
		attempt->refused = gate_last_refusal(attempt);
	}
	envelope_build(&attempt->run, n,
		       event.document ? envelope_event_data(str_of(event.document)) : STR("null"),
		       &envelope);
	log_info("run starts", "run", attempt->run.id, "agent", attempt->carrier, "trigger",
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

/* The daemon that was told to cancel it may have died before it could. */
static void
cancel_again(struct attempt *attempt)
{
	AUTO(auto_free) char *why = NULL;

	if (run_unwanted(attempt->core, attempt->run.id, &why, NULL) && why)
		attempt_stop(attempt, "cancelled", why);
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
	attempt = attempt_new(core, &copy, row->n, row->agent);
	attempt->executor = mem_strdup(row->executor);
	attempt->has_asked = run_state_of(attempt->run.status) == RUN_WAITING;
	attempt->now.offset = row->offset;
	attempt->now.used = row->used;
	attempt->now.open_steps = row->used.steps;
	attempt->now.open_tools = row->used.tools;
	attempt->started.ms -= wall_age_ms(core, row->started);
	if (row->n > 1)
		attempt->suspended = suspend_count(core, run->seq);
	protocol_recall(attempt);
	meter_recall(attempt);
	stand_recall(attempt, row, run_state_of(attempt->run.status) == RUN_WAITING);
	attempt->durable = attempt->now;
	queue_note_running(core->queue, attempt->carrier, attempt->run.tenant, 1);
	breakers_adopt(core, BREAKER_AGENT, attempt->carrier, attempt->run.seq, row->started);
	ledger_adopt(core, &attempt->run, &row->used, row->started);
	if (!attempt->agent)
		err_set(&err, E_NOT_FOUND, "agent %s is no longer configured", attempt->carrier);
	else if (attempt->agent->kind->adopt(attempt, &err)) {
		log_info("run is taken up again", "run", attempt->run.id, "agent",
			 attempt->run.agent);
		stand_adopted(attempt);
		meter_adopted(attempt);
		gates_tell_again(attempt);
		cancel_again(attempt);
		return true;
	}
	log_warning("run lost its executor", "run", attempt->run.id, "error", err_text(&err));
	stand_lost(attempt, row);
	attempt_exit(attempt,
		     &(struct attempt_end){.lost = true,
					   .unread = attempt->agent && err.code == E_NOT_FOUND,
					   .exit_code = -1,
					   .text = err_text(&err)});
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
	attempt->heard = clock_mono(attempt->core->clock);
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
	if (now->cache_tokens != before->cache_tokens)
		metrics_count(metrics, "rouse_tokens_total", "agent", agent, "kind", "cache_read",
			      (double)(now->cache_tokens - before->cache_tokens));
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
	struct run_meters settled;

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
	settled = attempt->now.settled;
	attempt->now = attempt->durable;
	meter_again(attempt, &settled);
	core_timer_arm(attempt->core, &attempt->progress_timer, ATTEMPT_RETRY_MS, attempt_on_rewind,
		       attempt);
}

bool
attempt_store_progress(struct attempt *attempt, struct err *err)
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
	if (!attempt_store_progress(attempt, &err))
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
