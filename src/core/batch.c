/* Batches: their states, and what people do with them. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#include "core/batch.h"

#include <assert.h>

#include "base/json.h"
#include "base/log.h"
#include "base/uuid.h"
#include "core/batch_inside.h"
#include "core/event.h"
#include "core/notify.h"
#include "core/replay.h"
#include "core/stream.h"
#include "store/changes.h"
#include "store/events.h"

static const char *const state_names[] = {
#define X(id, name) name,
	BATCH_STATES(X)
#undef X
};
static_assert(ARRAY_LEN(state_names) == BATCH_STATE_COUNT, "a name for every state");

#define NO BATCH_NOWHERE
/* clang-format off */
static const signed char grid[BATCH_STATE_COUNT][BATCH_EVENTS] = {
	/*                    PAUSE         RESUME         CANCEL           FAIL          ENTITIES_DONE APPLY_BEGINS    APPLY_STOPS   APPLY_DONE */
	[BATCH_RUNNING]   = { BATCH_PAUSED, NO,            BATCH_CANCELLED, BATCH_FAILED, BATCH_REVIEW, NO,             NO,           NO },
	[BATCH_REVIEW]    = { NO,           NO,            BATCH_CANCELLED, NO,           NO,           BATCH_APPLYING, NO,           BATCH_DONE },
	[BATCH_APPLYING]  = { NO,           NO,            NO,              NO,           NO,           BATCH_APPLYING, BATCH_REVIEW, BATCH_DONE },
	[BATCH_DONE]      = { NO,           NO,            NO,              NO,           NO,           BATCH_APPLYING, NO,           BATCH_DONE },
	[BATCH_PAUSED]    = { NO,           BATCH_RUNNING, BATCH_CANCELLED, NO,           NO,           NO,             NO,           NO },
	[BATCH_CANCELLED] = { NO,           NO,            NO,              NO,           NO,           BATCH_APPLYING, NO,           BATCH_CANCELLED },
	[BATCH_FAILED]    = { NO,           BATCH_RUNNING, BATCH_CANCELLED, NO,           NO,           NO,             NO,           NO },
};
/* clang-format on */
#undef NO

const char *
batch_state_name(enum batch_state state)
{
	return state_names[state];
}

enum batch_state
batch_state_of(const char *name)
{
	return (enum batch_state)str_place(state_names, ARRAY_LEN(state_names), name);
}

enum batch_state
batch_next(enum batch_state state, enum batch_event ev)
{
	return state == BATCH_NOWHERE ? BATCH_NOWHERE : (enum batch_state)grid[state][ev];
}

void
batch_tell(struct core *core, const char *id, const char *state)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!stream_count(core->stream))
		return;
	buf_puts(&text, "{\"id\":");
	buf_json_cstr(&text, id);
	buf_puts(&text, ",\"state\":");
	buf_json_cstr(&text, state);
	buf_putc(&text, '}');
	stream_publish(core->stream,
		       &(struct stream_event){
			       .kind = "batch", .id = id, .type = state, .data = buf_str(&text)});
}

/* What a person would have to know who wanted something else. */
static bool
cannot(const struct batch_row *row, enum batch_event ev, struct err *err)
{
	static const char *const words[BATCH_EVENTS] = {
		[BATCH_PAUSE] = "paused; only one that is running is",
		[BATCH_RESUME] = "resumed; only one that is paused or failed is",
		[BATCH_CANCEL] = "cancelled any more",
		[BATCH_FAIL] = "stopped",
		[BATCH_ENTITIES_DONE] = "reviewed yet",
		[BATCH_APPLY_BEGINS] = "applied before its last entity has ended",
		[BATCH_APPLY_STOPS] = "stopped from being applied",
		[BATCH_APPLY_DONE] = "done yet",
	};

	return err_set(err, E_STATE, "batch %s is %s: it cannot be %s", row->id, row->state,
		       words[ev]);
}

