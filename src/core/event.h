/* Events: what happened, as one CloudEvents document. SPEC 4. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_EVENT_H
#define ROUSE_CORE_EVENT_H

#include "core/admit.h"

/* The document of a happening. event_id: of the event, used where the sender gave none. */
void event_document(const struct happening *happening, const char *event_id, struct wall at,
		    struct buf *out);
/* An event as SPEC 13's object; with its document where the row has it. */
json_t *event_object(const struct event_row *row);

/* Where an event comes from in a chain of Rouse's own making: the Rouse-Cause header
 * "root=ID;parent=ID;hops=N". Absent or malformed: no chain. */
struct cause {
	char root[40], parent[40];
	int hops;
};
struct cause cause_parse(struct str header);
void cause_format(const struct cause *cause, struct buf *out);

#endif
