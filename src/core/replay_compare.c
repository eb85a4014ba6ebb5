/* Replays: what the old run and the new one proposed, side by side; read page by page in a thread.
 */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <inttypes.h>

#include "base/json.h"
#include "base/list.h"
#include "core/change.h"
#include "core/put.h"
#include "core/replay.h"
#include "io/work.h"
#include "store/changes.h"
#include "store/runs.h"

/* Proposals of one run that are compared; what is beyond is said to be there. */
#define PROPOSALS_MAX 2000
/* A page ends early where its differences are long. */
#define PAGE_BYTES (4 << 20)

/* One proposal, and the one on the other side that it was found to answer to. */
struct proposal {
	struct change_row row;
	json_t *after;
	struct proposal *other;
	bool same;
};
struct proposals {
	struct proposal *list;
	size_t count;
	bool more;
};

struct comparing {
	struct core *core;
	int64_t batch, after;
	unsigned limit;
	replay_on_page *on_page;
	void *arg;
	struct store *reader;
	json_t *items;
	size_t bytes;
	int64_t last; /* n of the last that was compared */
	unsigned count;
	bool full;
	struct err err;
	LIST_ENTRY(comparing) entry;
};

/* What the pool forgets at its end stays reachable. */
static LIST_HEAD(, comparing) all = LIST_HEAD_INITIALIZER(all);

static void
proposal_fini(struct proposal *proposal)
{
	change_row_fini(&proposal->row);
	json_decref(proposal->after);
}

static void
proposals_fini(struct proposals *proposals)
{
	for (size_t i = 0; i < proposals->count; i++)
		proposal_fini(&proposals->list[i]);
	free(proposals->list);
}

static bool
on_change(void *arg, const struct change_row *row)
{
	struct proposals *into = arg;
	struct proposal *one;

	if (into->count == PROPOSALS_MAX) {
		into->more = true;
		return false;
	}
	one = &into->list[into->count++];
	*one = (struct proposal){.row = {.id = mem_strdup(row->id),
					 .target = mem_strdup(row->target),
					 .entity = mem_strdup(row->entity),
					 .op = mem_strdup(row->op),
					 .status = mem_strdup(row->status),
					 .before = mem_strdup(row->before),
					 .after = mem_strdup(row->after),
					 .patch = mem_strdup(row->patch),
					 .reason = mem_strdup(row->reason),
					 .confidence = row->confidence}};
	if (row->after)
		json_read(str_of(row->after), &one->after, NULL);
	return true;
}

/* --- which answers to which ---------------------------------------------------------------- */

static bool
same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool
same_place(const struct proposal *a, const struct proposal *b)
{
	return same_text(a->row.target, b->row.target) && same_text(a->row.entity, b->row.entity);
}

static bool
same_all(const struct proposal *a, const struct proposal *b)
{
	return same_place(a, b) && same_text(a->row.op, b->row.op) &&
	       same_text(a->row.patch, b->row.patch) &&
	       (same_text(a->row.after, b->row.after) ||
		(a->after && b->after && json_equal(a->after, b->after)));
}

static bool
same_members(const struct proposal *a, const struct proposal *b)
{
	const char *name;
	json_t *value;

	if (!same_place(a, b) || !same_text(a->row.op, b->row.op) ||
	    json_object_size(a->after) != json_object_size(b->after))
		return false;
	json_object_foreach (a->after, name, value)
		if (!json_object_get(b->after, name))
			return false;
	return true;
}

/* What a run said again in other words stands for what it said first; what a later run replaced was
 * proposed all the same. */
static bool
said_again(const struct proposals *of, size_t i)
{
	if (strcmp(of->list[i].row.status, "superseded") != 0)
		return false;
	for (size_t k = i + 1; k < of->count; k++)
		if (same_members(&of->list[i], &of->list[k]))
			return true;
	return false;
}

static bool
proposals_read(struct comparing *c, int64_t run, struct proposals *ret)
{
	size_t kept = 0;

	ret->list = mem_alloc_array(PROPOSALS_MAX, sizeof(*ret->list));
	if (!changes_of_run(c->reader, run, on_change, ret, &c->err))
		return false;
	for (size_t i = 0; i < ret->count; i++) {
		if (said_again(ret, i))
			proposal_fini(&ret->list[i]);
		else
			ret->list[kept++] = ret->list[i];
	}
	ret->count = kept;
	return true;
}

