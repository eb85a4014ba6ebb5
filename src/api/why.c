/* Why: the story of an event, a run, a change, a gate or a trigger. SPEC 4. */
/* SPDX-License-Identifier: MIT */
#include "api/why.h"

#include "core/batch.h"
#include "core/breakers.h"
#include "store/changes.h"
#include "store/events.h"
#include "store/runs.h"
#include "store/state.h"

/* More than a person reads; the lists have the rest. */
#define STEPS_MAX 5000
/* Less of an id stands for nothing. */
#define ID_BEGINNING 8

struct step {
	struct wall at;
	size_t order;
	json_t *object;
};

void
story_tell(struct story *story, struct wall at, const char *what, const char *fmt, ...)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	json_t *object;
	va_list ap;

	if (story->count == STEPS_MAX)
		return;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	object = json_object();
	json_put_wall(object, "at", at.ms);
	json_put_str(object, "what", what);
	json_put_str(object, "text", buf_cstr(&text));
	json_object_set_new(object, "data", json_object());
	if (!(story->count & (story->count - 1)))
		story->steps = mem_realloc(story->steps, (story->count ? story->count * 2 : 1) *
								 sizeof(*story->steps));
	story->steps[story->count] = (struct step){at, story->count, object};
	story->count++;
}

void
story_put(struct story *story, const char *key, json_t *take_value)
{
	if (!story->count) {
		json_decref(take_value);
		return;
	}
	json_object_set_new(json_object_get(story->steps[story->count - 1].object, "data"), key,
			    take_value);
}

static void
story_fini(struct story *story)
{
	for (size_t i = 0; i < story->count; i++)
		json_decref(story->steps[i].object);
	free(story->steps);
	err_fini(&story->err);
}

