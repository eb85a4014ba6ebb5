/* Rollouts: what was approved of a batch goes to its targets, step by step; or is taken back. */
/* SPDX-License-Identifier: MIT */
#include "core/rollout.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "base/log.h"
#include "base/map.h"
#include "core/apply.h"
#include "core/change.h"
#include "core/put.h"
#include "core/replay.h"
#include "store/changes.h"
#include "store/rollouts.h"

/* On their way at once: what is let go goes on when it stops. */
#define WINDOW 1000
/* Rows that one step looks at. */
#define STEP_MOST 500
#define RETRY_MS 500
/* With a rate: how often a little more is let go, at least. */
#define RATE_MS 100
/* Of fewer that ended no share is taken. */
#define SHARE_LEAST 20
#define OPEN_MAX 64

struct rollouts {
	struct core *core;
	struct going *going;
};

/* One that is on its way, in memory. */
struct going {
	struct rollouts *rollouts;
	int64_t batch;
	char *id;
	double allowance; /* changes that the rate lets go */
	struct mono at;
	struct core_timer *timer;
	UT_hash_handle hh, by_id;
};

struct counts {
	int64_t proposed, approved, applied, failed, conflict, reverted;
};

static void going_step(void *arg);

struct rollouts *
rollouts_new(struct core *core)
{
	struct rollouts *rollouts = mem_alloc(sizeof(*rollouts));

	rollouts->core = core;
	return rollouts;
}

static void
going_free(struct going *going)
{
	HASH_DEL(going->rollouts->going, going);
	core_timer_free(going->timer);
	free(going->id);
	free(going);
}

void
rollouts_free(struct rollouts *rollouts)
{
	struct going *going, *next;

	if (!rollouts)
		return;
	HASH_ITER (hh, rollouts->going, going, next)
		going_free(going);
	free(rollouts);
}

static void
going_wake(struct going *going, int64_t ms)
{
	core_timer_arm(going->rollouts->core, &going->timer, ms, going_step, going);
}

static void
going_add(struct rollouts *rollouts, const struct batch_row *batch)
{
	struct going *going;

	HASH_FIND_STR(rollouts->going, batch->id, going);
	if (!going) {
		going = mem_alloc(sizeof(*going));
		going->rollouts = rollouts;
		going->batch = batch->seq;
		going->id = mem_strdup(batch->id);
		going->at = clock_mono(rollouts->core->clock);
		HASH_ADD_KEYPTR(hh, rollouts->going, going->id, strlen(going->id), going);
	}
	going_wake(going, 0);
}

void
rollouts_landed(struct core *core, const char *batch)
{
	struct going *going = NULL;

	if (batch && core->rollouts)
		HASH_FIND_STR(core->rollouts->going, batch, going);
	if (going)
		going_wake(going, 0);
	else if (batch)
		batches_wake_id(core, batch);
}

bool
rollouts_load(struct core *core, struct err *err)
{
	int64_t open[OPEN_MAX], after = 0;
	size_t count;

	do {
		if (!rollouts_open(core->store, after, open, OPEN_MAX, &count, err))
			return false;
		for (size_t i = 0; i < count; i++) {
			AUTO(batch_row_fini) struct batch_row batch = {0};

			after = open[i];
			if (!batches_get_seq(core->store, open[i], &batch, err))
				return false;
			going_add(core->rollouts, &batch);
		}
	} while (count == OPEN_MAX);
	return true;
}

/* --- counts -------------------------------------------------------------------------------- */

static bool
count_add(void *arg, const char *status, int64_t n)
{
	struct counts *counts = arg;
	const struct {
		const char *status;
		int64_t *n;
	} all[] = {{"proposed", &counts->proposed}, {"approved", &counts->approved},
		   {"applied", &counts->applied},   {"failed", &counts->failed},
		   {"conflict", &counts->conflict}, {"reverted", &counts->reverted}};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (!strcmp(all[i].status, status))
			*all[i].n = n;
	return true;
}

static bool
counts_get(struct core *core, const char *batch, struct counts *ret, struct err *err)
{
	*ret = (struct counts){0};
	return batch_changes_count(core->store, batch, count_add, ret, err);
}

/* How those ended that were let go. */
struct tally {
	int64_t going, good, bad;
};

static bool
tally_get(struct core *core, const struct rollout_row *row, const char *batch, struct tally *ret,
	  struct err *err)
{
	struct counts counts;

	if (!counts_get(core, batch, &counts, err) ||
	    !rollouts_going(core->store, batch, &ret->going, err))
		return false;
	ret->good = (row->revert ? counts.reverted : counts.applied) - row->base;
	ret->good = ret->good < 0 ? 0 : ret->good;
	ret->bad = row->released - ret->good - ret->going;
	ret->bad = ret->bad < 0 ? 0 : ret->bad;
	return true;
}