/* From the closest likeness down; what is left on either side is there alone. */
static void
pair(struct proposals *old, struct proposals *now)
{
	static bool (*const likeness[])(const struct proposal *a, const struct proposal *b) = {
		same_all, same_members, same_place};

	for (size_t by = 0; by < ARRAY_LEN(likeness); by++)
		for (size_t i = 0; i < old->count; i++)
			for (size_t k = 0; k < now->count && !old->list[i].other; k++) {
				if (now->list[k].other ||
				    !likeness[by](&old->list[i], &now->list[k]))
					continue;
				old->list[i].other = &now->list[k];
				now->list[k].other = &old->list[i];
				old->list[i].same = now->list[k].same = !by;
			}
}

/* --- told ---------------------------------------------------------------------------------- */

static json_t *
side(const struct proposal *proposal)
{
	json_t *object;

	if (!proposal)
		return json_null();
	object = json_object();
	json_put_str(object, "id", proposal->row.id);
	json_put_str(object, "op", proposal->row.op);
	put_json_text(object, "before", proposal->row.before);
	put_json_text(object, "after", proposal->row.after);
	put_json_text(object, "patch", proposal->row.patch);
	put_or_null(object, "reason", proposal->row.reason);
	return object;
}

static json_t *
difference(const char *outcome, const struct proposal *old, const struct proposal *now)
{
	const struct proposal *any = old ? old : now, *newest = now ? now : old;
	json_t *object = json_object();

	assert(any && newest);
	json_put_str(object, "outcome", outcome);
	json_put_str(object, "target", any->row.target);
	put_or_null(object, "entity", any->row.entity);
	json_put_str(object, "op", newest->row.op);
	/* What it was made from: then, where that is known. */
	put_json_text(object, "before",
		      any->row.before ? any->row.before
		      : now	      ? now->row.before
				      : NULL);
	json_object_set_new(object, "old", side(old));
	json_object_set_new(object, "new", side(now));
	return object;
}

struct tally {
	int64_t same, different, only_old, only_new;
};

static json_t *
differences(const struct proposals *old, const struct proposals *now, struct tally *ret)
{
	json_t *list = json_array();

	for (size_t i = 0; i < old->count; i++) {
		const struct proposal *one = &old->list[i];

		if (one->same) {
			ret->same++;
			continue;
		}
		if (one->other)
			ret->different++;
		else
			ret->only_old++;
		json_array_append_new(
			list, difference(one->other ? "different" : "only_old", one, one->other));
	}
	for (size_t i = 0; i < now->count; i++) {
		if (now->list[i].other)
			continue;
		ret->only_new++;
		json_array_append_new(list, difference("only_new", NULL, &now->list[i]));
	}
	return list;
}

/* One word for the two runs. */
static const char *
outcome_of(const struct item_row *item, const struct run_row *old, const struct run_row *now,
	   const struct tally *tally, bool more)
{
	if (item->reason && !strcmp(item->reason, "payload"))
		return "gone";
	if (!strcmp(item->state, "left") || !strcmp(item->state, "running"))
		return "left";
	if (!old->id || !now->id)
		return "gone";
	/* Where both ended alike, what they proposed is what counts. */
	if (strcmp(item->state, "done") != 0 &&
	    (strcmp(old->status, now->status) != 0 || !same_text(old->reason, now->reason)))
		return "failed";
	if (tally->different || (tally->only_old && (tally->only_new || tally->same)) ||
	    (tally->only_new && tally->same) || more)
		return "different";
	return tally->only_old ? "only_old" : tally->only_new ? "only_new" : "same";
}

static void
tally_put(json_t *object, const struct tally *tally, bool more)
{
	json_t *counts = json_object();

	json_object_set_new(counts, "same", json_integer(tally->same));
	json_object_set_new(counts, "different", json_integer(tally->different));
	json_object_set_new(counts, "only_old", json_integer(tally->only_old));
	json_object_set_new(counts, "only_new", json_integer(tally->only_new));
	json_object_set_new(object, "changes", counts);
	if (more)
		json_object_set_new(object, "more", json_true());
}

/* The run of this id; none where it is gone. */
static bool
run_read(struct comparing *c, const char *id, struct run_row *ret)
{
	if (!id || runs_get(c->reader, id, ret, &c->err))
		return true;
	if (c->err.code != E_NOT_FOUND)
		return false;
	err_fini(&c->err);
	c->err = (struct err)ERR_INIT;
	return true;
}

/* An attempt that its fallback carried says nothing of the agent. */
static bool
on_attempt(void *arg, const struct attempt_row *row)
{
	char **carrier = arg;

	if (!row->agent)
		return true;
	free(*carrier);
	*carrier = mem_strdup(row->agent);
	return true;
}