static bool
move_row(struct core *core, const struct batch_row *row, enum batch_event ev, enum batch_state to,
	 const char *reason, const char *error, struct err *err)
{
	const struct batch_row_move move = {.from = row->state,
					    .to = state_names[to],
					    .reason = reason,
					    .error = error,
					    .at = core_wall(core),
					    .ends = to == BATCH_DONE || to == BATCH_CANCELLED ||
						    to == BATCH_REVIEW || to == BATCH_FAILED,
					    .goes = to == BATCH_RUNNING};

	(void)ev;
	if (!batches_move_row(core->store, row->seq, &move, err))
		return false;
	if (strcmp(move.from, move.to) != 0)
		log_info("batch moves", "batch", row->id, "from", move.from, "to", move.to,
			 "reason", reason, "error", error);
	batch_tell(core, row->id, move.to);
	return true;
}

/* In mode apply what was approved as it arrived is on its way already; of a replay nothing is to be
 * decided. */
static enum batch_state
where_to(const struct batch_row *row, enum batch_event ev)
{
	enum batch_state to = batch_next(batch_state_of(row->state), ev);

	if (ev == BATCH_ENTITIES_DONE && to == BATCH_REVIEW && replay_is(row->id))
		return BATCH_DONE;
	return ev == BATCH_ENTITIES_DONE && to == BATCH_REVIEW && !strcmp(row->mode, "apply")
		       ? BATCH_APPLYING
		       : to;
}

bool
batch_move(struct core *core, int64_t seq, enum batch_event ev, const char *reason,
	   const char *error, struct err *err)
{
	AUTO(batch_row_fini) struct batch_row row = {0};
	enum batch_state to;

	if (!batches_get_seq(core->store, seq, &row, err))
		return false;
	to = where_to(&row, ev);
	if (to == BATCH_NOWHERE)
		return cannot(&row, ev, err);
	if (!move_row(core, &row, ev, to, reason, error, err) ||
	    ((ev == BATCH_FAIL || (ev == BATCH_ENTITIES_DONE && to == BATCH_REVIEW)) &&
	     !notify_batch(core, &row, batch_state_name(to), error, err)))
		return false;
	batches_wake(core, seq);
	return true;
}

/* --- which one is meant -------------------------------------------------------------------- */

struct named {
	int64_t open[2], newest;
	int count; /* of open ones */
	struct buf ids;
};

static bool
named_add(void *arg, const struct batch_row *row)
{
	struct named *named = arg;
	enum batch_state state = batch_state_of(row->state);

	if (!named->newest)
		named->newest = row->seq;
	if (state == BATCH_DONE || state == BATCH_CANCELLED)
		return true;
	if (!named->count)
		named->open[0] = row->seq;
	if (named->count < 5)
		buf_cat(&named->ids, named->count ? ", " : "", row->id);
	named->count++;
	return true;
}

bool
batch_find(struct core *core, const char *word, struct batch_row *ret, struct err *err)
{
	struct named named = {.ids = BUF_INIT};
	bool ok;

	if (strchr(word, '/'))
		return batches_get(core->store, word, ret, err);
	if (!batches_named(core->store, word, named_add, &named, err))
		return false;
	if (named.count > 1)
		ok = err_set(err, E_INVALID,
			     "%d batches of the name %s are not done: %s%s; name one by its id",
			     named.count, word, buf_cstr(&named.ids),
			     named.count > 5 ? ", ..." : "");
	else if (!named.newest)
		ok = err_set(err, E_NOT_FOUND,
			     registry_batch(core->registry, word)
				     ? "batch %s has not been started yet; rouse batch start %s"
				     : "there is no batch %s; rouse batch list shows which there "
				       "are%.0s",
			     word, word);
	else
		ok = batches_get_seq(core->store, named.count ? named.open[0] : named.newest, ret,
				     err);
	buf_fini(&named.ids);
	return ok;
}

/* --- starting ------------------------------------------------------------------------------ */

