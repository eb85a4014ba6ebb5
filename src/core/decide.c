/* Deciding about many changes: one turn a page, each under the digest that was selected. */
/* SPDX-License-Identifier: MIT */
#include "core/decide.h"

#include <stdlib.h>

#include "base/digest.h"
#include "base/log.h"

#define PAGE_ROWS 200 /* of one turn */

struct decision {
	struct core *core;
	struct selection *selection;
	enum change_event ev;
	bool plan;
	char *by, *reason;
	decide_may *may;
	decide_on_done *on_done;
	void *arg;
	uint64_t at;
	struct decided decided;
	struct err err;
	struct core_timer *timer;
};

static void
decision_free(struct decision *d)
{
	core_timer_free(d->timer);
	selection_free(d->selection);
	json_decref(d->decided.why);
	free(d->by);
	free(d->reason);
	err_fini(&d->err);
	free(d);
}

static void
decision_end(struct decision *d)
{
	log_info("changes decided", "by", d->by, "digest", selection_digest(d->selection));
	d->on_done(d->arg, &d->decided, &d->err);
	decision_free(d);
}

static void
skip(struct decision *d, const char *id, const char *why)
{
	json_t *one;

	d->decided.skipped++;
	if (json_array_size(d->decided.why) >=
	    (selection_spec(d->selection)->ids ? DECIDE_SKIPPED_NAMED : DECIDE_SKIPPED))
		return;
	one = json_object();
	json_put_str(one, "id", id);
	json_put_str(one, "why", why);
	json_array_append_new(d->decided.why, one);
}

static bool
is_as_selected(const struct change_row *change, const struct selected *selected)
{
	AUTO(buf_fini) struct buf bytes = BUF_INIT;

	return !change->digest || (hex_decode(str_of(change->digest), &bytes) && bytes.len == 32 &&
				   !memcmp(bytes.data, selected->digest, 32));
}

/* False: the whole ends. */
static bool
decide_one(struct decision *d, const struct selected *selected)
{
	AUTO(change_row_fini) struct change_row change = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	enum change_state to;

	if (!changes_get_seq(d->core->store, selected->seq, &change, &err)) {
		if (err.code != E_NOT_FOUND)
			return err_move(&d->err, &err);
		skip(d, "", "it is gone");
		return true;
	}
	/* A selection by more than names is about what is open; it is no mistake that some is not.
	 */
	if (!selection_spec(d->selection)->ids &&
	    (d->ev == CHANGE_REOPEN) == !strcmp(change.status, "proposed")) {
		d->decided.passed++;
		return true;
	}
	if (d->may && !d->may(d->arg, change.run_id, &d->err))
		return false;
	if (!is_as_selected(&change, selected)) {
		skip(d, change.id, "it is not what was shown any more");
		return true;
	}
	if (d->plan) {
		if (change_next(change_state_of(change.status), d->ev) == CHANGE_NOWHERE)
			skip(d, change.id, "it is decided, or more, already");
		else
			d->decided.changed++;
		return true;
	}
	if (!change_decide_row(d->core, &change, d->ev, d->by, d->reason, &to, &err)) {
		if (err.code != E_STATE)
			return err_move(&d->err, &err);
		skip(d, change.id, err_text(&err));
		return true;
	}
	d->decided.changed++;
	d->decided.pending += to == change_state_of(change.status);
	return true;
}

static void decide_page(void *arg);

static void
on_turn(void *arg, const struct err *err)
{
	struct decision *d = arg;

	if (err->code != E_OK && d->err.code == E_OK)
		err_set(&d->err, err->code, "%s", err_text(err));
	if (d->err.code != E_OK || d->at >= selection_count(d->selection))
		decision_end(d);
	else
		core_timer_arm(d->core, &d->timer, 0, decide_page, d);
}

/* What a page comes to it comes to as a whole: an error in it undoes it. */
static void
decide_page(void *arg)
{
	struct decision *d = arg;
	struct selected page[PAGE_ROWS];
	const struct decided before = d->decided;
	int count = selection_get(d->selection, d->at, page, PAGE_ROWS, &d->err);
	bool ok = count >= 0;

	if (ok && count) {
		ok = turn_savepoint(d->core->store, &d->err);
		if (ok) {
			for (int i = 0; ok && i < count; i++)
				ok = decide_one(d, &page[i]);
			if (ok)
				turn_release(d->core->store);
			else
				turn_undo(d->core->store);
		}
	}
	if (!ok) {
		d->decided.changed = before.changed;
		d->decided.pending = before.pending;
	}
	d->at += count > 0 ? (uint64_t)count : 0;
	turn_after(d->core->store, on_turn, d);
}

void
decide_all(struct core *core, struct selection *take_selection, enum change_event ev, bool plan,
	   const char *by, const char *reason, decide_may *may, decide_on_done *on_done, void *arg)
{
	struct decision *d = mem_alloc(sizeof(*d));

	d->core = core;
	d->selection = take_selection;
	d->ev = ev;
	d->plan = plan;
	d->by = mem_strdup(by);
	d->reason = mem_strdup(reason);
	d->may = may;
	d->on_done = on_done;
	d->arg = arg;
	d->decided.why = json_array();
	for (size_t i = 0; i < json_array_size(selection_missing(take_selection)); i++)
		skip(d, json_string_value(json_array_get(selection_missing(take_selection), i)),
		     "there is no such change");
	core_timer_arm(core, &d->timer, 0, decide_page, d);
}
