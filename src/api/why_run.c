/* Why, of runs: what woke it, what it did, what it waits for. SPEC 4, 8. */
/* SPDX-License-Identifier: MIT */
#include "api/why.h"

#include <inttypes.h>

#include "core/breakers.h"
#include "core/gate.h"
#include "core/notify.h"
#include "core/gather.h"
#include "core/halt.h"
#include "core/queue.h"
#include "core/run.h"
#include "core/source.h"
#include "store/changes.h"
#include "store/events.h"
#include "store/runs.h"
#include "store/sessions.h"
#include "store/state.h"

#define CHANGES_TOLD 200
#define LISTED_MAX 100

/* --- the event ----------------------------------------------------------------------------- */

/* Who or what it came from, in words. */
static void
received_tell(struct story *story, const struct event_row *event)
{
	AUTO(json_auto_decref) json_t *document = NULL;
	const json_t *own;
	const char *remote, *fired_by, *invoked_by;

	if (event->document)
		json_read(str_of(event->document), &document, NULL);
	own = json_object_get(document, "rouse");
	remote = json_str(own, "remote");
	fired_by = json_str(own, "fired_by");
	invoked_by = json_str(own, "invoked_by");
	if (!strcmp(event->source, "batch"))
		story_tell(story, event->time, "received", "batch %s was started",
			   event->subject ? event->subject : "");
	else if (!event->trigger || !*event->trigger)
		story_tell(story, event->time, "received", "invoked by %s",
			   invoked_by ? invoked_by : "the API");
	else if (fired_by)
		story_tell(story, event->time, "received", "trigger %s was fired by hand by %s",
			   event->trigger, fired_by);
	else
		story_tell(story, event->time, "received", "received%s%s by trigger %s (%s)",
			   remote ? " from " : "", remote ? remote : "", event->trigger,
			   event->source);
	story_put(story, "event", json_string(event->id));
	if (event->subject)
		story_put(story, "subject", json_string(event->subject));
}

/* A delivery that does not prove its sender never becomes an event. */
static void
verified_tell(struct story *story, const struct event_row *event, const struct trigger *trigger)
{
	const char *verify;

	if (!trigger || strcmp(event->source, "webhook") || strcmp(trigger->kind->name, "webhook"))
		return;
	verify = conf_str(trigger->section, "verify");
	if (verify && strcmp(verify, "none"))
		story_tell(story, event->time, "verified", "the sender proved itself (verify = %s)",
			   verify);
}

/* Does a run come of it when its gathering ends? */
static bool
is_gathered(struct story *story, const struct event_row *event)
{
	struct gatherings_count held;

	if (strcmp(event->outcome, "held") && strcmp(event->outcome, "coalesced"))
		return false;
	gather_held(story->core, event->trigger, &held);
	return held.open > 0;
}

/* What the outcome says about filter and key, and the outcome itself. */
static void
outcome_tell(struct story *story, const struct event_row *event, const struct trigger *trigger)
{
	const char *filter = trigger ? trigger->programs[PROGRAM_FILTER].text : NULL;
	const char *rule = event->rule && *event->rule ? event->rule : NULL;
	bool ran = !strcmp(event->outcome, "ran");

	if (!strcmp(event->outcome, "filtered")) {
		story_tell(story, event->time, "filtered", "nothing runs: %s",
			   rule ? rule : "the filter said no");
		return;
	}
	if (ran && filter)
		story_tell(story, event->time, "filtered", "the filter said yes: %s", filter);
	if (event->key && (ran || !strcmp(event->outcome, "replayed"))) {
		story_tell(story, event->time, "keyed", ran ? "key %s was new" : "key %s was known",
			   event->key);
		story_put(story, "key", json_string(event->key));
	}
	if (ran && rule && event->trigger && *event->trigger)
		story_tell(story, event->time, "gathered", "%s", rule);
	if (ran)
		return;
	if (!strcmp(event->outcome, "replayed"))
		story_tell(story, event->time, "replayed", "nothing new runs: %s%s",
			   event->run_id ? "it was answered with run " : "",
			   event->run_id ? event->run_id
			   : rule	 ? rule
					 : "its key was known");
	else
		story_tell(story, event->time, event->outcome, "it was %s, nothing runs%s%s%s",
			   event->outcome, is_gathered(story, event) ? " yet" : "",
			   rule ? ": " : "", rule ? rule : "");
	if (event->run_id)
		story_put(story, "run", json_string(event->run_id));
}