static bool
is_running(void *arg, const struct batch_row *row)
{
	char **ret = arg;

	if (strcmp(row->state, "running") != 0)
		return true;
	*ret = mem_strdup(row->id);
	return false;
}

static bool
options_check(const struct batch_options *options, struct err *err)
{
	const json_t *key;
	size_t i;

	if (options->limit < 0)
		return err_set(err, E_INVALID, "limit: expected how many entities, at least 1");
	if (options->trial < 0 || options->trial > BATCH_TRIAL_MAX)
		return err_set(err, E_INVALID, "trial: expected how many entities, 1 to %d",
			       BATCH_TRIAL_MAX);
	if (!options->only)
		return true;
	if (!json_is_array(options->only) || !json_array_size(options->only) ||
	    json_array_size(options->only) > BATCH_ONLY_MAX)
		return err_set(err, E_INVALID, "only: expected 1 to %d keys of entities",
			       BATCH_ONLY_MAX);
	json_array_foreach ((json_t *)options->only, i, key)
		if (!json_is_string(key) || !json_string_length(key) ||
		    json_string_length(key) > ENTITY_KEY_MAX)
			return err_set(err, E_INVALID,
				       "only: number %zu is no key; expected a text", i + 1);
	return true;
}

/* The id of an earlier batch that entities are taken from. */
static bool
earlier(struct core *core, const char *word, const char *member, json_t *plan, struct err *err)
{
	AUTO(batch_row_fini) struct batch_row row = {0};
	struct named named = {.ids = BUF_INIT};
	bool ok;

	if (!word)
		return true;
	/* By a name: the newest, whatever became of it. */
	ok = strchr(word, '/') ? batches_get(core->store, word, &row, err)
			       : batches_named(core->store, word, named_add, &named, err);
	buf_fini(&named.ids);
	if (ok && named.newest)
		ok = batches_get_seq(core->store, named.newest, &row, err);
	if (ok && row.id && replay_is(row.id))
		ok = err_set(err, E_INVALID,
			     "%s is a replay: its entities are old runs, and no "
			     "batch's; rouse replay %s goes on with it",
			     row.id, row.id);
	if (ok && !row.id)
		ok = err_set(err, E_NOT_FOUND, "there is no batch %s to take entities from", word);
	if (ok)
		json_put_str(plan, member, row.id);
	return ok;
}

static bool
plan_make(struct core *core, const struct batch_settings *settings,
	  const struct batch_options *options, struct buf *out, struct err *err)
{
	AUTO(json_auto_decref) json_t *plan = json_object();

	if (!options_check(options, err) || !earlier(core, options->failed, "failed", plan, err) ||
	    !earlier(core, options->skipped, "skipped", plan, err))
		return false;
	if (options->limit)
		json_object_set_new(plan, "limit", json_integer(options->limit));
	if (options->trial)
		json_object_set_new(plan, "trial", json_integer(options->trial));
	if (options->only)
		json_object_set(plan, "only", (json_t *)options->only);
	/* A trial stands for all: it is drawn from all. */
	if (settings->shuffled || options->trial) {
		json_put_str(plan, "order", "random");
		json_object_set_new(plan, "seed", json_integer((json_int_t)entropy_below(1 << 30)));
	}
	json_write(out, plan);
	return true;
}

/* NAME/START; the next second, where that one had a batch. */
static void
id_make(const char *name, struct wall at, struct buf *out)
{
	buf_clear(out);
	buf_cat(out, name, "/");
	at.ms -= ((at.ms % 1000) + 1000) % 1000;
	wall_format(at, out);
	if (str_ends(buf_str(out), STR(".000Z"))) {
		buf_truncate(out, out->len - strlen(".000Z"));
		buf_putc(out, 'Z');
	}
}

