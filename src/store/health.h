/* Health of triggers: what a restart, and the retention of events, would forget of them. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_HEALTH_H
#define ROUSE_STORE_HEALTH_H

#include "store/store.h"

struct health_row {
	const char *trigger;
	struct wall watched;	/* silence counts from here at the earliest */
	struct wall last_event; /* WALL_NONE: none yet */
	const char *error;	/* the last one, also when it is over; NULL */
	struct wall error_at;
};

bool health_set(struct store *store, const struct health_row *row, struct err *err);
bool health_forget(struct store *store, const char *trigger, struct err *err);
/* Every trigger's, lent to fn until it returns false; fn must not write. */
bool health_each(struct store *store, bool (*fn)(void *arg, const struct health_row *row),
		 void *arg, struct err *err);

#endif
