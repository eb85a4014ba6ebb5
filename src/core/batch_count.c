/* Batches: how many entities a source has now. */
/* SPDX-License-Identifier: MIT */
#include "core/batch_count.h"

#include "base/list.h"
#include "core/entities.h"

#define MORE "there may be more: not all of them were counted"

struct count {
	struct core *core;
	struct registry *registry;
	const struct entity_kind *kind;
	struct entity_reader *reader;
	int64_t n;
	struct buf why;
	batch_on_count *on_count;
	void *arg;
	struct core_timer *timer, *deadline;
	LIST_ENTRY(count) entry;
};

/* What the daemon's end finds under way stays reachable. */
static LIST_HEAD(, count) all = LIST_HEAD_INITIALIZER(all);

static void
count_end(struct count *count)
{
	LIST_REMOVE(count, entry);
	count->on_count(count->arg, count->n, count->why.len ? buf_cstr(&count->why) : NULL);
	if (count->reader)
		count->kind->close(count->reader);
	registry_unref(count->registry);
	core_timer_free(count->timer);
	core_timer_free(count->deadline);
	buf_fini(&count->why);
	free(count);
}

static void
on_time(void *arg)
{
	count_end(arg);
}

/* However far it is: a reader may be closed while it reads. */
static void
on_late(void *arg)
{
	struct count *count = arg;

	if (!count->why.len)
		buf_puts(&count->why, MORE);
	count_end(count);
}

/* Never from within who asked, nor from within the reader. */
static void
end_later(struct count *count)
{
	core_timer_arm(count->core, &count->timer, 0, on_time, count);
}

static void read_on(void *arg);

static void
on_page(void *arg, struct entity_page *page)
{
	struct count *count = arg;
	count->n += (int64_t)page->count;
	if (page->err.code != E_OK) {
		buf_puts(&count->why, err_text(&page->err));
		end_later(count);
	} else if (page->end) {
		end_later(count);
	} else if (count->n >= BATCH_COUNT_MAX) {
		buf_puts(&count->why, MORE);
		end_later(count);
	} else {
		core_timer_arm(count->core, &count->timer, 0, read_on, count);
	}
}

static void
read_on(void *arg)
{
	struct count *count = arg;

	count->kind->read(count->reader, on_page, count);
}

static bool
count_open(struct count *count, const struct batch_def *def, struct err *err)
{
	struct entities_place place;

	if (!entities_find(def->section, &count->kind, &place, err))
		return false;
	if (!count->kind->is_cheap || !count->kind->is_cheap(&place))
		return err_set(err, E_STATE, "entities = %s:... is not read only to be counted",
			       count->kind->name);
	return count->kind->open(count->core, &place, STR_NONE, &count->reader, err);
}

void
batch_count(struct core *core, const struct batch_def *def, batch_on_count *on_count, void *arg)
{
	struct count *count = mem_alloc(sizeof(*count));
	AUTO(err_fini) struct err err = ERR_INIT;

	*count = (struct count){.core = core,
				.registry = registry_ref(core->registry),
				.why = BUF_INIT,
				.on_count = on_count,
				.arg = arg};
	LIST_INSERT_HEAD(&all, count, entry);
	if (count_open(count, def, &err)) {
		core_timer_arm(core, &count->timer, 0, read_on, count);
		core_timer_arm(core, &count->deadline, BATCH_COUNT_MS, on_late, count);
		return;
	}
	count->n = -1;
	buf_puts(&count->why, err_text(&err));
	end_later(count);
}
