/* Applying, inside: changes on their way, between the lanes and what their targets said. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_APPLY_INSIDE_H
#define ROUSE_CORE_APPLY_INSIDE_H

#include "base/list.h"
#include "base/map.h"
#include "core/apply.h"
#include "core/target.h"

#define STORE_RETRY_MS 500
/* A target ends by itself within its timeout; one that has not so long after never will. */
#define OVERDUE_MARGIN_MS 10000

struct lane {
	struct apply *apply;
	char *target;
	int in_flight; /* flights that the target has not answered */
	int landing;   /* answered, and not on disk yet */
	size_t group;  /* most changes of the next; less after one that failed as a whole */
	bool armed;
	LIST_HEAD(, flight) flights, late; /* late: given up, but their targets may still answer */
	struct core_timer *turn, *due;
	UT_hash_handle hh;
};

struct apply {
	struct core *core;
	struct lane *lanes;
	int in_flight; /* changes */
};

/* What the target said of one change, kept until it is on disk. */
struct answer {
	enum target_outcome outcome;
	char *current, *receipt, *error;
	bool again;
	int64_t retry_after_ms;
};

/* Changes on their way together, from the claim's commit to their last row; and, where that did not
 * wait for the target, on to its answer: the target holds on to them until then. */
struct flight {
	LIST_ENTRY(flight) entry;
	struct lane *lane;
	struct registry *registry;
	struct change_row *changes;
	const struct change_row **pointers; /* to them, for the target */
	struct answer *answers;
	size_t count;
	struct wall started; /* when its target was asked */
	bool revert, overdue, answered, landed;
	struct core_timer *timer;
};

/* apply.c: all of it is on disk. */
void flight_land(struct flight *flight);
void flight_free(struct flight *flight);
/* The number under which a breaker knows a flight. */
int64_t flight_who(const struct flight *flight);
void lane_wake(void *arg);
/* Takes what is due, as far as there is room. */
void lane_on_turn(void *arg);

/* apply_answer.c: what targets call. */
void flight_on_all_done(void *arg, const struct target_result *results, struct err *errs);
void flight_on_done(void *arg, const struct target_result *result, struct err *err);
void flight_on_overdue(void *arg);
/* One answer for all of them. */
void flight_answer_all(struct flight *flight, enum target_outcome outcome, const struct err *err);

#endif
