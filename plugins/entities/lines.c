/* Entities that are lines of JSON objects, whatever they are read from. */
/* SPDX-License-Identifier: MIT */
#include "plugins/entities/lines.h"

#include <inttypes.h>

#include "base/json.h"

bool
entity_line(struct entity_page *page, const struct entity_namer *namer,
	    const struct ndjson_line *line, const char *where, uint64_t number)
{
	AUTO(buf_fini) struct buf key = BUF_INIT;
	struct str text = str_trim(line->text);
	bool full = false;

	if (!text.len && !line->cut)
		return false;
	if (line->cut)
		err_set(&page->err, E_TOO_LARGE, "it has more than %d bytes; expected less",
			ENTITY_BYTES_MAX);
	else if (!json_check(text, &page->err))
		err_prefix(&page->err, "it is no JSON, expected an object on each line");
	else if (text.p[0] != '{')
		err_set(&page->err, E_INVALID, "expected a JSON object on each line");
	else if (entity_name(namer, text, &key, &page->err))
		full = entity_page_add(page, buf_str(&key), text, number);
	if (page->err.code == E_OK)
		return full;
	err_prefix(&page->err, "%s, line %" PRIu64, where, number);
	return true;
}

bool
entity_line_endless(struct entity_page *page, const struct ndjson *lines, const char *where,
		    uint64_t number)
{
	if (lines->yielded || lines->part_bytes <= ENTITY_BYTES_MAX)
		return false;
	return err_set(&page->err, E_TOO_LARGE,
		       "%s, line %" PRIu64 ": it has more than %d bytes; expected less", where,
		       number, ENTITY_BYTES_MAX) ||
	       true;
}
