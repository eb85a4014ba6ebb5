/* Runs: the life of one envelope. Rules only; rows are store/runs.h's. SPEC 8. */
/* SPDX-License-Identifier: MIT */
#include "core/run.h"

#include <assert.h>

#include "base/json.h"
#include "base/log.h"
#include "base/uuid.h"
#include "core/admit.h"
#include "core/agent.h"
#include "core/batch.h"
#include "core/change.h"
#include "core/envelope.h"
#include "core/gate.h"
#include "core/metrics.h"
#include "core/notify.h"
#include "core/put.h"
#include "core/queue.h"
#include "core/replay.h"
#include "core/session.h"
#include "core/signal.h"
#include "core/suspend.h"
#include "core/telemetry.h"
#include "core/stream.h"
#include "store/changes.h"
#include "store/events.h"
#include "store/runs.h"

static const char *const state_names[] = {
#define X(id, name) name,
	RUN_STATES(X)
#undef X
};
static_assert(ARRAY_LEN(state_names) == RUN_STATE_COUNT, "a name for every state");

#define NO RUN_NOWHERE
/* clang-format off */
static const signed char grid[RUN_STATE_COUNT][RUN_EVENTS] = {
	/*                  CLAIM        WAIT         RESUME       SUCCEED        RETRY       FAIL        CANCEL         SKIP */
	[RUN_QUEUED]    = { RUN_RUNNING, NO,          NO,          NO,            NO,         RUN_FAILED, RUN_CANCELLED, RUN_SKIPPED },
	[RUN_RUNNING]   = { NO,          RUN_WAITING, NO,          RUN_SUCCEEDED, RUN_QUEUED, RUN_FAILED, RUN_CANCELLED, RUN_SKIPPED },
	[RUN_WAITING]   = { NO,          NO,          RUN_RUNNING, RUN_SUCCEEDED, RUN_QUEUED, RUN_FAILED, RUN_CANCELLED, RUN_SKIPPED },
	[RUN_SUCCEEDED] = { NO, NO, NO, NO, NO, NO, NO, NO },
	[RUN_FAILED]    = { NO, NO, NO, NO, NO, NO, NO, NO },
	[RUN_CANCELLED] = { NO, NO, NO, NO, NO, NO, NO, NO },
	[RUN_SKIPPED]   = { NO, NO, NO, NO, NO, NO, NO, NO },
};
/* clang-format on */
#undef NO

static const char *const reasons[] = {
	"exhausted",	 "permanent",	   "deadline",	  "budget_steps",  "budget_tools",
	"budget_tokens", "budget_context", "budget_cost", "budget_output", "no_effect",
	"denied",	 "gate_timeout",   "lost",	  "invalid"};

const char *
run_state_name(enum run_state state)
{
	return state_names[state];
}

enum run_state
run_state_of(const char *name)
{
	return (enum run_state)str_place(state_names, ARRAY_LEN(state_names), name);
}

enum run_state
run_next(enum run_state state, enum run_event ev)
{
	return state == RUN_NOWHERE ? RUN_NOWHERE : (enum run_state)grid[state][ev];
}

bool
run_is_final(enum run_state state)
{
	return state >= RUN_SUCCEEDED;
}

const char *const *
run_reasons(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(reasons);
	return reasons;
}

void
run_tell(struct core *core, const char *id, const struct run_row *run, const char *status)
{
	AUTO(json_auto_decref) json_t *object = NULL;
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!stream_count(core->stream))
		return;
	object = json_object();
	json_put_str(object, "id", id);
	json_put_str(object, "status", status);
	json_put_str(object, "agent", run->agent);
	json_put_str(object, "trigger", run->trigger);
	json_write(&text, object);
	stream_publish(core->stream,
		       &(struct stream_event){
			       .kind = "run", .id = id, .type = status, .data = buf_str(&text)});
}

/* What a new state of a row means for the queue, once it is on disk. */
struct row_note {
	struct core *core;
	char *run_id, *agent, *tenant, *text;
	const char *reason; /* that its attempt is stopped with */
	const char *ended;  /* what it is now, where it ended by this; NULL */
	int queued;	    /* by how many more wait */
};

static struct row_note *
note_new(struct core *core, const struct run_row *run, int queued)
{
	struct row_note *note = mem_alloc(sizeof(*note));

	note->core = core;
	note->run_id = mem_strdup(run->id);
	note->agent = mem_strdup(run->agent);
	note->tenant = mem_strdup(run->tenant);
	note->queued = queued;
	return note;
}

static void
note_free(struct row_note *note)
{
	free(note->run_id);
	free(note->agent);
	free(note->tenant);
	free(note->text);
	free(note);
}

