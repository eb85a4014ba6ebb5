/* When a cron expression fires in its zone: next, previous and match, from one set of instants. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_CRON_NEXT_H
#define ROUSE_PURE_CRON_NEXT_H

#include "base/clock.h"
#include "pure/cron_expr.h"

/* An expression, its zone, and what is worked out once. Not shared between threads. */
struct cron;

/* text: with its CRON_TZ= if any; zone: of the trigger, len 0: none (then UTC). Both given is an
 * error. seed: the trigger's id, for H. E_INVALID with cron_parse's texts. */
bool cron_new(struct str text, struct str zone, struct str seed, struct cron **ret,
	      struct err *err);
void cron_free(struct cron *cron);
void cron_auto_free(struct cron **cron); /* AUTO(cron_auto_free) */

const struct cron_expr *cron_expr(const struct cron *cron);
const struct zone *cron_zone(const struct cron *cron);

/* Looks whether the system's zone data has changed, and takes over what is new: one stat when it
 * has not. For reloads and once an hour. *ret_changed: instants computed before may be others now.
 * On failure (zone_refresh()) everything stays as it was. */
bool cron_refresh(struct cron *cron, bool *ret_changed, struct err *err);

/* The first instant after t; false: never again (before 2200). A wall time that a gap skips fires
 * at the gap's end, one that an overlap repeats the first time (appointments); a rhythm follows
 * real time. Always later than t. Takes no memory, and time that does not depend on the distance.
 */
bool cron_next(struct cron *cron, struct wall t, struct wall *ret);
/* The last one before t. */
bool cron_prev(struct cron *cron, struct wall t, struct wall *ret);
/* Whether it fires at t exactly. */
bool cron_match(struct cron *cron, struct wall t);

/* Whether a nominal time, one that all fields match, lies in [from, until): seconds of local time
 * since 1970-01-01T00:00. Not for @every and @reboot. */
bool cron_has_nominal(struct cron *cron, int64_t from, int64_t until);

/* E_INVALID "cron: never fires: ..." when there is no instant after now. @reboot is fine. */
bool cron_check_fires(struct cron *cron, struct wall now, struct err *err);

#endif