/* --- the beginning ------------------------------------------------------------------------- */

/* What the section says, unless it is gone. */
static void
settings_read(struct core *core, const char *name, const struct rollout_wish *wish,
	      struct rollout_row *row)
{
	const struct conf_section *section =
		conf_section(registry_conf(core->registry), "batch", name);

	row->canary = section ? conf_int(section, "apply.canary") : 0;
	row->stop = section ? conf_ratio(section, "apply.stop") : 0.1;
	if (section && !conf_rate(section, "apply.rate", &row->rate_count, &row->rate_per_ms))
		row->rate_count = row->rate_per_ms = 0;
	if (wish->canary >= 0)
		row->canary = wish->canary;
	if (!isnan(wish->stop))
		row->stop = wish->stop;
	if (wish->rate_count >= 0) {
		row->rate_count = wish->rate_count;
		row->rate_per_ms = wish->rate_per_ms;
	}
}

static bool
may_start(struct core *core, const struct batch_row *batch, const struct rollout_wish *wish,
	  const struct counts *counts, struct err *err)
{
	AUTO(rollout_row_fini) struct rollout_row known = {0};
	AUTO(err_fini) struct err none = ERR_INIT;
	bool open = rollouts_get(core->store, batch->seq, &known, &none) &&
		    (!strcmp(known.state, "canary") || !strcmp(known.state, "going"));

	if (open)
		return err_set(err, E_STATE, "batch %s is being %s already", batch->id,
			       known.revert ? "reverted" : "applied");
	if (wish->revert ? counts->applied : counts->approved + counts->failed)
		return true;
	if (!wish->revert && counts->proposed)
		return err_set(err, E_STATE,
			       "nothing of batch %s is approved, and %lld changes are proposed: "
			       "rouse review %s",
			       batch->id, (long long)counts->proposed, batch->id);
	return err_set(err, E_NOT_FOUND, "nothing of batch %s is to be %s", batch->id,
		       wish->revert ? "reverted" : "applied");
}

bool
rollout_start(struct core *core, const char *word, const struct rollout_wish *wish, struct err *err)
{
	AUTO(batch_row_fini) struct batch_row batch = {0};
	struct rollout_row row = {.revert = wish->revert,
				  .cursor = wish->revert ? INT64_MAX : 0,
				  .started_by = (char *)(uintptr_t)wish->by,
				  .reason = (char *)(uintptr_t)wish->reason,
				  .at = core_wall(core)};
	struct counts counts;

	if (!batch_find(core, word, &batch, err))
		return false;
	if (replay_is(batch.id))
		return replay_refuse(NULL, batch.id, wish->revert ? "reverted" : "applied", err);
	if (!counts_get(core, batch.id, &counts, err) ||
	    !may_start(core, &batch, wish, &counts, err))
		return false;
	settings_read(core, batch.name, wish, &row);
	row.batch = batch.seq;
	row.state = (char *)(row.canary > 0 ? "canary" : "going");
	row.total = wish->revert ? counts.applied : counts.approved + counts.failed;
	row.base = wish->revert ? counts.reverted : counts.applied;
	if (!turn_savepoint(core->store, err))
		return false;
	if ((!wish->revert && !batch_move(core, batch.seq, BATCH_APPLY_BEGINS, NULL, NULL, err)) ||
	    !rollouts_put(core->store, &row, err) ||
	    !decisions_add(core->store, "batch", batch.id, wish->revert ? "revert" : "apply",
			   wish->by, wish->reason, NULL, row.at, err)) {
		turn_undo(core->store);
		return false;
	}
	turn_release(core->store);
	log_info(wish->revert ? "batch is being reverted" : "batch is being applied", "batch",
		 batch.id, "by", wish->by);
	going_add(core->rollouts, &batch);
	return true;
}

/* --- a step -------------------------------------------------------------------------------- */

/* What a page of changes is to become. */
struct page {
	const struct rollout_row *row;
	int64_t most; /* to be let go */
	int64_t last, seen, held;
	char **ids; /* to be asked for one by one */
	size_t count;
};

static void
page_fini(struct page *page)
{
	for (size_t i = 0; i < page->count; i++)
		free(page->ids[i]);
	free(page->ids);
}

static bool
on_step(void *arg, const struct rollout_step *step)
{
	struct page *page = arg;
	bool revert = page->row->revert, held = !strcmp(step->status, "approved") && step->held;

	if (page->held + (int64_t)page->count >= page->most)
		return false;
	page->seen++;
	page->last = step->seq;
	if (!revert && held) {
		page->held++;
	} else if (!strcmp(step->status, revert ? "applied" : "failed")) {
		page->ids = mem_realloc(page->ids, (page->count + 1) * sizeof(*page->ids));
		page->ids[page->count++] = mem_strdup(step->id);
	}
	return true;
}