static void
on_row_kept(void *arg, const struct err *err)
{
	struct row_note *note = arg;

	if (err->code == E_OK) {
		queue_note_queued(note->core->queue, note->agent, note->queued);
		if (note->ended)
			metrics_ended(note->core->metrics, note->agent, note->ended,
				      !strcmp(note->ended, "failed") ? note->reason : NULL);
		if (note->queued > 0)
			queue_note_ready(note->core->queue, note->agent, note->tenant);
	}
	note_free(note);
}

/* The decision is on disk, and so is the claim where it came in the same turn: its attempt exists
 * by now. */
static void
on_stop_kept(void *arg, const struct err *err)
{
	struct row_note *note = arg;
	struct attempt *attempt =
		err->code == E_OK ? attempt_of_run(note->core, note->run_id) : NULL;

	if (attempt)
		attempt_stop(attempt, note->reason, note->text);
	note_free(note);
}

/* One without a process ends, for good; what waited for its entity moves up. */
static bool
unqueue_rows(struct core *core, const struct run_row *run, enum run_state to, const char *reason,
	     const char *why, struct err *err)
{
	const struct run_move move = {.from = run->status,
				      .to = run_state_name(to),
				      .reason = reason,
				      .error = why,
				      .ended = core_wall(core),
				      .due = WALL_NONE};

	return runs_move(core->store, run->seq, &move, err) &&
	       (!run->attempts || changes_mark_partial(core->store, run->seq, err)) &&
	       gates_cancel(core, run->id, err) &&
	       (!run->attempts || session_turned(core, run, run->checkpoint, err)) &&
	       (to != RUN_FAILED || notify_run_failed(core, run, reason, why, err)) &&
	       runs_free_lines(core->store, run, queue_note_ready, core->queue, err) &&
	       batch_run_ended(core, run, move.to, reason, err) &&
	       telemetry_ended(core, run, 0, true, err) &&
	       signal_ended(core, run, move.to, reason, why, NULL, err);
}

static bool
cancel_rows(struct core *core, const struct run_row *run, bool idle, const char *by,
	    const char *reason, struct err *err)
{
	if (!decisions_add(core->store, "run", run->id, "cancel", by, reason, NULL, core_wall(core),
			   err))
		return false;
	return !idle || unqueue_rows(core, run, RUN_CANCELLED, NULL, reason, err);
}

/* A run without a process (queued, suspended) ends in its row; a live one through its attempt. */
static void
stop_after(struct core *core, const struct run_row *run, bool idle, enum run_state to,
	   const char *reason, const char *text)
{
	struct row_note *note =
		note_new(core, run, run_state_of(run->status) == RUN_QUEUED ? -1 : 0);

	note->reason = reason;
	note->text = mem_strdup(text);
	if (idle) {
		note->ended = run_state_name(to);
		run_tell(core, run->id, run, note->ended);
	}
	turn_after(core->store, idle ? on_row_kept : on_stop_kept, note);
}

bool
run_fail(struct core *core, int64_t seq, const char *reason, const char *text, struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};
	bool idle;

	if (!runs_get_seq(core->store, seq, &run, err) || !suspend_is(core, &run, &idle, err))
		return false;
	if (run_next(run_state_of(run.status), RUN_FAIL) == RUN_NOWHERE)
		return true;
	idle |= run_state_of(run.status) == RUN_QUEUED;
	if (idle && !unqueue_rows(core, &run, RUN_FAILED, reason, text, err))
		return false;
	stop_after(core, &run, idle, RUN_FAILED, reason, text);
	return true;
}

bool
run_cancel(struct core *core, const char *run_id, const char *by, const char *reason,
	   struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};
	bool idle;

	if (!runs_get(core->store, run_id, &run, err))
		return false;
	if (run_next(run_state_of(run.status), RUN_CANCEL) == RUN_NOWHERE)
		return err_set(err, E_STATE, "run %s has ended (%s); there is nothing to cancel",
			       run.id, run.status);
	if (!suspend_is(core, &run, &idle, err) || !turn_savepoint(core->store, err))
		return false;
	idle |= run_state_of(run.status) == RUN_QUEUED;
	if (!cancel_rows(core, &run, idle, by, reason, err)) {
		turn_undo(core->store);
		return false;
	}
	turn_release(core->store);
	stop_after(core, &run, idle, RUN_CANCELLED, "cancelled", reason);
	return true;
}

