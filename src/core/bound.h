/* The bound of the database: told of before it is reached, and kept. SPEC 3, retention.max_db_size.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_BOUND_H
#define ROUSE_CORE_BOUND_H

#include "core/core.h"

/* Of what is in use of the file, pages that were freed do not count: they are used again. A level
 * is left when three in a hundred less are in use, so that it is not told twice for nothing. */
enum bound_level {
	BOUND_NONE,  /* or there is no bound */
	BOUND_LARGE, /* 80 % */
	BOUND_TIGHT, /* 95 % */
	BOUND_FULL   /* nothing new is taken; what was begun goes on */
};

/* Looks, and tells what changed: log, notification, and at 95 % a sweep of
 * what is old enough. */
enum bound_level bound_look(struct core *core);
/* May something new be taken? E_FULL. */
bool bound_check(struct core *core, struct err *err);
/* "ok" "large" "tight" "full" */
const char *bound_name(enum bound_level level);
int64_t bound_max(const struct core *core); /* bytes; 0: there is none */

#endif
