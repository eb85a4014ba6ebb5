/* Readers of entities that block: each page is read in a work thread. */
/* SPDX-License-Identifier: MIT */
#include "plugins/entities/threaded.h"

#include "io/work.h"

static LIST_HEAD(, threaded) closed = LIST_HEAD_INITIALIZER(closed);

void
threaded_fini(struct threaded *reader)
{
	entity_page_fini(&reader->page);
	core_timer_free(reader->later);
}

static void
on_thread(void *arg)
{
	struct threaded *reader = arg;

	reader->run(reader);
}

static void
on_done(void *arg)
{
	struct threaded *reader = arg;

	if (reader->closed) {
		LIST_REMOVE(reader, entry);
		reader->free(reader);
		return;
	}
	reader->on_page(reader->arg, &reader->page);
	reader->busy = false;
	if (reader->closed) {
		LIST_REMOVE(reader, entry);
		reader->free(reader);
		return;
	}
	entity_page_fini(&reader->page);
	entity_page_init(&reader->page);
}

void
threaded_read(struct threaded *reader, entities_on_page *on_page, void *arg)
{
	reader->on_page = on_page;
	reader->arg = arg;
	reader->busy = true;
	entity_page_init(&reader->page);
	/* Nobody is called from within a read. */
	if (!work_submit(reader->core->work, on_thread, on_done, reader, &reader->page.err))
		core_timer_arm(reader->core, &reader->later, 0, on_done, reader);
}

void
threaded_close(struct threaded *reader)
{
	reader->closed = reader->stop = true;
	if (reader->busy)
		LIST_INSERT_HEAD(&closed, reader, entry);
	else
		reader->free(reader);
}

void
threaded_end(void)
{
	struct threaded *reader;

	while ((reader = LIST_FIRST(&closed))) {
		LIST_REMOVE(reader, entry);
		reader->free(reader);
	}
}