void
story_of_event(struct story *story, const struct event_row *event)
{
	const struct trigger *trigger =
		event->trigger ? registry_trigger(story->core->registry, event->trigger) : NULL;

	received_tell(story, event);
	verified_tell(story, event, trigger);
	outcome_tell(story, event, trigger);
}

static bool
again_tell(void *arg, const struct event_row *event)
{
	struct story *story = arg;

	if (!strcmp(event->outcome, "coalesced")) {
		story_tell(story, event->time, "coalesced", "event %s came and was coalesced: %s",
			   event->id, event->rule ? event->rule : "");
		story_put(story, "event", json_string(event->id));
		return true;
	}
	if (strcmp(event->outcome, "replayed"))
		return true;
	story_tell(story, event->time, "replayed",
		   "event %s came with the same key and was answered with this run", event->id);
	story_put(story, "event", json_string(event->id));
	return true;
}

/* Events that came later: with the same key, or gathered with it. */
static void
again_told(struct story *story, const struct run_row *run)
{
	struct list_query query = {
		.filters = {{"run", run->id}}, .since = WALL_NONE, .limit = LISTED_MAX};

	events_list(story->core->store, &query, again_tell, story, &story->err);
}

/* --- attempts ------------------------------------------------------------------------------ */

static bool
attempt_tell(void *arg, const struct attempt_row *row)
{
	struct story *story = arg;
	AUTO(buf_fini) struct buf how = BUF_INIT;

	story_tell(story, row->started, "attempt", "attempt %d started%s%s%s", row->n,
		   row->agent ? ", carried by agent " : "", row->agent ? row->agent : "",
		   row->agent ? " (fallback)" : "");
	story_put(story, "n", json_integer(row->n));
	if (row->agent)
		story_put(story, "carried_by", json_string(row->agent));
	if (!wall_is_set(row->ended))
		return true;
	if (row->signal)
		buf_printf(&how, " by signal %d", row->signal);
	else if (row->exit_code >= 0)
		buf_printf(&how, " with exit status %d", row->exit_code);
	buf_printf(&how, ": %s", row->status);
	/* Its exit has been told. */
	if (row->reason && *row->reason && strcmp(row->reason, row->status) &&
	    strcmp(row->reason, "exit") && strcmp(row->reason, "signal"))
		buf_printf(&how, " (%s)", row->reason);
	if (row->error && *row->error && !strstr(buf_cstr(&how), row->error))
		buf_printf(&how, ", %s", row->error);
	story_tell(story, row->ended, "attempt", "attempt %d ended after %.2f s%s", row->n,
		   (double)(row->ended.ms - row->started.ms) / 1000, buf_cstr(&how));
	story_put(story, "n", json_integer(row->n));
	story_put(story, "status", json_string(row->status));
	if (row->exit_code >= 0)
		story_put(story, "exit", json_integer(row->exit_code));
	return true;
}

static void
spent_tell(struct story *story, const struct run_row *run)
{
	const struct run_meters *used = &run->used;
	int64_t tokens = meters_tokens(used);

	if (!used->steps && !used->tools && !tokens && !used->cost_uusd)
		return;
	story_tell(story, run->ended, "spent",
		   "spent %" PRId64 " step%s, %" PRId64 " tool call%s, %" PRId64 " token%s, $%.2f",
		   used->steps, used->steps == 1 ? "" : "s", used->tools,
		   used->tools == 1 ? "" : "s", tokens, tokens == 1 ? "" : "s",
		   (double)used->cost_uusd / 1e6);
	story_put(story, "cost_usd", json_real((double)used->cost_uusd / 1e6));
	story_put(story, "tokens", json_integer(tokens));
}

/* --- changes and gates --------------------------------------------------------------------- */

struct changes_told {
	struct story *story;
	int64_t count;
};

static bool
change_tell_of(void *arg, const struct change_row *row)
{
	struct changes_told *told = arg;

	if (told->count++ < CHANGES_TOLD)
		story_of_change(told->story, row);
	return true;
}

static void
changes_tell(struct story *story, const struct run_row *run)
{
	struct changes_told told = {.story = story};

	if (changes_of_run(story->core->store, run->seq, change_tell_of, &told, &story->err) &&
	    told.count > CHANGES_TOLD)
		story_tell(story, WALL_NONE, "proposed",
			   "%" PRId64 " more changes were proposed; rouse diff %s shows them",
			   told.count - CHANGES_TOLD, run->id);
}

