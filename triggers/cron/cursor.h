/* What the daemon knows of a schedule across restarts: one line of text in its cursor. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_CRON_CURSOR_H
#define ROUSE_TRIGGERS_CRON_CURSOR_H

#include "base/err.h"
#include "triggers/cron/ticks.h"

struct cron_cursor {
	struct wall last; /* nominal time handled last: nothing up to it fires again */
	int64_t runs;	  /* for max_runs */
	char print[17];	  /* of the schedule that this belongs to; "": an older daemon's */
	enum { CURSOR_ON, CURSOR_OFF, CURSOR_HELD } off; /* disabled; and an event said so */
	/* Times before `last` that came and went without a run, the latest such stretch: should the
	 * clock be set back into it, they are still to come. */
	struct ticks_range passed;
	/* Times after `last` that have run: the clock was set back behind them. */
	struct ticks_range done;
	/* A backfill: times after from, up to `to`; from WALL_NONE: there is none. */
	struct ticks_range backfill;
	char overlap[16];     /* of the backfill */
	int64_t failures_seq; /* runs up to this one do not count for pause_after_failures */
};

/* "LAST RUNS", and then NAME=VALUE for what there is. */
void cursor_print(const struct cron_cursor *cursor, struct buf *out);
/* Words that it does not know are left out. false: E_CORRUPT. */
bool cursor_parse(struct str text, struct cron_cursor *ret, struct err *err);

#endif