static void
carried_put(json_t *object, const char *carrier)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	buf_cat(&text, "agent ", carrier, " carried it (fallback)");
	json_put_str(object, "outcome", "failed");
	json_put_str(object, "new_reason", "fallback");
	json_put_str(object, "error", buf_cstr(&text));
}

static bool
item_compare(struct comparing *c, const struct item_row *item)
{
	AUTO(run_row_fini) struct run_row old = {0}, now = {0};
	AUTO(proposals_fini) struct proposals then = {0}, next = {0};
	AUTO(auto_free) char *carrier = NULL;
	struct tally tally = {0};
	json_t *object, *list;
	bool more;

	if (!run_read(c, item->entity, &old) || !run_read(c, item->run_id, &now) ||
	    (old.id && now.id &&
	     (!proposals_read(c, old.seq, &then) || !proposals_read(c, now.seq, &next))))
		return false;
	if (now.id && !attempts_list(c->reader, now.seq, on_attempt, &carrier, &c->err))
		return false;
	pair(&then, &next);
	list = differences(&then, &next, &tally);
	more = then.more || next.more;
	object = json_object();
	json_put_str(object, "run", item->entity);
	put_or_null(object, "replay", item->run_id);
	json_put_str(object, "outcome", outcome_of(item, &old, &now, &tally, more));
	put_or_null(object, "agent", old.agent);
	put_or_null(object, "entity", old.entity);
	put_or_null(object, "trigger", old.trigger && *old.trigger ? old.trigger : NULL);
	put_or_null(object, "old_status", old.status);
	put_or_null(object, "new_status", now.status);
	put_or_null(object, "old_reason", old.reason);
	put_or_null(object, "new_reason", now.reason ? now.reason : item->reason);
	put_or_null(object, "error", now.error ? now.error : item->error);
	json_object_set_new(object, "old_cost_usd", json_real((double)old.used.cost_uusd / 1e6));
	json_object_set_new(object, "new_cost_usd", json_real((double)now.used.cost_uusd / 1e6));
	tally_put(object, &tally, more);
	json_object_set_new(object, "differences", list);
	if (carrier)
		carried_put(object, carrier);
	json_array_append_new(c->items, object);
	for (size_t i = 0; i < then.count; i++)
		c->bytes += then.list[i].row.after ? strlen(then.list[i].row.after) : 0;
	for (size_t i = 0; i < next.count; i++)
		c->bytes += next.list[i].row.after ? strlen(next.list[i].row.after) : 0;
	return true;
}

/* --- in a thread --------------------------------------------------------------------------- */

static bool
on_item(void *arg, const struct item_row *item)
{
	struct comparing *c = arg;

	if (!item_compare(c, item))
		return false;
	c->last = item->n;
	c->count++;
	c->full = c->bytes >= PAGE_BYTES;
	return !c->full;
}

static void
page_read(void *arg)
{
	struct comparing *c = arg;

	if (!store_open_reader(c->core->store, &c->reader, &c->err))
		return;
	items_list(c->reader, c->batch, NULL, c->after, c->limit, false, on_item, c, &c->err);
	store_close(c->reader);
}

static void
page_give(void *arg)
{
	struct comparing *c = arg;
	json_t *page = NULL;

	LIST_REMOVE(c, entry);
	if (c->err.code == E_OK) {
		page = json_object();
		json_object_set(page, "items", c->items);
		json_object_set_new(page, "next",
				    c->full || c->count == c->limit
					    ? json_sprintf("%" PRId64, c->last)
					    : json_null());
	}
	c->on_page(c->arg, page, &c->err);
	json_decref(c->items);
	err_fini(&c->err);
	free(c);
}

/* Never from within replay_compare(). */
static void
on_refused(void *arg, const struct err *err)
{
	(void)err;
	page_give(arg);
}

void
replay_compare(struct core *core, const struct batch_row *row, int64_t after, unsigned limit,
	       replay_on_page *on_page, void *arg)
{
	struct comparing *c = mem_alloc(sizeof(*c));

	*c = (struct comparing){.core = core,
				.batch = row->seq,
				.after = after,
				.limit = limit,
				.on_page = on_page,
				.arg = arg,
				.items = json_array(),
				.err = ERR_INIT};
	LIST_INSERT_HEAD(&all, c, entry);
	if (!work_submit(core->work, page_read, page_give, c, &c->err))
		turn_after(core->store, on_refused, c);
}