bool
run_skip(struct core *core, const struct run_row *run, const char *why, struct err *err)
{
	struct row_note *note;

	if (run_state_of(run->status) != RUN_QUEUED)
		return err_set(err, E_STATE, "run %s is %s; only one that waits can be skipped",
			       run->id, run->status);
	if (!turn_savepoint(core->store, err))
		return false;
	if (!unqueue_rows(core, run, RUN_SKIPPED, NULL, why, err)) {
		turn_undo(core->store);
		return false;
	}
	turn_release(core->store);
	run_tell(core, run->id, run, "skipped");
	note = note_new(core, run, -1);
	note->ended = run_state_name(RUN_SKIPPED);
	turn_after(core->store, on_row_kept, note);
	return true;
}

bool
run_drop(struct core *core, const char *run_id, const char *by, const char *reason, struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};

	if (!runs_get(core->store, run_id, &run, err))
		return false;
	if (strcmp(run.status, "failed"))
		return err_set(err, E_STATE,
			       "run %s is %s, not failed; only dead letters are dropped", run.id,
			       run.status);
	if (run.dropped)
		return err_set(
			err, E_STATE,
			"run %s is no dead letter any more; it was dropped or replayed before",
			run.id);
	if (!turn_savepoint(core->store, err))
		return false;
	if (runs_drop(core->store, run.seq, err) &&
	    decisions_add(core->store, "run", run.id, "drop", by, reason, NULL, core_wall(core),
			  err)) {
		turn_release(core->store);
		return true;
	}
	turn_undo(core->store);
	return false;
}

/* A copy of a row's run, as new. Borrowed strings. */
static void
again_fill(const struct run_row *old, const struct agent *agent, const struct uuid *id,
	   const char *payload, struct wall now, struct run_row *row)
{
	*row = *old;
	row->seq = 0;
	row->id = (char *)id->text;
	row->status = (char *)"queued";
	row->reason = row->error = row->result = NULL;
	row->expect = NULL;
	row->checkpoint = row->completed_steps = row->decisions = NULL;
	row->attempts = 0;
	row->max_attempts = agent->retry.attempts;
	row->created = now;
	row->started = row->ended = row->due = WALL_NONE;
	row->used = (struct run_meters){0};
	row->held = NULL;
	row->dropped = false;
	row->replay_of = old->id;
	row->session = NULL;
	row->turn = 0;
	if (payload)
		row->payload = (char *)payload;
}

/* What the old one had come to, for one that goes on from there. */
static bool
retry_rows(struct core *core, int64_t seq, const struct run_row *old, const struct run_row *row,
	   struct err *err)
{
	/* Where others have had a turn of its session since, these know more. */
	bool is_latest = !row->session || row->turn == old->turn + 1;
	const struct run_progress progress = {.used = row->used,
					      .checkpoint = is_latest ? old->checkpoint : NULL,
					      .completed_steps = old->completed_steps,
					      .decisions = old->decisions};

	return runs_progress(core->store, seq, 0, &progress, err);
}

/* The new run; the old one leaves the dead letters, and the decision says by what. */
static bool
replay_rows(struct core *core, const struct run_row *old, const struct run_row *row, bool goes_on,
	    const char *by, struct err *err)
{
	AUTO(buf_fini) struct buf session = BUF_INIT;
	struct run_row fresh = *row;
	int64_t seq;
	bool ready;

	fresh.seq = runs_next_seq(core->store);
	return session_join(core, &fresh, row->created, &session, err) &&
	       runs_insert(core->store, &fresh, &seq, &ready, err) &&
	       (!goes_on || retry_rows(core, seq, old, &fresh, err)) &&
	       (strcmp(old->status, "failed") || old->dropped ||
		runs_drop(core->store, old->seq, err)) &&
	       decisions_add(core->store, "run", old->id, "replay", by, row->id, NULL, row->created,
			     err);
}

/* Without a payload of its own, what the event brought is it. */
static bool
payload_is_kept(struct core *core, const struct run_row *run, struct err *err)
{
	AUTO(event_row_fini) struct event_row event = {0};

	if (run->payload)
		return true;
	if (!events_get_seq(core->store, run->event, &event, err) &&
	    (!err || err->code != E_NOT_FOUND))
		return false;
	return event.document || err_set(err, E_NOT_FOUND,
					 "the event of run %s is no longer kept, and its data was "
					 "the payload; give a payload",
					 run->id);
}

/* A limit that a run may be given anew, and the word that it ends with when it passes it. */
static const struct limit_name {
	const char *name, *reason;
	size_t offset;
} limit_names[] = {
	{"deadline", "deadline", offsetof(struct run_limits, deadline_ms)},
	{"steps", "budget_steps", offsetof(struct run_limits, steps)},
	{"tools", "budget_tools", offsetof(struct run_limits, tools)},
	{"tokens", "budget_tokens", offsetof(struct run_limits, tokens)},
	{"context", "budget_context", offsetof(struct run_limits, context)},
	{"cost", "budget_cost", offsetof(struct run_limits, cost_uusd)},
	{"output", "budget_output", offsetof(struct run_limits, output_bytes)},
};

