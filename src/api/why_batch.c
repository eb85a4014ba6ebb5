/* Why: the story of a batch. SPEC 4. */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "api/why.h"
#include "base/json.h"
#include "core/batch.h"
#include "core/halt.h"

static bool
note_tell(void *arg, struct wall at, struct str text)
{
	story_tell(arg, at, "source", "of its source: %.*s", STR_ARG(text));
	return true;
}

static void
started_tell(struct story *story, const struct batch_row *row)
{
	bool plain = !row->options || !strcmp(row->options, "{}");

	story_tell(story, row->started, "started", "batch %s was started by %s for agent %s%s%s",
		   row->id, row->started_by ? row->started_by : "its schedule", row->agent,
		   plain ? "" : ", with ", plain ? "" : row->options);
}

static void
counts_tell(struct story *story, const struct batch_row *row)
{
	bool reading = !strcmp(row->source_state, "reading");

	story_tell(story, WALL_NONE, row->state,
		   "it is %s%s%s%s: %" PRId64 "%s entities, %" PRId64 " done, %" PRId64
		   " running, %" PRId64 " skipped, %" PRId64 " failed, %" PRId64
		   " left; %.2f dollars so far",
		   row->state, row->reason ? " (" : "", row->reason ? row->reason : "",
		   row->reason ? ")" : "", row->items, reading ? " or more" : "", row->done,
		   row->running, row->skipped, row->failed, batch_left(row),
		   (double)row->cost_uusd / 1e6);
	if (row->error)
		story_tell(story, WALL_NONE, "error", "%s", row->error);
	if (row->skipped + row->failed)
		story_tell(story, WALL_NONE, "skipped",
			   "rouse batch show %s --entities --status %s says why each", row->id,
			   row->skipped ? "skipped" : "failed");
}

/* What its runs wait for. */
static void
waits_tell(struct story *story, const struct batch_row *row)
{
	struct core *core = story->core;

	if (strcmp(row->state, "running") != 0)
		return;
	if (core_is_halted(core))
		story_tell(story, WALL_NONE, "halted",
			   "its runs do not start: everything is halted; rouse resume");
	else if (switch_is_on(core->switches, "all", "", "paused"))
		story_tell(story, WALL_NONE, "paused",
			   "its runs do not start: everything is paused; rouse resume");
	if (switch_is_on(core->switches, "agent", row->agent, "paused"))
		story_tell(story, WALL_NONE, "paused",
			   "its runs do not start: agent %s is paused; rouse resume --agent %s",
			   row->agent, row->agent);
}

static void
next_tell(struct story *story, const char *name)
{
	struct wall next = batch_next_start(story->core, name);
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!wall_is_set(next))
		return;
	wall_format(next, &text);
	story_tell(story, WALL_NONE, "next", "its schedule starts it next at %s", buf_cstr(&text));
	story_put(story, "next", json_string(buf_cstr(&text)));
}

void
story_of_batch(struct story *story, const struct batch_row *row)
{
	AUTO(buf_fini) struct buf noun = BUF_INIT;

	buf_cat(&noun, "batch ", row->id);
	started_tell(story, row);
	if (!batch_notes_list(story->core->store, row->seq, note_tell, story, &story->err))
		return;
	story_of_decisions(story, "batch", row->id, buf_cstr(&noun), "start");
	if (wall_is_set(row->ended))
		story_tell(story, row->ended, "ended", "its last entity had ended, or it stopped");
	counts_tell(story, row);
	waits_tell(story, row);
	next_tell(story, row->name);
}

void
story_of_batch_name(struct story *story, const char *name)
{
	story_tell(story, WALL_NONE, "idle",
		   "batch %s has not been started yet; rouse batch start %s", name, name);
	next_tell(story, name);
}