/* Each that needs more than to be let go. One that has moved on meanwhile is passed over. */
static bool
page_ask(struct core *core, struct page *page, int64_t *ret_count, struct err *err)
{
	for (size_t i = 0; i < page->count; i++) {
		AUTO(err_fini) struct err one = ERR_INIT;
		bool ok = page->row->revert
				  ? change_revert(core, page->ids[i], page->row->started_by,
						  page->row->reason, &one)
				  : change_apply_again(core, page->ids[i], page->row->started_by,
						       &one);

		if (ok)
			++*ret_count;
		else if (one.code != E_STATE && one.code != E_NOT_FOUND)
			return err_move(err, &one);
	}
	return true;
}

static void
on_released(void *arg, const struct err *err)
{
	struct core *core = arg;

	if (err->code == E_OK)
		apply_wake(core->apply, NULL);
}

/* Lets go up to `most`. *ret_end: there is nothing behind. */
static bool
page_release(struct going *going, struct rollout_row *row, int64_t most, bool *ret_end,
	     struct err *err)
{
	struct core *core = going->rollouts->core;
	AUTO(page_fini) struct page page = {.row = row, .most = most};
	int64_t released = 0;

	if (!rollouts_page(core->store, going->id, row->revert, row->cursor, STEP_MOST, on_step,
			   &page, err))
		return false;
	*ret_end = !page.seen;
	if (page.held &&
	    !rollouts_release(core->store, going->id, row->cursor, page.last, &released, err))
		return false;
	if (!page_ask(core, &page, &released, err))
		return false;
	if (page.seen)
		row->cursor = page.last;
	row->released += released;
	going->allowance -= (double)released;
	if (released)
		turn_after(core->store, on_released, core);
	return true;
}

static void
conclude_words(const struct rollout_row *row, const struct tally *tally, struct buf *out)
{
	buf_printf(out, "%lld of %lld changes were %s, %lld were not", (long long)tally->good,
		   (long long)row->total, row->revert ? "reverted" : "applied",
		   (long long)tally->bad);
}

static bool
finish(struct going *going, struct rollout_row *row, const char *state, char *take_why,
       struct err *err)
{
	struct core *core = going->rollouts->core;
	AUTO(auto_free) char *why = take_why;
	struct counts counts;
	bool ok = counts_get(core, going->id, &counts, err), open;

	if (!ok)
		return false;
	free(row->state);
	free(row->why);
	row->state = mem_strdup(state);
	row->why = mem_strdup(why);
	open = counts.proposed || counts.approved || counts.failed || counts.conflict;
	log_info(row->revert ? "batch reverted" : "batch applied", "batch", going->id, "state",
		 state, "why", why);
	if (!rollouts_put(core->store, row, err))
		return false;
	return row->revert ||
	       batch_move(core, going->batch, open ? BATCH_APPLY_STOPS : BATCH_APPLY_DONE,
			  why ? "apply" : NULL, why, err);
}

/* How many may go now; *ret_wait_ms: when to look again for more of the rate. */
static int64_t
room_for(struct going *going, const struct rollout_row *row, const struct tally *tally,
	 int64_t *ret_wait_ms)
{
	struct mono now = clock_mono(going->rollouts->core->clock);
	int64_t room = WINDOW - tally->going;

	*ret_wait_ms = 0;
	if (!strcmp(row->state, "canary") && room > row->canary - row->released)
		room = row->canary - row->released;
	if (row->rate_count <= 0 || room <= 0)
		return room;
	going->allowance += (double)(now.ms - going->at.ms) * (double)row->rate_count /
			    (double)row->rate_per_ms;
	going->at = now;
	if (going->allowance > (double)row->rate_count)
		going->allowance = (double)row->rate_count;
	if (room > (int64_t)going->allowance)
		room = (int64_t)going->allowance;
	*ret_wait_ms = row->rate_per_ms / row->rate_count > RATE_MS
			       ? row->rate_per_ms / row->rate_count
			       : RATE_MS;
	return room;
}

/* Too much of it failed: *ret_why says so, owned. */
static bool
must_stop(const struct rollout_row *row, const struct tally *tally, char **ret_why)
{
	struct buf why = BUF_INIT;
	int64_t ended = tally->good + tally->bad;
	bool canary = !strcmp(row->state, "canary");
	bool canary_over = canary && !tally->going && row->released >= row->canary;

	if (!tally->bad ||
	    (canary ? !canary_over
		    : ended < SHARE_LEAST || (double)tally->bad <= row->stop * (double)ended))
		return false;
	buf_printf(&why, "%lld of %s%lld changes failed: nothing more was %s",
		   (long long)tally->bad, canary ? "the first " : "", (long long)ended,
		   row->revert ? "reverted" : "applied");
	*ret_why = buf_take(&why);
	return true;
}