static int64_t *
limit_at(struct run_limits *limits, size_t i)
{
	return (int64_t *)(void *)((char *)limits + limit_names[i].offset);
}

/* The limits that it goes on with; what it has used counts where a budget stopped it. */
static bool
retry_limits(const struct run_row *old, struct run_limits wanted, struct run_row *row,
	     struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(limit_names); i++) {
		int64_t limit = *limit_at(&wanted, i), *is = limit_at(&row->limits, i);

		if (old->reason && !strcmp(old->reason, limit_names[i].reason)) {
			row->used = old->used;
			if (limit == INT64_MIN || (limit >= 0 && limit <= *is))
				return err_set(err, E_BUDGET,
					       "run %s was stopped by its %s; say with how much it "
					       "goes on, more than it had: --budget.%s",
					       old->id, limit_names[i].reason, limit_names[i].name);
		}
		if (limit != INT64_MIN)
			*is = limit;
	}
	/* The context is no sum, and the output is counted by what an attempt prints. */
	row->used.context = row->used.output_bytes = 0;
	return true;
}

/* limits NULL: a new run of the same payload; otherwise it goes on from where the old one was. */
static bool
run_again(struct core *core, const char *run_id, const char *payload,
	  const struct run_limits *limits, const char *by, char **ret_run_id, struct err *err)
{
	AUTO(run_row_fini) struct run_row old = {0};
	const struct agent *agent;
	struct wall now = core_wall(core);
	struct uuid id = uuid_v7(now);
	AUTO(buf_fini) struct buf traceparent = BUF_INIT;
	struct run_row row;

	if (!runs_get(core->store, run_id, &old, err))
		return false;
	if (!run_is_final(run_state_of(old.status)))
		return err_set(err, E_STATE, "run %s is %s; only a run that has ended goes again",
			       old.id, old.status);
	if (replay_is(old.batch))
		return err_set(
			err, E_STATE,
			"run %s is part of replay %s, and does not go again by itself; rouse "
			"replay starts another",
			old.id, old.batch);
	agent = registry_agent(core->registry, old.agent);
	if (!agent)
		return err_set(err, E_NOT_FOUND, "agent %s of run %s is no longer configured",
			       old.agent, old.id);
	session_name_recall(core, &old);
	again_fill(&old, agent, &id, payload, now, &row);
	/* The same trace, and a span of its own. */
	envelope_traceparent(core, str_of(old.traceparent), NULL, &traceparent);
	row.traceparent = (char *)buf_cstr(&traceparent);
	if (limits && !retry_limits(&old, *limits, &row, err))
		return false;
	if (!payload_is_kept(core, &row, err) || !turn_savepoint(core->store, err))
		return false;
	if (!replay_rows(core, &old, &row, limits != NULL, by, err)) {
		turn_undo(core->store);
		return false;
	}
	turn_release(core->store);
	run_tell(core, id.text, &row, "queued");
	turn_after(core->store, on_row_kept, note_new(core, &row, 1));
	*ret_run_id = mem_strdup(id.text);
	return true;
}

bool
run_replay(struct core *core, const char *run_id, const char *payload, const char *by,
	   char **ret_run_id, struct err *err)
{
	return run_again(core, run_id, payload, NULL, by, ret_run_id, err);
}

bool
run_retry(struct core *core, const char *run_id, const struct run_limits *limits, const char *by,
	  char **ret_run_id, struct err *err)
{
	return run_again(core, run_id, NULL, limits, by, ret_run_id, err);
}

bool
run_wait(struct core *core, int64_t seq, bool waits, struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};
	struct run_move move = {.ended = WALL_NONE, .due = WALL_NONE};
	enum run_state to;

	if (!runs_get_seq(core->store, seq, &run, err))
		return false;
	to = run_next(run_state_of(run.status), waits ? RUN_WAIT : RUN_RESUME);
	if (to == RUN_NOWHERE)
		return true;
	move.from = run.status;
	move.to = run_state_name(to);
	if (!runs_move(core->store, seq, &move, err))
		return false;
	run_tell(core, run.id, &run, move.to);
	return true;
}

