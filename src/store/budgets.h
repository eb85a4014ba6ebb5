/* The ledger's rows: what a scope spent on a day, and which runs wait until it may spend again. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_BUDGETS_H
#define ROUSE_STORE_BUDGETS_H

#include "store/rows.h"

/* What the runs of a scope (all agent trigger user tenant batch) spent on a day ("2026-11-20", of
 * the scope's own zone). */
struct budget_row {
	const char *scope, *name, *day; /* name "" for all */
	int64_t spent_uusd, tokens;
};

/* Adds to what stands there. */
bool budgets_add(struct store *store, const struct budget_row *row, struct err *err);
/* By ret's scope, name and day; zeros when there is no row. */
bool budgets_get(struct store *store, struct budget_row *ret, struct err *err);
/* Of a day, by scope and name. */
bool budgets_list(struct store *store, const char *day,
		  bool (*fn)(void *arg, const struct budget_row *row), void *arg, struct err *err);
/* Forgets days before this one. */
bool budgets_forget(struct store *store, const char *before, struct err *err);

/* A queued run cannot start: scope ("tenant/abc") has no room for it until due, or until
 * runs_unhold(). why is shown as its error. E_STATE when it is not queued. */
bool runs_hold(struct store *store, int64_t seq, const char *scope, struct wall due,
	       const char *why, struct err *err);
/* Held runs of the scope (NULL: of any) that may be tried again at now, oldest first, at most
 * `most`; they become ready by runs_wake(). */
bool runs_unhold(struct store *store, const char *scope, unsigned most, struct wall now,
		 int64_t *ret_count, struct err *err);
/* The scopes that runs are held for. */
bool runs_held(struct store *store, bool (*fn)(void *arg, const char *scope, int64_t count),
	       void *arg, struct err *err);

#endif
