/* Breakers that are not closed, of agents, targets and models. Rows only. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_BREAKERS_H
#define ROUSE_STORE_BREAKERS_H

#include "store/store.h"

struct breaker_row {
	const char *scope, *name; /* agent target model */
	struct wall opened, until;
	int64_t failed, total;
	const char *error; /* NULL */
};

bool breakers_set(struct store *store, const struct breaker_row *row, struct err *err);
/* It is closed, or nobody knows the name any more. */
bool breakers_drop(struct store *store, const char *scope, const char *name, struct err *err);
/* All; what fn gets is valid until it returns. */
bool breakers_each(struct store *store, void (*fn)(void *arg, const struct breaker_row *row),
		   void *arg, struct err *err);

#endif