/* By time; what is told of the same millisecond, as it was told; what is now, last. */
static int
step_compare(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	if (wall_is_set(x->at) != wall_is_set(y->at))
		return wall_is_set(x->at) ? -1 : 1;
	if (x->at.ms != y->at.ms)
		return x->at.ms < y->at.ms ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static json_t *
story_json(struct story *story)
{
	json_t *answer = json_object(), *subject = json_object(), *steps = json_array();

	if (story->count)
		qsort(story->steps, story->count, sizeof(*story->steps), step_compare);
	json_put_str(subject, "kind", story->kind);
	json_put_str(subject, "id", story->id);
	json_object_set_new(answer, "subject", subject);
	for (size_t i = 0; i < story->count; i++)
		json_array_append(steps, story->steps[i].object);
	json_object_set_new(answer, "story", steps);
	return answer;
}

/* --- decisions and changes ----------------------------------------------------------------- */

struct deciding {
	struct story *story;
	const char *noun, *skip;
	bool approved, applied, reverted; /* told: not to be told again from the row */
};

/* How a word reads behind what it was done to: by a person, or by the daemon. */
static const struct {
	const char *word, *by_person, *by_daemon;
} acts[] = {
	{"approve", "was approved", "was approved"},
	{"reject", "was rejected", "was rejected"},
	{"edit", "was edited", NULL},
	{"revert", "was asked to be undone", NULL},
	{"cancel", "was cancelled", NULL},
	{"replay", "was run again", NULL},
	{"drop", "was dropped", NULL},
	{"approved", NULL, "could not be applied yet, and is tried again"},
	{"applied", NULL, "was applied"},
	{"conflict", NULL, "was not applied"},
	{"failed", NULL, "could not be applied"},
	{"reverted", NULL, "was undone"},
};

static const char *
act_of(const char *word, bool daemon)
{
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (!strcmp(acts[i].word, word))
			return daemon ? acts[i].by_daemon : acts[i].by_person;
	return NULL;
}

/* A switch keeps "on" or "off" where others keep a reason. */
static const char *
switch_act(const char *word, const char *reason)
{
	static const char *const switches[][3] = {
		{"paused", "was paused", "was resumed"},
		{"disabled", "was disabled", "was enabled"},
		{"halted", "was halted", "was resumed"},
	};

	for (size_t i = 0; reason && i < ARRAY_LEN(switches); i++)
		if (!strcmp(switches[i][0], word))
			return !strcmp(reason, "on")	? switches[i][1]
			       : !strcmp(reason, "off") ? switches[i][2]
							: NULL;
	return NULL;
}

static bool
decision_tell(void *arg, const struct decision_row *row)
{
	struct deciding *deciding = arg;
	struct story *story = deciding->story;
	const char *decision = row->decision, *by = row->by, *reason = row->reason;
	bool daemon = !strcmp(by, "rouse");
	const char *act = switch_act(decision, reason);

	if (deciding->skip && !strcmp(deciding->skip, decision))
		return true;
	if (act)
		reason = NULL;
	else
		act = act_of(decision, daemon);
	deciding->approved |= !strcmp(decision, "approve") || !strcmp(decision, "reject");
	deciding->applied |= !strcmp(decision, "applied");
	deciding->reverted |= !strcmp(decision, "reverted");
	story_tell(story, row->at, daemon ? decision : "decided", "%s %s%s%s%s%s%s", deciding->noun,
		   act ? act : "was decided: ", act ? "" : decision, daemon ? "" : " by ",
		   daemon ? "" : by, reason && *reason ? ": " : "", reason ? reason : "");
	story_put(story, "decision", json_string(decision));
	story_put(story, "by", json_string(by));
	if (reason)
		story_put(story, "reason", json_string(reason));
	return true;
}

void
story_of_decisions(struct story *story, const char *object, const char *id, const char *noun,
		   const char *skip)
{
	struct deciding deciding = {.story = story, .noun = noun, .skip = skip};

	decisions_each(story->core->store, object, id, decision_tell, &deciding, &story->err);
}

void
change_words(const struct change_row *change, struct buf *out)
{
	buf_printf(out, "%s of %s on %s", change->op,
		   change->entity && *change->entity ? change->entity : "something",
		   change->target);
}

static const char *
proposed_state(const struct change_row *change)
{
	if (!strcmp(change->status, "proposed"))
		return "it waits for a decision: rouse approve, rouse reject";
	if (!strcmp(change->status, "approved"))
		return "it waits to be applied";
	if (!strcmp(change->status, "applying") || !strcmp(change->status, "reverting"))
		return "its target is at it now";
	if (!strcmp(change->status, "conflict"))
		return "what is there is not what the agent saw: rouse change show has all three "
		       "sides; rouse apply CHANGE approves it on what is there now";
	if (!strcmp(change->status, "superseded"))
		return "a later proposal for the same entity took its place";
	return NULL;
}

/* A change that may go, and whose target is being left alone. */
static void
target_rests(struct story *story, const struct change_row *change)
{
	AUTO(buf_fini) struct buf until = BUF_INIT;
	struct breaker_view view;

	if (strcmp(change->status, "approved"))
		return;
	breakers_look(story->core, BREAKER_TARGET, change->target, &view);
	if (view.state != BREAKER_OPEN)
		return;
	wall_format(view.until, &until);
	story_tell(story, WALL_NONE, "waiting",
		   "target %s could not be reached %u times of %u: its breaker is open until "
		   "%s%s%s",
		   change->target, view.failed, view.total, buf_cstr(&until),
		   view.error ? "; the last: " : "", view.error ? view.error : "");
}

void
story_of_change(struct story *story, const struct change_row *change)
{
	struct store *store = story->core->store;
	AUTO(buf_fini) struct buf words = BUF_INIT;
	AUTO(buf_fini) struct buf noun = BUF_INIT;
	struct deciding deciding = {.story = story};
	const char *state = proposed_state(change);

	change_words(change, &words);
	story_tell(story, change->created, "proposed", "proposed %s%s%s%s", buf_cstr(&words),
		   change->reason && *change->reason ? ": " : "",
		   change->reason ? change->reason : "",
		   change->partial ? " (its run did not end well)" : "");
	story_put(story, "change", json_string(change->id));
	if (change->confidence >= 0)
		story_put(story, "confidence", json_real(change->confidence));
	buf_printf(&noun, "the %s", buf_cstr(&words));
	deciding.noun = buf_cstr(&noun);
	if (!decisions_each(store, "change", change->id, decision_tell, &deciding, &story->err))
		return;
	if (!deciding.approved && wall_is_set(change->decided_at))
		story_tell(story, change->decided_at, "decided",
			   "%s was approved at once, since its run may apply by itself (by %s)",
			   buf_cstr(&noun), change->decided_by ? change->decided_by : "the daemon");
	if (!deciding.applied && wall_is_set(change->applied_at))
		story_tell(story, change->applied_at, "applied", "%s was applied", buf_cstr(&noun));
	if (!deciding.reverted && wall_is_set(change->reverted_at))
		story_tell(story, change->reverted_at, "reverted", "%s was undone",
			   buf_cstr(&noun));
	if (!strcmp(change->status, "failed"))
		story_tell(story, WALL_NONE, "failed", "%s is not applied: %s", buf_cstr(&noun),
			   change->error ? change->error : "its target did not say why");
	else if (state)
		story_tell(story, WALL_NONE, change->status, "%s: %s", buf_cstr(&noun), state);
	target_rests(story, change);
}

/* --- whose story --------------------------------------------------------------------------- */

/* Each looks for its own kind: true when it was that, the story is told. */
struct asked {
	struct story story;
	const char *id;
	char *found;	    /* the whole id */
	struct err several; /* a beginning that fits several */
};

static void
found_set(struct asked *asked, const char *kind, const char *id)
{
	free(asked->found);
	asked->found = mem_strdup(id);
	asked->story.kind = kind;
	asked->story.id = asked->found;
}

/* Keeps what is worth saying when nothing else is found. */
static bool
not_found(struct asked *asked, struct err *err)
{
	bool short_id = err->code == E_INVALID && strlen(asked->id) < ID_BEGINNING;

	if (err->code == E_NOT_FOUND || short_id || asked->several.code != E_OK)
		err_fini(err);
	else
		err_move(&asked->several, err);
	*err = (struct err)ERR_INIT;
	return false;
}

static bool
find_trigger(struct asked *asked)
{
	const struct trigger *trigger = registry_trigger(asked->story.core->registry, asked->id);

	if (!trigger)
		return false;
	found_set(asked, "trigger", trigger->name);
	story_of_trigger(&asked->story, trigger);
	return true;
}

static bool
find_run(struct asked *asked)
{
	AUTO(run_row_fini) struct run_row run = {0};
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!runs_get(asked->story.core->store, asked->id, &run, &err))
		return not_found(asked, &err);
	found_set(asked, "run", run.id);
	story_of_run(&asked->story, &run);
	return true;
}

