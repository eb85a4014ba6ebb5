/* Replays: begun, taken up, forgotten; and what one is allowed to be. SPEC 12. */
/* SPDX-License-Identifier: MIT */
#include "core/replay.h"

#include <inttypes.h>
#include <math.h>

#include "base/json.h"
#include "core/batch_inside.h"
#include "core/keep.h"
#include "store/runs.h"

/* At once, where nothing else is said: other work comes first. */
#define AT_ONCE 4
#define PRIORITY_LOW 2

bool
replay_refuse(const char *change, const char *batch, const char *what, struct err *err)
{
	return err_set(
		err, E_STATE,
		"%s%s%s only there to be compared (replay %s), and is never %s; rouse replay "
		"%s shows the comparison",
		change ? "change " : "what a replay proposed is", change ? change : "",
		change ? " is" : "", batch, what, batch);
}

/* --- what its row says --------------------------------------------------------------------- */

bool
replay_settings(const struct registry *registry, const struct batch_row *row,
		struct batch_settings *ret, struct err *err)
{
	const struct agent *agent = registry_agent(registry, row->agent);
	AUTO(json_auto_decref) json_t *options = NULL;

	if (!agent)
		return err_set(err, E_NOT_FOUND, "agent %s of replay %s is not configured any more",
			       row->agent, row->id);
	json_read(str_of(row->options ? row->options : "{}"), &options, NULL);
	*ret = (struct batch_settings){
		.agent = agent,
		.limits = agent->limits,
		.concurrency = json_int(options, "concurrency", 0),
		.stages = true,
		.priority = PRIORITY_LOW,
		.intent = row->name,
		.stop_share = NAN,
	};
	if (ret->concurrency <= 0)
		ret->concurrency = agent->concurrency < AT_ONCE ? agent->concurrency : AT_ONCE;
	return true;
}

int64_t
replay_limit_uusd(struct core *core, const char *id)
{
	AUTO(batch_row_fini) struct batch_row row = {0};
	AUTO(json_auto_decref) json_t *options = NULL;
	AUTO(err_fini) struct err none = ERR_INIT;
	int64_t limit;

	if (!batches_get(core->store, id, &row, &none) || !row.options ||
	    !json_read(str_of(row.options), &options, NULL))
		return INT64_MAX;
	limit = json_int(options, "budget_cost_uusd", -1);
	return limit < 0 ? INT64_MAX : limit;
}

/* --- begun --------------------------------------------------------------------------------- */

static json_t *
plan_of(struct core *core, const struct replay_wish *wish)
{
	json_t *plan = json_object(), *which = json_object();

	json_put_str(which, "agent", wish->old_agent);
	json_put_str(which, "trigger", wish->trigger);
	json_put_str(which, "entity", wish->entity);
	json_put_str(which, "tenant", wish->tenant);
	json_put_str(which, "status", wish->status);
	json_put_str(which, "batch", wish->batch);
	if (wall_is_set(wish->since))
		json_object_set_new(which, "since", json_integer(wish->since.ms));
	/* What comes from here on is none of it. */
	json_object_set_new(which, "before", json_integer(runs_next_seq(core->store)));
	json_object_set_new(plan, "replay", which);
	if (wish->limit)
		json_object_set_new(plan, "limit", json_integer(wish->limit));
	if (wish->concurrency)
		json_object_set_new(plan, "concurrency", json_integer(wish->concurrency));
	if (wish->cost_uusd >= 0)
		json_object_set_new(plan, "budget_cost_uusd", json_integer(wish->cost_uusd));
	return plan;
}

bool
replay_start(struct core *core, const struct replay_wish *wish, char **ret_id, struct err *err)
{
	AUTO(json_auto_decref) json_t *plan = plan_of(core, wish);
	AUTO(buf_fini) struct buf text = BUF_INIT, name = BUF_INIT;
	const struct batch_options options = {.by = wish->by, .nominal = WALL_NONE};
	struct batch_settings settings;
	struct batch_row row = {
		.agent = (char *)(uintptr_t)wish->agent, .id = (char *)"", .name = (char *)""};

	json_write(&text, plan);
	row.options = (char *)buf_cstr(&text);
	if (!registry_agent(core->registry, wish->agent))
		return err_set(err, E_NOT_FOUND,
			       "there is no agent %s; rouse agent list shows which there are",
			       wish->agent);
	buf_cat(&name, REPLAY_PREFIX, wish->agent);
	return replay_settings(core->registry, &row, &settings, err) &&
	       batch_begin(core, &settings, buf_cstr(&name), &options, buf_cstr(&text), ret_id,
			   err);
}

/* --- taken up, forgotten ------------------------------------------------------------------- */

static bool
replay_find(struct core *core, const char *word, struct batch_row *ret, struct err *err)
{
	if (!batch_find(core, word, ret, err))
		return false;
	return replay_is(ret->id) ||
	       err_set(err, E_STATE, "batch %s is no replay; rouse batch resume is for it",
		       ret->id);
}

static bool
option_set(struct core *core, const struct batch_row *row, const char *name, json_t *take_value,
	   struct err *err)
{
	AUTO(json_auto_decref) json_t *options = NULL;
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!row->options || !json_read(str_of(row->options), &options, NULL))
		options = json_object();
	json_object_set_new(options, name, take_value);
	json_write(&text, options);
	return batches_set_options(core->store, row->seq, buf_cstr(&text), err);
}

bool
replay_resume(struct core *core, const char *word, int64_t cost_uusd, const char *by,
	      struct err *err)
{
	AUTO(batch_row_fini) struct batch_row row = {0};

	if (!replay_find(core, word, &row, err))
		return false;
	if (cost_uusd >= 0 &&
	    !option_set(core, &row, "budget_cost_uusd", json_integer(cost_uusd), err))
		return false;
	/* Its limit is another: what waits for room is looked at. */
	batches_wake(core, row.seq);
	return !strcmp(row.state, "running") || batch_resume(core, row.id, by, NULL, err);
}

bool
replay_forget(struct core *core, const char *word, const char *by, struct err *err)
{
	AUTO(batch_row_fini) struct batch_row row = {0};
	enum batch_state state;

	if (!replay_find(core, word, &row, err))
		return false;
	state = batch_state_of(row.state);
	if (row.running || state == BATCH_RUNNING)
		return err_set(err, E_STATE,
			       "replay %s is running; rouse batch cancel %s first, or wait for it",
			       row.id, row.id);
	if (batch_next(state, BATCH_CANCEL) != BATCH_NOWHERE &&
	    !batch_cancel(core, row.id, by, "forgotten", err))
		return false;
	if (!option_set(core, &row, "forgotten", json_true(), err))
		return false;
	keep_now(core->keep);
	return true;
}
