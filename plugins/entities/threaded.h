/* Readers of entities that block: each page is read in a work thread. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_ENTITIES_THREADED_H
#define ROUSE_PLUGINS_ENTITIES_THREADED_H

#include "base/list.h"
#include "core/entities.h"

/* First in a reader. */
struct threaded {
	struct core *core;
	/* In a thread: fills page. Gives up early once stop is set. */
	void (*run)(struct threaded *reader);
	/* In the loop, or when there is none any more. */
	void (*free)(struct threaded *reader);
	volatile bool stop;
	struct entity_page page;

	entities_on_page *on_page;
	void *arg;
	struct core_timer *later;
	bool busy, closed;
	LIST_ENTRY(threaded) entry; /* of those that were closed while they were busy */
};

void threaded_read(struct threaded *reader, entities_on_page *on_page, void *arg);
void threaded_close(struct threaded *reader);
/* For free(): what is this room's of it. */
void threaded_fini(struct threaded *reader);
/* No thread runs any more: frees those that waited for one. */
void threaded_end(void);

#endif