static bool
gate_tell_of(void *arg, const struct gate_row *gate)
{
	struct story *story = arg;
	const char *step = gate->step ? gate->step : "something";

	story_tell(story, gate->created, "asked",
		   !strcmp(gate->kind, "ask") ? "it asked: %s" : "it asked for approval of %s",
		   step);
	story_put(story, "gate", json_string(gate->id));
	if (!strcmp(gate->status, "waiting"))
		story_tell(story, WALL_NONE, "waiting",
			   "a person has yet to decide about %s: rouse gate show %s", step,
			   gate->id);
	else if (wall_is_set(gate->decided_at))
		story_tell(story, gate->decided_at, "decided", "%s: %s by %s%s%s", step,
			   gate->decision ? gate->decision : gate->status,
			   gate->decided_by ? gate->decided_by : "the daemon",
			   gate->reason ? ": " : "", gate->reason ? gate->reason : "");
	return true;
}

static void
notice_tell_of(void *arg, const char *notify, const char *event, struct wall first,
	       const char *state, struct wall at, const char *error)
{
	struct story *story = arg;

	if (!strcmp(state, "sent"))
		story_tell(story, at, "told", "%s was told (%s)", notify, event);
	else
		story_tell(story, first, "told", "%s is %s (%s)%s%s", notify,
			   strcmp(state, "dropped") ? "still to be told" : "not told: given up",
			   event, error ? ": " : "", error ? error : "");
}

/* Whom a person may ask, because they know. */
static void
notices_tell(struct story *story, const struct run_row *run)
{
	notify_told(story->core, run->seq, notice_tell_of, story, &story->err);
}

static void
gates_tell(struct story *story, const struct run_row *run)
{
	struct list_query query = {
		.filters = {{"run", run->id}}, .since = WALL_NONE, .limit = LISTED_MAX};

	gates_list(story->core->store, &query, gate_tell_of, story, &story->err);
}

/* --- what a queued run waits for ----------------------------------------------------------- */

struct ahead {
	int64_t seq, found; /* of the one that waits; of the one before it */
	char id[40];
};

static bool
ahead_keep(void *arg, const struct run_row *row)
{
	struct ahead *ahead = arg;

	if (row->seq == ahead->seq || strlen(row->id) >= sizeof(ahead->id))
		return true;
	ahead->found = row->seq;
	memcpy(ahead->id, row->id, strlen(row->id) + 1);
	return true;
}

/* Of turns, newest first, the oldest that is not done. */
static bool
turn_keep(void *arg, const struct run_row *row)
{
	if (!run_is_final(run_state_of(row->status)))
		ahead_keep(arg, row);
	return true;
}

/* The run that has this one's entity: it runs, or it waits in front. */
static bool
entity_is_busy(struct story *story, const struct run_row *run)
{
	static const char *const states[] = {"running", "waiting", "queued"};

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		struct ahead ahead = {.seq = run->seq};
		struct list_query query = {
			.filters = {{"entity", run->entity}, {"status", states[i]}},
			.since = WALL_NONE,
			.limit = 1000};

		/* Of those that are queued, only what came before. */
		if (!strcmp(states[i], "queued"))
			query.before_seq = run->seq;
		if (!runs_list(story->core->store, &query, ahead_keep, &ahead, &story->err))
			return false;
		if (!ahead.found)
			continue;
		story_tell(story, WALL_NONE, "waiting",
			   "it waits, since run %s is %s and has the same entity %s", ahead.id,
			   states[i], run->entity);
		story_put(story, "run", json_string(ahead.id));
		return true;
	}
	return false;
}

/* The turn of its session that is not done. */
static bool
session_is_busy(struct story *story, const struct run_row *run)
{
	struct ahead ahead = {.seq = run->seq};
	const struct list_query query = {.filters = {{"session", run->session}},
					 .since = WALL_NONE,
					 .before_seq = run->seq,
					 .limit = 1000};

	if (!runs_list(story->core->store, &query, turn_keep, &ahead, &story->err) || !ahead.found)
		return false;
	story_tell(story, WALL_NONE, "waiting",
		   "it waits, since run %s, a turn of the same session before it, is not done",
		   ahead.id);
	story_put(story, "run", json_string(ahead.id));
	return true;
}

