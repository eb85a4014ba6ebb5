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

/* Calls on_lint with each sentence of warning: things that are valid and often not meant, and the
 * nominal times that daylight saving skips or repeats in the 24 months after now. */
void cron_lint(struct cron *cron, struct wall now, void (*on_lint)(void *arg, const char *text),
	       void *arg);

#endif
