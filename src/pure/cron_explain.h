/* What a cron expression means, in English, and what its writer may not have meant. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_CRON_EXPLAIN_H
#define ROUSE_PURE_CRON_EXPLAIN_H

#include "pure/cron_next.h"

/* "appointment" (exactly once a matching date), "rhythm" (follows real time), "interval" (@every)
 * or "start" (@reboot). */
const char *cron_class(const struct cron_expr *expr);

/* Appends a sentence: At 09:00 on Monday to Friday, Europe/Berlin time. */
void cron_explain(const struct cron *cron, struct buf *out);

/* The days of day-of-month and of day-of-week in words: "the 1st and 15th", "Monday to Friday". */
void cron_explain_dom(const struct cron_expr *expr, struct buf *out);
void cron_explain_dow(const struct cron_expr *expr, struct buf *out);

/* A change of the zone's offset that skips or repeats a nominal time of the schedule. */
struct cron_change {
	struct wall at;
	int32_t before, after; /* offsets */
};

/* The first one after now and before until (WALL_NONE: 2200); false: there is none. */
bool cron_next_change(struct cron *cron, struct wall now, struct wall until,
		      struct cron_change *ret);
/* Appends a sentence without a full stop: 2026-03-29: 02:00 becomes 03:00: ... */
void cron_explain_change(const struct cron *cron, const struct cron_change *change,
			 struct buf *out);

/* Calls on_lint with each sentence of warning: things that are valid and often not meant, and the
 * nominal times that daylight saving skips or repeats in the 24 months after now. */
void cron_lint(struct cron *cron, struct wall now, void (*on_lint)(void *arg, const char *text),
	       void *arg);

/* For those who want no doubt: E_INVALID where crons read the two day fields differently. */
bool cron_check_strict(const struct cron_expr *expr, struct err *err);

#endif