/* An event's story goes on with its run's. That of a replayed one tells of it in its place. */
static void
tell_event(struct asked *asked, const struct event_row *event)
{
	AUTO(run_row_fini) struct run_row run = {0};
	struct story *story = &asked->story;

	found_set(asked, "event", event->id);
	if (event->run && (!strcmp(event->outcome, "ran") || !strcmp(event->outcome, "replayed") ||
			   !strcmp(event->outcome, "coalesced"))) {
		if (runs_get_seq(story->core->store, event->run, &run, &story->err))
			story_of_run(story, &run);
		return;
	}
	story_of_event(story, event);
}

static bool
find_event(struct asked *asked)
{
	AUTO(event_row_fini) struct event_row event = {0};
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!events_get(asked->story.core->store, asked->id, &event, &err))
		return not_found(asked, &err);
	tell_event(asked, &event);
	return true;
}

static bool
find_change(struct asked *asked)
{
	AUTO(change_row_fini) struct change_row change = {0};
	AUTO(run_row_fini) struct run_row run = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	struct story *story = &asked->story;

	if (!changes_get(story->core->store, asked->id, &change, &err))
		return not_found(asked, &err);
	found_set(asked, "change", change.id);
	if (runs_get_seq(story->core->store, change.run, &run, NULL)) {
		story_tell(story, run.created, "queued", "run %s was queued for agent %s", run.id,
			   run.agent);
		story_put(story, "run", json_string(run.id));
	}
	story_of_change(story, &change);
	return true;
}

static bool
find_gate(struct asked *asked)
{
	AUTO(gate_row_fini) struct gate_row gate = {0};
	AUTO(run_row_fini) struct run_row run = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	struct story *story = &asked->story;

	if (!gates_get(story->core->store, asked->id, &gate, &err))
		return not_found(asked, &err);
	found_set(asked, "gate", gate.id);
	if (runs_get_seq(story->core->store, gate.run, &run, &story->err))
		story_of_run(story, &run);
	return true;
}

static bool
find_batch(struct asked *asked)
{
	AUTO(batch_row_fini) struct batch_row row = {0};
	AUTO(err_fini) struct err err = ERR_INIT;

	if (batch_find(asked->story.core, asked->id, &row, &err)) {
		found_set(asked, "batch", row.id);
		story_of_batch(&asked->story, &row);
		return true;
	}
	if (!registry_batch(asked->story.core->registry, asked->id))
		return not_found(asked, &err);
	found_set(asked, "batch", asked->id);
	if (err.code == E_NOT_FOUND)
		story_of_batch_name(&asked->story, asked->id);
	else
		err_move(&asked->story.err, &err);
	return true;
}

static bool
seq_keep(void *arg, const struct event_row *row)
{
	*(int64_t *)arg = row->seq;
	return false;
}

/* A sender knows its delivery by an id of its own: it is the key of the event. */
static bool
find_key(struct asked *asked)
{
	AUTO(event_row_fini) struct event_row event = {0};
	struct story *story = &asked->story;
	struct list_query query = {.filters = {{"key", asked->id}}, .since = WALL_NONE, .limit = 1};
	int64_t seq = 0;

	if (!events_list(story->core->store, &query, seq_keep, &seq, &story->err))
		return true;
	if (!seq)
		return false;
	if (events_get_seq(story->core->store, seq, &event, &story->err))
		tell_event(asked, &event);
	return true;
}

static void
on_why(void *arg, struct http_request *req, const struct route_match *match)
{
	static bool (*const finders[])(struct asked *) = {
		find_trigger, find_run, find_event, find_change, find_gate, find_batch, find_key};
	struct api *api = arg;
	AUTO(auto_free) char *id = api_param(match, 0);
	struct asked asked = {.story = {.core = api->core}, .id = id};
	AUTO(err_fini) struct err err = ERR_INIT;
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(finders) && !found; i++)
		found = finders[i](&asked);
	if (!found && asked.several.code != E_OK)
		err_move(&err, &asked.several);
	else if (!found)
		err_set(&err, E_NOT_FOUND,
			"there is no trigger, run, event, change, gate, batch or delivery %s", id);
	else if (asked.story.err.code != E_OK)
		err_move(&err, &asked.story.err);
	if (err.code == E_OK)
		api_reply(req, 200, story_json(&asked.story));
	else
		http_reply_error(req, &err);
	story_fini(&asked.story);
	err_fini(&asked.several);
	free(asked.found);
}

static const struct route routes[] = {
	{"GET", "/v1/why/{id...}", "read",
	 "the story of a trigger, run, event, change, gate, batch or delivery", on_why},
};

void
api_why_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
