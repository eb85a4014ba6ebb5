/* Why, of triggers: how it is, when it last fired, when it will, why it did not. SPEC 4. */
/* SPDX-License-Identifier: MIT */
#include "api/why.h"

#include <inttypes.h>

#include "core/gather.h"
#include "core/halt.h"
#include "core/queue.h"
#include "core/source.h"
#include "store/changes.h"
#include "store/events.h"
#include "store/runs.h"

#define RECENT 10

static bool
recent_tell(void *arg, const struct event_row *event)
{
	struct story *story = arg;
	const char *rule = event->rule && *event->rule ? event->rule : NULL;

	if (!strcmp(event->outcome, "ran"))
		story_tell(story, event->time, "fired", "it fired: run %s",
			   event->run_id ? event->run_id : "(gone)");
	else
		story_tell(story, event->time, event->outcome, "an event came and was %s%s%s",
			   event->outcome, rule ? ": " : "", rule ? rule : "");
	story_put(story, "event", json_string(event->id));
	if (event->run_id)
		story_put(story, "run", json_string(event->run_id));
	return true;
}

static void
recent_told(struct story *story, const struct trigger *trigger)
{
	struct list_query query = {
		.filters = {{"trigger", trigger->name}}, .since = WALL_NONE, .limit = RECENT};
	size_t before = story->count;

	if (events_list(story->core->store, &query, recent_tell, story, &story->err) &&
	    story->count == before)
		story_tell(story, WALL_NONE, "fired", "no event of it is known");
}

/* What keeps it from firing, or its runs from starting. */
static void
held_tell(struct story *story, const struct trigger *trigger)
{
	const struct switches *switches = story->core->switches;

	if (!trigger->enabled)
		story_tell(story, WALL_NONE, "disabled",
			   "it does not fire: enabled = no in %s line %d",
			   conf_section_file(trigger->section),
			   conf_section_line(trigger->section));
	if (switch_is_on(switches, "trigger", trigger->name, "disabled"))
		story_tell(story, WALL_NONE, "disabled",
			   "it does not fire: it was disabled by hand; rouse trigger enable %s",
			   trigger->name);
	if (switch_is_on(switches, "trigger", trigger->name, "paused"))
		story_tell(story, WALL_NONE, "paused",
			   "its events are refused and its runs wait: it is paused; rouse resume "
			   "--trigger %s",
			   trigger->name);
	if (core_is_halted(story->core))
		story_tell(story, WALL_NONE, "halted",
			   "its runs do not start: everything is halted; rouse resume");
	else if (switch_is_on(switches, "all", "", "paused"))
		story_tell(story, WALL_NONE, "paused",
			   "its runs do not start: everything is paused; rouse resume");
	if (switch_is_on(switches, "agent", trigger->agent, "paused"))
		story_tell(story, WALL_NONE, "paused",
			   "its runs do not start: agent %s is paused; rouse resume --agent %s",
			   trigger->agent, trigger->agent);
}

static void
health_tell(struct story *story, const struct trigger *trigger)
{
	AUTO(buf_fini) struct buf since = BUF_INIT;
	AUTO(buf_fini) struct buf error_at = BUF_INIT;
	struct trigger_state state;

	trigger_state_get(story->core, trigger, &state);
	wall_format(state.since, &since);
	story_tell(story, WALL_NONE, source_health_name(state.health),
		   "its source (%s) is %s since %s", trigger->kind->name,
		   source_health_name(state.health), buf_cstr(&since));
	if (state.health == HEALTH_STALE)
		story_tell(story, WALL_NONE, "stale",
			   "it heard nothing for stale_after = %s; look at what should send to it",
			   conf_str(trigger->section, "stale_after"));
	if (!state.last_error)
		return;
	wall_format(state.last_error_at, &error_at);
	story_tell(story, WALL_NONE, "error", "its last error was at %s: %s", buf_cstr(&error_at),
		   state.last_error);
}

static void
next_tell(struct story *story, const struct trigger *trigger)
{
	struct source *source = sources_find(story->core->sources, trigger->name);
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct wall next;

	if (!source || !trigger_is_enabled(story->core, trigger))
		return;
	next = source->kind->next ? source->kind->next(source) : WALL_NONE;
	if (wall_is_set(next)) {
		wall_format(next, &text);
		story_tell(story, WALL_NONE, "next", "it fires next at %s", buf_cstr(&text));
		story_put(story, "next", json_string(buf_cstr(&text)));
	} else if (trigger->kind->address) {
		AUTO(auto_free) char *path = trigger->kind->address(trigger);

		story_tell(story, WALL_NONE, "next", "it fires when something is sent to %s%s",
			   story->core->public_url ? story->core->public_url : "", path);
	}
}

static void
backlog_tell(struct story *story, const struct trigger *trigger)
{
	const struct agent *agent = registry_agent(story->core->registry, trigger->agent);
	const struct source *source = sources_find(story->core->sources, trigger->name);
	struct trigger_state state;
	struct gatherings_count held;
	int64_t queued = 0;

	gather_held(story->core, trigger->name, &held);
	if (held.events) {
		AUTO(buf_fini) struct buf next = BUF_INIT;

		wall_format(gather_wall(story->core, held.next), &next);
		story_tell(story, WALL_NONE, "held",
			   "%" PRId64 " events are held back for %" PRId64 " runs, the first at %s",
			   held.events, held.open, buf_cstr(&next));
		story_put(story, "held", json_integer(held.events));
	}
	if (source && source->backlog)
		story_tell(story, WALL_NONE, "waiting",
			   "%" PRId64 " items wait at its source to be taken in", source->backlog);
	if (!runs_count_trigger(story->core->store, trigger->name, &queued, &story->err) || !queued)
		return;
	trigger_state_get(story->core, trigger, &state);
	story_tell(story, WALL_NONE, "queued",
		   "%" PRId64 " of its runs wait, the oldest for %" PRId64
		   " s; agent %s runs %d now (concurrency = %d)",
		   queued, state.lag_ms / 1000, trigger->agent,
		   queue_in_flight(story->core->queue, trigger->agent),
		   agent ? agent->concurrency : 0);
	story_put(story, "queued", json_integer(queued));
}

void
story_of_trigger(struct story *story, const struct trigger *trigger)
{
	AUTO(buf_fini) struct buf noun = BUF_INIT;

	buf_printf(&noun, "trigger %s", trigger->name);
	recent_told(story, trigger);
	story_of_decisions(story, "trigger", trigger->name, buf_cstr(&noun), NULL);
	health_tell(story, trigger);
	held_tell(story, trigger);
	next_tell(story, trigger);
	backlog_tell(story, trigger);
}
