/* Batches: their entities are read page by page into the table, each page with its cursor in one
 * turn. What was read once is the batch's, whatever becomes of the source. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "base/log.h"
#include "core/batch_inside.h"

#define RETRY_MS 1000
/* Entities that came twice and are told of one by one. */
#define REPEATS_TOLD 5

void
live_close(struct live *live)
{
	if (live->reader)
		live->kind->close(live->reader);
	registry_unref(live->registry);
	live->reader = NULL;
	live->kind = NULL;
	live->registry = NULL;
	live->reading = false;
	live->passed = 0;
}

/* --- a page -------------------------------------------------------------------------------- */

static bool
repeat_note(struct live *live, const struct batch_row *row, const struct entity_page *page,
	    size_t i, int64_t more, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	int64_t told = row->repeated + more;

	if (told >= REPEATS_TOLD)
		return true;
	buf_printf(&text,
		   "%s %" PRIu64 ": entity %.*s came before; an entity runs once in a batch, so "
		   "this one is left out%s",
		   live->kind->unit, page->items[i].place, STR_ARG(entity_key(page, i)),
		   told == REPEATS_TOLD - 1 ? " (and those that follow, without a word for each)"
					    : "");
	return batch_notes_add(live->core->store, live->seq, core_wall(live->core), buf_cstr(&text),
			       err);
}

static bool
is_wanted(const struct live *live, struct str key)
{
	return !live->plan.only || json_object_getn(live->plan.only, key.p, key.len);
}

/* *ret_full: no more are wanted. */
static bool
items_keep(struct live *live, const struct batch_row *row, const struct entity_page *page,
	   struct batch_counts *counts, bool *ret_full, struct err *err)
{
	const struct batch_plan *plan = &live->plan;
	int64_t most = plan->only    ? (int64_t)json_object_size(plan->only)
		       : plan->limit ? plan->limit
				     : INT64_MAX;

	*ret_full = row->items >= most;
	for (size_t i = 0; i < page->count && !*ret_full; i++) {
		AUTO(auto_free) char *key = str_dup(entity_key(page, i));
		AUTO(auto_free) char *data = str_dup(entity_data(page, i));
		struct item_row item = {.batch = live->seq,
					.n = plan_place(plan, row->items + counts->items + 1),
					.entity = key,
					.data = data,
					.state = (char *)"left"};
		bool is_new;

		if (!is_wanted(live, entity_key(page, i)))
			continue;
		if (!items_insert(live->core->store, &item, &is_new, err))
			return false;
		counts->items += is_new;
		*ret_full = row->items + counts->items >= most;
		live->passed += !is_new;
		if (is_new || row->source_again || page->again)
			continue;
		if (!repeat_note(live, row, page, i, counts->repeated, err))
			return false;
		counts->repeated++;
	}
	return true;
}

static bool
note_keep(struct live *live, const char *text, struct err *err)
{
	log_info("batch: of its source", "batch", live->id, "note", text);
	return batch_notes_add(live->core->store, live->seq, core_wall(live->core), text, err);
}

/* Pages that lead back to those before: they would never end. */
static bool
goes_round(const struct live *live, const struct batch_row *row, const struct entity_page *page,
	   const struct batch_counts *counts)
{
	if (!live->kind->rounds || page->end || counts->items)
		return false;
	return counts->repeated == (int64_t)page->count
		       ? page->count > 0
		       : live->passed > row->items + ENTITIES_A_PAGE;
}

static bool
source_was_read(struct entity_page *page)
{
	err_fini(&page->err);
	page->err = (struct err)ERR_INIT;
	page->end = true;
	return true;
}

static bool
page_keep(struct live *live, const struct batch_row *row, struct entity_page *page, struct err *err)
{
	struct store *store = live->core->store;
	struct batch_counts counts = {0};
	bool full, broken;
	const char *state;

	if (!items_keep(live, row, page, &counts, &full, err))
		return false;
	if (page->err.code == E_OK && goes_round(live, row, page, &counts))
		err_set(&page->err, E_INVALID,
			"%s: a page has nothing but entities that came before: the pages go round; "
			"correct what names the next page (next, next_param), then rouse batch "
			"resume",
			live->kind->name);
	/* It had been read to its end: what became of it since is not missed. */
	if (page->err.code == E_NOT_FOUND && !strcmp(row->source_state, "ended"))
		return note_keep(live, err_text(&page->err), err) && source_was_read(page);
	broken = page->err.code != E_OK;
	state = full ? "ended" : broken ? "broken" : page->end ? "ended" : "reading";
	if ((counts.items || counts.repeated) && !batches_count(store, live->seq, &counts, err))
		return false;
	/* Once it has been read through, what comes twice comes twice again. */
	if (!batches_source(store, live->seq, state,
			    page->cursor.len ? buf_str(&page->cursor) : STR_NONE,
			    (row->source_again || page->again) && !page->end, err))
		return false;
	if (page->note && !note_keep(live, page->note, err))
		return false;
	if (broken && !full)
		return note_keep(live, err_text(&page->err), err) &&
		       batches_set_error(store, live->seq, err_text(&page->err), err);
	return true;
}