/* The one event that all its runs come of. */
static bool
event_keep(struct core *core, const char *id, const char *name, const char *options, struct wall at,
	   int64_t *ret_seq, struct err *err)
{
	AUTO(buf_fini) struct buf document = BUF_INIT, data = BUF_INIT, source = BUF_INIT;
	struct uuid event_id = uuid_v7(at);
	AUTO(buf_fini) struct buf rule = BUF_INIT;
	struct happening h = {.type = STR("rouse.batch")};
	struct event_row row = {.id = event_id.text,
				.trigger = (char *)"",
				.source = (char *)"batch",
				.outcome = (char *)"ran",
				.subject = (char *)id,
				.time = at};
	struct agent nobody = {.name = name};

	buf_cat(&source, "batch/", name);
	buf_puts(&data, "{\"batch\":");
	buf_json_cstr(&data, id);
	buf_cat(&data, ",\"options\":", options, "}");
	buf_cat(&rule, "batch ", id, " starts");
	h.agent = &nobody;
	h.source = buf_str(&source);
	h.subject = str_of(id);
	h.data = buf_str(&data);
	event_document(&h, event_id.text, at, &document);
	row.document = (char *)buf_cstr(&document);
	row.rule = (char *)buf_cstr(&rule);
	return events_insert(core->store, &row, ret_seq, err);
}

#define ID_TRIES 120

static bool
start_rows(struct core *core, const struct batch_settings *settings, const char *name,
	   const struct batch_options *options, const char *plan, struct buf *id, int64_t *ret_seq,
	   struct err *err)
{
	struct wall now = core_wall(core);
	struct wall start = wall_is_set(options->nominal) ? options->nominal : now;
	struct batch_row row = {.name = (char *)name,
				.agent = (char *)settings->agent->name,
				.mode = (char *)(settings->stages ? "stage" : "apply"),
				.options = (char *)plan,
				.started_by = (char *)options->by,
				.started = now,
				.resumed = now};

	for (int i = 0; i < ID_TRIES; i++, start.ms += 1000) {
		AUTO(err_fini) struct err taken = ERR_INIT;

		id_make(name, start, id);
		row.id = (char *)buf_cstr(id);
		if (!i && !event_keep(core, row.id, name, plan, now, &row.event, err))
			return false;
		if (batches_insert(core->store, &row, ret_seq, &taken))
			return !options->by || decisions_add(core->store, "batch", row.id, "start",
							     options->by, plan, NULL, now, err);
		if (taken.code != E_EXISTS || wall_is_set(options->nominal))
			return err_move(err, &taken);
	}
	return err_set(err, E_STATE, "%d batches of %s were started in a moment; wait a little",
		       ID_TRIES, name);
}

static void
on_started(void *arg, const struct err *err)
{
	struct live *live = arg;

	if (err->code == E_OK)
		live_wake(live, 0);
	else
		live_free(live);
}

bool
batch_start(struct core *core, const char *name, const struct batch_options *options, char **ret_id,
	    struct err *err)
{
	struct batch_settings settings;
	AUTO(buf_fini) struct buf plan = BUF_INIT;

	return batch_settings_get(core->registry, name, &settings, err) &&
	       plan_make(core, &settings, options, &plan, err) &&
	       batch_begin(core, &settings, name, options, buf_cstr(&plan), ret_id, err);
}

bool
batch_begin(struct core *core, const struct batch_settings *settings, const char *name,
	    const struct batch_options *options, const char *plan, char **ret_id, struct err *err)
{
	AUTO(auto_free) char *running = NULL;
	AUTO(buf_fini) struct buf id = BUF_INIT;
	AUTO(batch_row_fini) struct batch_row row = {0};
	int64_t seq;

	if (core->draining)
		return err_set(err, E_UNAVAILABLE, "the daemon is stopping; try again in a moment");
	if (!batches_named(core->store, name, is_running, &running, err))
		return false;
	if (running)
		return err_set(
			err, E_STATE,
			"batch %s is running; wait for it (rouse batch show %s --follow), or "
			"cancel it first",
			running, running);
	if (!turn_savepoint(core->store, err))
		return false;
	if (!start_rows(core, settings, name, options, plan, &id, &seq, err) ||
	    !batches_get_seq(core->store, seq, &row, err)) {
		turn_undo(core->store);
		return false;
	}
	turn_release(core->store);
	log_info("batch starts", "batch", row.id, "by", options->by);
	batch_tell(core, row.id, "running");
	turn_after(core->store, on_started, live_new(core, &row));
	*ret_id = buf_take(&id);
	return true;
}

