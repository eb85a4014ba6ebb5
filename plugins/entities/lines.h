/* Entities that are lines of JSON objects, whatever they are read from. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_ENTITIES_LINES_H
#define ROUSE_PLUGINS_ENTITIES_LINES_H

#include "core/entities.h"
#include "pure/ndjson.h"

/* One line into the page, as number `line`. True: the page is full, or page->err says what is wrong
 * with this line ("where, line N: ..."). Empty lines are none. */
bool entity_line(struct entity_page *page, const struct entity_namer *namer,
		 const struct ndjson_line *line, const char *where, uint64_t number);

/* Has the line that has begun as number `line` more bytes than may be already? Then page->err says
 * so: its end is not waited for. */
bool entity_line_endless(struct entity_page *page, const struct ndjson *lines, const char *where,
			 uint64_t number);

#endif