bool
run_send(struct core *core, const char *run_id, const char *text, struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};
	AUTO(buf_fini) struct buf line = BUF_INIT;
	struct attempt *attempt;
	bool suspended;

	if (!runs_get(core->store, run_id, &run, err) || !suspend_is(core, &run, &suspended, err))
		return false;
	if (suspended)
		return err_set(err, E_STATE,
			       "run %s is suspended: no process of it listens until its gate is "
			       "decided (rouse gate list --run %s)",
			       run.id, run.id);
	attempt = attempt_of_run(core, run.id);
	if (!attempt || attempt->ending || !attempt->agent)
		return err_set(err, E_STATE, "run %s is %s; only a running one takes input", run.id,
			       run.status);
	buf_puts(&line, "{\"type\":\"input\",\"text\":");
	buf_json_cstr(&line, text);
	buf_putc(&line, '}');
	if (!attempt->agent->kind->send(attempt, buf_str(&line), err))
		return false;
	attempt_log(attempt, "input", buf_str(&line));
	return true;
}

static bool
attempt_add(void *arg, const struct attempt_row *row)
{
	json_t *item = json_object();

	json_object_set_new(item, "n", json_integer(row->n));
	json_put_str(item, "status", row->status);
	put_or_null(item, "carried_by", row->agent);
	put_or_null(item, "reason", row->reason);
	json_put_wall(item, "started", row->started.ms);
	json_put_wall(item, "ended", row->ended.ms);
	json_object_set_new(item, "exit",
			    row->exit_code >= 0 ? json_integer(row->exit_code) : json_null());
	json_object_set_new(item, "signal", row->signal ? json_integer(row->signal) : json_null());
	put_or_null(item, "error", row->error);
	json_array_append_new(arg, item);
	return true;
}

static bool
count_add(void *arg, const char *status, const char *target, int64_t n)
{
	json_t *counts = arg;

	(void)target;
	json_object_set_new(counts, status, json_integer(json_int(counts, status, 0) + n));
	return true;
}

static void
put_full(struct core *core, const struct run_row *run, json_t *object)
{
	AUTO(session_row_fini) struct session_row session = {0};
	struct run_row named = *run;
	AUTO(event_row_fini) struct event_row event = {0};
	AUTO(buf_fini) struct buf envelope = BUF_INIT;
	json_t *attempts = json_array(), *changes = json_object();

	put_or_null(object, "event_id", run->event_id);
	put_or_null(object, "correlation_id", run->correlation ? run->correlation : run->id);
	put_or_null(object, "traceparent", run->traceparent);
	put_or_null(object, "replay_of", run->replay_of);
	attempts_list(core->store, run->seq, attempt_add, attempts, NULL);
	json_object_set_new(object, "attempt_list", attempts);
	changes_count(core->store, run->seq, count_add, changes, NULL);
	json_object_set_new(object, "changes", changes);
	events_get_seq(core->store, run->event, &event, NULL);
	if (run->session && sessions_get(core->store, run->session, &session, NULL))
		named.session_name = session.name;
	put_or_null(object, "session_name", named.session_name);
	envelope_build(&named, run->attempts ? run->attempts : 1,
		       event.document ? envelope_event_data(str_of(event.document)) : STR("null"),
		       &envelope);
	put_json_text(object, "expect", run->expect);
	put_json_text(object, "envelope", buf_cstr(&envelope));
}

json_t *
run_object(struct core *core, const struct run_row *run, bool full)
{
	json_t *object = json_object();

	json_put_str(object, "id", run->id);
	json_put_str(object, "status", run->status);
	put_or_null(object, "reason", run->reason);
	json_put_str(object, "agent", run->agent);
	put_or_null(object, "trigger", run->trigger);
	put_or_null(object, "batch", run->batch);
	put_or_null(object, "entity", run->entity);
	put_or_null(object, "tenant", run->tenant);
	put_or_null(object, "user", run->user);
	put_or_null(object, "session", run->session);
	json_object_set_new(object, "turn", run->turn ? json_integer(run->turn) : json_null());
	put_or_null(object, "key", run->key);
	put_or_null(object, "intent", run->intent);
	put_or_null(object, "mode", run->mode);
	json_object_set_new(object, "attempts", json_integer(run->attempts));
	json_put_wall(object, "created", run->created.ms);
	json_put_wall(object, "started", run->started.ms);
	json_put_wall(object, "ended", run->ended.ms);
	json_put_wall(object, "due", run->due.ms);
	json_object_set_new(object, "cost_usd", json_real((double)run->used.cost_uusd / 1e6));
	json_object_set_new(object, "tokens", json_integer(meters_tokens(&run->used)));
	json_object_set_new(object, "steps", json_integer(run->used.steps));
	put_json_text(object, "result", run->result);
	put_or_null(object, "error", run->error);
	if (full)
		put_full(core, run, object);
	return object;
}