struct kept {
	struct core *core;
	int64_t seq;
	bool end;
};

/* A page that is not kept is read again, from the cursor that is. */
static void
on_kept(void *arg, const struct err *err)
{
	struct kept *kept = arg;
	struct live *live = batch_live(kept->core, kept->seq);

	if (live) {
		live->reading = false;
		if (err->code != E_OK || kept->end)
			live_close(live);
		live_wake(live, err->code == E_OK ? 0 : RETRY_MS);
	}
	free(kept);
}

static void
on_page(void *arg, struct entity_page *page)
{
	struct live *live = arg;
	struct core *core = live->core;
	AUTO(batch_row_fini) struct batch_row row = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	struct kept *kept;
	bool ok;

	ok = batches_get_seq(core->store, live->seq, &row, &err);
	if (ok && strcmp(row.state, "running") != 0) {
		live_close(live);
		live_wake(live, 0);
		return;
	}
	ok = ok && turn_savepoint(core->store, &err);
	if (ok && !page_keep(live, &row, page, &err)) {
		turn_undo(core->store);
		ok = false;
	} else if (ok) {
		turn_release(core->store);
	}
	if (!ok) {
		log_error("entities are not kept now", "batch", live->id, "error", err_text(&err));
		live_close(live);
		live_wake(live, RETRY_MS);
		return;
	}
	crash_point("batch_page");
	kept = mem_alloc(sizeof(*kept));
	*kept = (struct kept){core, live->seq, page->end || page->err.code != E_OK};
	turn_after(core->store, on_kept, kept);
}

/* --- opening ------------------------------------------------------------------------------- */

/* It cannot even be opened: as a page with an error and nothing else. */
static void
open_failed(struct live *live, const struct batch_row *row, struct err *why)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct core *core = live->core;

	live_close(live);
	if (!turn_savepoint(core->store, &err))
		return;
	if (note_keep(live, err_text(why), &err) &&
	    batches_set_error(core->store, live->seq, err_text(why), &err) &&
	    batches_source(core->store, live->seq, "broken", STR_NONE, row->source_again, &err))
		turn_release(core->store);
	else
		turn_undo(core->store);
	live_wake(live, err.code == E_OK ? 0 : RETRY_MS);
}

static bool
live_open(struct live *live, const struct batch_row *row, struct err *err)
{
	const struct batch_def *def;
	struct entities_place place;
	struct str cursor = row->source_cursor ? str_of(row->source_cursor) : STR_NONE;

	live->registry = registry_ref(live->core->registry);
	if (live->plan.failed || live->plan.skipped) {
		live->kind = &again_entities;
		return again_open(live->core, &live->plan, cursor, &live->reader, err);
	}
	if (live->plan.replay) {
		live->kind = &replay_entities;
		return replay_open(live->core, &live->plan, cursor, &live->reader, err);
	}
	def = registry_batch(live->registry, live->name);
	if (!def)
		return err_set(err, E_CONFIG, "there is no [batch %s] any more", live->name);
	if (!entities_find(def->section, &live->kind, &place, err))
		return false;
	if (!live->kind->resumes)
		cursor = STR_NONE;
	return live->kind->open(live->core, &place, cursor, &live->reader, err);
}

void
live_read(struct live *live, const struct batch_row *row)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	bool look = !strcmp(row->source_state, "ended");

	if (live->reading)
		return;
	if (look)
		live->looked = true;
	if (!live->reader) {
		bool again;

		if (!live_open(live, row, &err)) {
			open_failed(live, row, &err);
			return;
		}
		/* Only what may have grown since is looked at once more. */
		if (look && !live->kind->grows) {
			live_close(live);
			live_wake(live, 0);
			return;
		}
		again = !live->kind->resumes && row->items + row->repeated > 0;
		if (again && !row->source_again &&
		    !batches_source(live->core->store, live->seq, "reading", STR_NONE, true,
				    &err)) {
			live_close(live);
			live_wake(live, RETRY_MS);
			return;
		}
	}
	live->reading = true;
	live->kind->read(live->reader, on_page, live);
}
