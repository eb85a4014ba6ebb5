/* Writing configuration: new section files that load again as they were meant. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CONF_WRITE_H
#define ROUSE_CONF_WRITE_H

#include "conf/conf.h"

struct conf_pair {
	const char *key, *value;
};

/* True for [a-z0-9][a-z0-9._-]{0,39}. */
bool conf_name_is_valid(struct str name);
/* "[kind name]" and a line a pair; values longer than a line allows are continued on indented
 * lines; E_INVALID for what cannot be written (line ends, " ;", leading or trailing space). */
bool conf_format_section(const char *kind, const char *name, const struct conf_pair *pairs,
			 size_t count, struct buf *out, struct err *err);

#endif