/* Switches, from the widest to the narrowest. */
static bool
switch_holds(struct story *story, const struct run_row *run)
{
	const struct switches *switches = story->core->switches;
	const struct {
		const char *scope, *name;
	} scopes[] = {{"agent", run->agent}, {"trigger", run->trigger}, {"tenant", run->tenant}};

	if (core_is_halted(story->core)) {
		story_tell(story, WALL_NONE, "halted",
			   "it waits, since everything is halted: rouse resume");
		return true;
	}
	if (switch_is_on(switches, "all", "", "paused")) {
		story_tell(story, WALL_NONE, "paused",
			   "it waits, since everything is paused: rouse resume");
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
		if (!scopes[i].name || !*scopes[i].name ||
		    !switch_is_on(switches, scopes[i].scope, scopes[i].name, "paused"))
			continue;
		story_tell(story, WALL_NONE, "paused",
			   "it waits, since %s %s is paused: rouse resume --%s %s", scopes[i].scope,
			   scopes[i].name, scopes[i].scope, scopes[i].name);
		return true;
	}
	return false;
}

/* Its agent rests, and nobody carries its runs meanwhile. *ret_carrier: who does. */
static bool
breaker_holds(struct story *story, const struct agent *agent, const struct agent **ret_carrier)
{
	AUTO(buf_fini) struct buf until = BUF_INIT;
	struct breaker_view view;

	*ret_carrier = breakers_carrier(story->core, agent);
	if (*ret_carrier)
		return false;
	breakers_look(story->core, BREAKER_AGENT, agent->name, &view);
	wall_format(view.until, &until);
	if (view.state == BREAKER_OPEN)
		story_tell(story, WALL_NONE, "waiting",
			   "it waits, since %u of %u runs of agent %s failed: its breaker is open "
			   "until %s%s%s",
			   view.failed, view.total, agent->name, buf_cstr(&until),
			   view.error ? "; the last: " : "", view.error ? view.error : "");
	else
		story_tell(story, WALL_NONE, "waiting",
			   "it waits, since agent %s failed too often and is being tried with one "
			   "run",
			   agent->name);
	return true;
}

static bool
room_is_full(struct story *story, const struct run_row *run, const struct agent *agent)
{
	const struct core *core = story->core;
	const struct conf_section *limits =
		conf_section(registry_conf(core->registry), "limits", "");
	int running = queue_in_flight(core->queue, agent->name);
	int64_t max = conf_int(limits, "max_running");
	const struct conf_section *tenant =
		run->tenant ? conf_section(registry_conf(core->registry), "tenant", run->tenant)
			    : NULL;
	const char *label;
	int size, pooled;

	if (running >= agent->concurrency) {
		story_tell(story, WALL_NONE, "waiting",
			   "it waits, since agent %s runs %d already (concurrency = %d)",
			   agent->name, running, agent->concurrency);
		return true;
	}
	if (queue_pool(core->queue, agent->name, &label, &size, &pooled) && pooled >= size) {
		story_tell(story, WALL_NONE, "waiting",
			   "it waits, since the agents of pool %s run %d already, and %d is its "
			   "size",
			   label, pooled, size);
		return true;
	}
	if (tenant && conf_is_set(tenant, "max_running") &&
	    queue_of_tenant(core->queue, run->tenant) >= conf_int(tenant, "max_running")) {
		story_tell(story, WALL_NONE, "waiting",
			   "it waits, since tenant %s runs %d already (its max_running = %" PRId64
			   ")",
			   run->tenant, queue_of_tenant(core->queue, run->tenant),
			   conf_int(tenant, "max_running"));
		return true;
	}
	if (queue_in_flight(core->queue, NULL) >= max) {
		story_tell(story, WALL_NONE, "waiting",
			   "it waits, since %d runs go on already (limits.max_running = %" PRId64
			   ")",
			   queue_in_flight(core->queue, NULL), max);
		return true;
	}
	return false;
}