/* --- verbs --------------------------------------------------------------------------------- */

static bool
act_rows(struct core *core, const struct batch_row *row, enum batch_event ev, const char *verb,
	 const char *by, const char *why, struct err *err)
{
	enum batch_state to = where_to(row, ev);
	AUTO(buf_fini) struct buf options = BUF_INIT;

	if (to == BATCH_NOWHERE)
		return cannot(row, ev, err);
	if (ev == BATCH_RESUME) {
		plan_whole(row->options, &options);
		if (!batches_set_options(core->store, row->seq, buf_cstr(&options), err) ||
		    !batches_excuse(core->store, row->seq, err))
			return false;
		if (!strcmp(row->source_state, "broken") &&
		    !batches_source(core->store, row->seq, "reading", STR_NONE, row->source_again,
				    err))
			return false;
	}
	return move_row(core, row, ev, to, ev == BATCH_PAUSE ? "by_hand" : NULL,
			ev == BATCH_RESUME ? NULL : why, err) &&
	       decisions_add(core->store, "batch", row->id, verb, by, why, NULL, core_wall(core),
			     err);
}

static bool
act(struct core *core, const char *word, enum batch_event ev, const char *verb, const char *by,
    const char *why, struct err *err)
{
	AUTO(batch_row_fini) struct batch_row row = {0};
	struct live *live;

	if (!batch_find(core, word, &row, err) || !turn_savepoint(core->store, err))
		return false;
	if (!act_rows(core, &row, ev, verb, by, why, err)) {
		turn_undo(core->store);
		return false;
	}
	turn_release(core->store);
	/* It goes on from here, or has to end what runs. */
	live = batch_live(core, row.seq);
	if (!live && (ev == BATCH_RESUME || ev == BATCH_CANCEL))
		live = live_new(core, &row);
	if (live)
		live_wake(live, 0);
	return true;
}

/* A source that broke while what it gave still runs is read on. */
static bool
mend(struct core *core, const char *word, const char *by, const char *why, bool *ret_done,
     struct err *err)
{
	AUTO(batch_row_fini) struct batch_row row = {0};
	struct live *live;

	*ret_done = false;
	if (!batch_find(core, word, &row, err))
		return false;
	live = batch_live(core, row.seq);
	if (strcmp(row.state, "running") || strcmp(row.source_state, "broken") || !live)
		return true;
	if (!turn_savepoint(core->store, err))
		return false;
	if (!batches_source(core->store, row.seq, "reading", STR_NONE, row.source_again, err) ||
	    !batches_set_error(core->store, row.seq, NULL, err) ||
	    !decisions_add(core->store, "batch", row.id, "resume", by, why, NULL, core_wall(core),
			   err)) {
		turn_undo(core->store);
		return false;
	}
	turn_release(core->store);
	live_wake(live, 0);
	*ret_done = true;
	return true;
}

bool
batch_pause(struct core *core, const char *word, const char *by, const char *why, struct err *err)
{
	return act(core, word, BATCH_PAUSE, "pause", by, why, err);
}

bool
batch_resume(struct core *core, const char *word, const char *by, const char *why, struct err *err)
{
	bool done;

	return mend(core, word, by, why, &done, err) &&
	       (done || act(core, word, BATCH_RESUME, "resume", by, why, err));
}

bool
batch_cancel(struct core *core, const char *word, const char *by, const char *why, struct err *err)
{
	return act(core, word, BATCH_CANCEL, "cancel", by, why, err);
}
