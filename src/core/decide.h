/* Deciding about many changes: one turn a page, each under the digest that was selected. SPEC 12.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_DECIDE_H
#define ROUSE_CORE_DECIDE_H

#include "core/change.h"
#include "core/selection.h"

#define DECIDE_SKIPPED 10	  /* of those that were passed over, so many are named */
#define DECIDE_SKIPPED_NAMED 1000 /* ... of those that were asked for by name */

struct decided {
	uint64_t changed;
	uint64_t skipped; /* had moved on, or were not what was selected any more */
	uint64_t passed;  /* are not proposed (any more) */
	uint64_t pending; /* approved, and others have to as well (review.required) */
	json_t *why;	  /* array of {"id","why"}: the first of the skipped */
};

/* err->code E_OK: all was gone through. Otherwise what decided says was done, and the rest not. */
typedef void decide_on_done(void *arg, struct decided *decided, struct err *err);
/* May this hand decide about changes of that run? E_DENIED ends the whole. NULL: it may. */
typedef bool decide_may(void *arg, const char *run_id, struct err *err);

/* Takes the selection. Each page is one turn: after a crash what was decided stays decided, and
 * the rest is asked for again. */
/* plan: only says what it would do. */
void decide_all(struct core *core, struct selection *take_selection, enum change_event ev,
		bool plan, const char *by, const char *reason, decide_may *may,
		decide_on_done *on_done, void *arg);

#endif
