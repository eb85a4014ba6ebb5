/* Batches: entities of earlier ones that did not end well, with the data that they had there. */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "core/batch_inside.h"

/* The batches that are read, one after the other. */
#define PLACES 2
struct again_place {
	char *batch; /* id; NULL: none */
	const char *state;
};

struct entity_reader {
	struct core *core;
	struct again_place places[PLACES];
	unsigned at;   /* of places */
	int64_t after; /* of its items */
	struct entity_page page;
	struct core_timer *timer;
	entities_on_page *on_page;
	void *arg;
	bool giving, closed;
	bool full;
};

static void
reader_free(struct entity_reader *r)
{
	for (unsigned i = 0; i < PLACES; i++)
		free(r->places[i].batch);
	entity_page_fini(&r->page);
	core_timer_free(r->timer);
	free(r);
}

static void
again_close(struct entity_reader *r)
{
	if (r->giving)
		r->closed = true;
	else
		reader_free(r);
}

bool
again_open(struct core *core, const struct batch_plan *plan, struct str cursor,
	   struct entity_reader **ret, struct err *err)
{
	struct entity_reader *r = mem_alloc(sizeof(*r));
	struct str head, rest = cursor.p ? str_split(cursor, ' ', &head) : STR_NONE;
	uint64_t at = 0, after = 0;

	r->core = core;
	r->places[0] = (struct again_place){mem_strdup(plan->failed), "failed"};
	r->places[1] = (struct again_place){mem_strdup(plan->skipped), "skipped"};
	*ret = r;
	if (cursor.p && (!str_to_u64(head, &at) || !str_to_u64(rest, &after) || at > PLACES)) {
		reader_free(r);
		return err_set(err, E_CORRUPT, "the batch's cursor cannot be read");
	}
	r->at = (unsigned)at;
	r->after = (int64_t)after;
	return true;
}

static bool
item_take(void *arg, const struct item_row *item)
{
	struct entity_reader *r = arg;

	if (!item->data) {
		if (item->reason && !strcmp(item->reason, "absent")) {
			r->after = item->n;
			return true;
		}
		err_set(&r->page.err, E_NOT_FOUND,
			"entity %s of batch %s: its data is no longer kept (retention.runs); start "
			"the batch anew, with --only %s",
			item->entity, r->places[r->at].batch, item->entity);
		return false;
	}
	r->full = entity_page_add(&r->page, str_of(item->entity), str_of(item->data),
				  (uint64_t)item->n);
	r->after = item->n;
	return !r->full;
}

static bool
page_fill(struct entity_reader *r, struct err *err)
{
	while (r->at < PLACES && !r->full && r->page.err.code == E_OK) {
		AUTO(batch_row_fini) struct batch_row row = {0};
		const struct again_place *place = &r->places[r->at];
		int64_t before = r->after;

		if (place->batch && (!batches_get(r->core->store, place->batch, &row, err) ||
				     !items_list(r->core->store, row.seq, place->state, r->after,
						 ENTITIES_A_PAGE, true, item_take, r, err)))
			return false;
		if (place->batch && r->after != before)
			continue;
		if (r->page.err.code == E_OK) {
			r->at++;
			r->after = 0;
		}
	}
	r->page.end = r->at == PLACES;
	return true;
}

static void
on_time(void *arg)
{
	struct entity_reader *r = arg;
	AUTO(err_fini) struct err err = ERR_INIT;

	entity_page_init(&r->page);
	r->full = false;
	if (!page_fill(r, &err))
		err_move(&r->page.err, &err);
	buf_printf(&r->page.cursor, "%u %" PRId64, r->at, r->after);
	r->giving = true;
	r->on_page(r->arg, &r->page);
	r->giving = false;
	entity_page_fini(&r->page);
	entity_page_init(&r->page);
	if (r->closed)
		reader_free(r);
}

static void
again_read(struct entity_reader *r, entities_on_page *on_page, void *arg)
{
	r->on_page = on_page;
	r->arg = arg;
	core_timer_arm(r->core, &r->timer, 0, on_time, r);
}

const struct entity_kind again_entities = {.name = "batch",
					   .unit = "entity",
					   .resumes = true,
					   .read = again_read,
					   .close = again_close};