static void
waits_tell(struct story *story, const struct run_row *run)
{
	const struct core *core = story->core;
	const struct agent *agent = registry_agent(core->registry, run->agent), *carrier;
	AUTO(buf_fini) struct buf due = BUF_INIT;

	if (core->draining) {
		story_tell(story, WALL_NONE, "waiting",
			   "it waits, since the daemon is stopping; it starts with the next one");
		return;
	}
	if (!agent) {
		story_tell(story, WALL_NONE, "waiting",
			   "it waits, since agent %s is no longer configured; put it back, or "
			   "rouse run cancel %s",
			   run->agent, run->id);
		return;
	}
	if (switch_holds(story, run))
		return;
	if (wall_is_set(run->due) && run->due.ms > core_wall(core).ms) {
		wall_format(run->due, &due);
		story_tell(story, WALL_NONE, "waiting", "it waits until %s%s", buf_cstr(&due),
			   run->attempts ? ", to be tried again" : "");
		return;
	}
	if (run->entity && *run->entity && entity_is_busy(story, run))
		return;
	if (run->session && session_is_busy(story, run))
		return;
	if (breaker_holds(story, agent, &carrier))
		return;
	if (!room_is_full(story, run, carrier))
		story_tell(story, WALL_NONE, "queued",
			   "it starts when its turn comes; agent %s has %" PRId64 " queued",
			   run->agent, queue_depth(core->queue, run->agent));
}

/* --- the whole ----------------------------------------------------------------------------- */

static void
session_tell(struct story *story, const struct run_row *run, struct buf *out)
{
	AUTO(session_row_fini) struct session_row session = {0};

	buf_printf(out, ", as turn %d of session ", run->turn);
	if (sessions_get(story->core->store, run->session, &session, NULL))
		buf_cat(out, session.agent, "/", session.name);
	else
		buf_cat(out, run->session, ", which is no longer kept");
}

static void
queued_tell(struct story *story, const struct run_row *run)
{
	AUTO(buf_fini) struct buf more = BUF_INIT;

	if (run->entity && *run->entity)
		buf_printf(&more, ", about %s", run->entity);
	if (run->session)
		session_tell(story, run, &more);
	if (run->replay_of)
		buf_printf(&more, ", as run %s once more", run->replay_of);
	if (run->mode && !strcmp(run->mode, "stage"))
		buf_puts(&more, ", to propose only (mode = stage)");
	story_tell(story, run->created, "queued", "run %s was queued for agent %s%s", run->id,
		   run->agent, buf_cstr(&more));
	story_put(story, "run", json_string(run->id));
}

static void
end_tell(struct story *story, const struct run_row *run)
{
	enum run_state state = run_state_of(run->status);

	if (state == RUN_QUEUED) {
		waits_tell(story, run);
	} else if (state == RUN_RUNNING) {
		story_tell(story, WALL_NONE, "running", "attempt %d goes on%s", run->attempts,
			   attempt_of_run(story->core, run->id)
				   ? ""
				   : "; its executor was not taken up yet");
	} else if (state == RUN_WAITING) {
		story_tell(story, WALL_NONE, "waiting",
			   attempt_of_run(story->core, run->id)
				   ? "its agent waits for a person; its deadline stands meanwhile"
				   : "it is suspended: no process is kept, and the decision starts "
				     "its next attempt");
	} else if (run_is_final(state)) {
		story_tell(story, run->ended, run->status, "the run ended: %s%s%s%s%s%s",
			   run->status, run->reason && *run->reason ? " (" : "",
			   run->reason ? run->reason : "", run->reason && *run->reason ? ")" : "",
			   run->error && *run->error ? ", " : "", run->error ? run->error : "");
		if (run->dropped)
			story_tell(story, WALL_NONE, "dropped",
				   "it is no dead letter any more: dropped, or run again");
	}
}

void
story_of_run(struct story *story, const struct run_row *run)
{
	struct store *store = story->core->store;
	AUTO(event_row_fini) struct event_row event = {0};
	AUTO(err_fini) struct err gone = ERR_INIT;

	/* Events are forgotten sooner than runs. */
	if (events_get_seq(store, run->event, &event, &gone))
		story_of_event(story, &event);
	else
		story_tell(story, run->created, "received", "its event is not kept any more");
	queued_tell(story, run);
	again_told(story, run);
	if (!attempts_list(store, run->seq, attempt_tell, story, &story->err))
		return;
	changes_tell(story, run);
	gates_tell(story, run);
	notices_tell(story, run);
	story_of_decisions(story, "run", run->id, "the run", NULL);
	spent_tell(story, run);
	end_tell(story, run);
}