/* Over: its last row is written. */
static bool
step_rows(struct going *going, struct rollout_row *row, int64_t *ret_wait_ms, bool *ret_over,
	  struct err *err)
{
	struct core *core = going->rollouts->core;
	AUTO(buf_fini) struct buf words = BUF_INIT;
	struct tally tally;
	char *why = NULL;
	int64_t room;
	bool end = false;

	if (!tally_get(core, row, going->id, &tally, err))
		return false;
	*ret_over = true;
	if (must_stop(row, &tally, &why))
		return finish(going, row, "stopped", why, err);
	if (!strcmp(row->state, "canary") && row->released >= row->canary && !tally.going) {
		free(row->state);
		row->state = mem_strdup("going");
	}
	room = room_for(going, row, &tally, ret_wait_ms);
	if (room > 0 && !page_release(going, row, room, &end, err))
		return false;
	if (end && !tally.going) {
		if (tally.bad)
			conclude_words(row, &tally, &words);
		return finish(going, row, "done", words.len ? buf_take(&words) : NULL, err);
	}
	*ret_over = false;
	/* Nothing more comes, but what was let go has not ended: its landing goes on from here. */
	if (end)
		*ret_wait_ms = 0;
	else if (room > 0 && !*ret_wait_ms)
		*ret_wait_ms = 1;
	return rollouts_put(core->store, row, err);
}

static void
going_step(void *arg)
{
	struct going *going = arg;
	struct core *core = going->rollouts->core;
	AUTO(rollout_row_fini) struct rollout_row row = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	int64_t wait_ms = 0;
	bool over = false, ok;

	if (core->draining)
		return;
	ok = rollouts_get(core->store, going->batch, &row, &err);
	if (!ok && err.code == E_NOT_FOUND) {
		going_free(going);
		return;
	}
	ok = ok && turn_savepoint(core->store, &err);
	if (ok) {
		ok = step_rows(going, &row, &wait_ms, &over, &err);
		if (ok)
			turn_release(core->store);
		else
			turn_undo(core->store);
	}
	crash_point("rollout-step");
	if (!ok) {
		log_error("rollout cannot go on", "batch", going->id, "error", err_text(&err));
		going_wake(going, RETRY_MS);
	} else if (over) {
		going_free(going);
	} else if (wait_ms > 0) {
		going_wake(going, wait_ms);
	}
}

/* --- seen from outside --------------------------------------------------------------------- */

/* What its section says by now, so that a plan can be read before it begins. */
static void
settings_put(struct core *core, const struct batch_row *batch, json_t *object)
{
	const struct rollout_wish none = ROLLOUT_WISH_INIT;
	struct rollout_row row = {0};
	json_t *put = json_object();

	settings_read(core, batch->name, &none, &row);
	json_object_set_new(put, "canary", json_integer(row.canary));
	json_object_set_new(put, "rate",
			    row.rate_per_ms ? json_real(1000.0 * (double)row.rate_count /
							(double)row.rate_per_ms)
					    : json_null());
	json_object_set_new(put, "stop", json_real(row.stop));
	json_object_set_new(object, "apply", put);
}

void
rollout_put(struct core *core, const struct batch_row *batch, json_t *object)
{
	AUTO(rollout_row_fini) struct rollout_row row = {0};
	AUTO(err_fini) struct err none = ERR_INIT;
	struct tally tally = {0};
	json_t *put;

	settings_put(core, batch, object);
	if (!rollouts_get(core->store, batch->seq, &row, &none) ||
	    !tally_get(core, &row, batch->id, &tally, &none)) {
		json_object_set_new(object, "rollout", json_null());
		return;
	}
	put = json_object();
	json_put_str(put, "verb", row.revert ? "revert" : "apply");
	json_put_str(put, "state", row.state);
	put_or_null(put, "why", row.why);
	json_object_set_new(put, "total", json_integer(row.total));
	json_object_set_new(put, "released", json_integer(row.released));
	json_object_set_new(put, "done", json_integer(tally.good));
	json_object_set_new(put, "failed", json_integer(tally.bad));
	json_object_set_new(put, "going", json_integer(tally.going));
	json_object_set_new(put, "canary", json_integer(row.canary));
	put_or_null(put, "by", row.started_by);
	json_put_wall(put, "started", row.at.ms);
	json_object_set_new(object, "rollout", put);
}
