/* One schedule, live: shared by the files of this folder. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_CRON_INSIDE_H
#define ROUSE_TRIGGERS_CRON_INSIDE_H

#include "core/source.h"
#include "triggers/cron/cron.h"
#include "triggers/cron/cursor.h"
#include "triggers/cron/heap.h"
#include "triggers/cron/ticks.h"

/* Of one backfill. */
#define BACKFILL_MAX 10000

struct tick {
	struct source source; /* first */
	struct heap_item due; /* when to look again */
	struct cron *cron;
	struct ticks_policy policy;
	struct cron_cursor cursor;
	int64_t max_runs, pause_after; /* 0: none */
	struct wall next;	       /* nominal; WALL_NONE: none, or nobody knows */
	unsigned refusals;	       /* one after another, of the same tick */
	bool in_flight;		       /* an admission is under way; nothing else is begun */
	bool resting; /* disabled or paused: nothing is looked for until that ends */
	bool dirty;   /* the cursor is to be written once it is over */
};

/* --- keys.c -------------------------------------------------------------------------------- */

extern const struct conf_table *const cron_tables[];
/* Fills policy, limits and the expression of the tick. E_INVALID, E_CONFIG. */
bool tick_configure(struct tick *tick, const struct conf_section *section, struct err *err);
/* What times an edit changes: another print begins anew. ret: 17 bytes. */
void schedule_print(const struct conf_section *section, char *ret);

/* --- fire.c -------------------------------------------------------------------------------- */

/* Becomes an event, with the cursor in its transaction; tick_look() is called once that is over.
 * backfill: of the nominal time, by its own rules. */
void tick_fire(struct tick *tick, const struct ticks_step *step, bool backfill);
/* Says that times pass unused, for the trigger is disabled. */
void tick_hold(struct tick *tick, struct wall nominal);
/* An admission of this trigger is under way: of this tick, or of the one before a reload. */
bool fire_is_pending(const char *trigger);

/* --- cron.c -------------------------------------------------------------------------------- */

/* Looks what is to be done now, does it, and says when to look again. */
void tick_look(struct tick *tick);
/* Looks again in so many ms. */
void tick_wait(struct tick *tick, int64_t ms);
/* NULL: there is no such schedule any more. */
struct tick *tick_find(struct core *core, const char *trigger);
/* Puts the cursor into this turn, or remembers to. */
void tick_save(struct tick *tick);

/* --- backfill.c ---------------------------------------------------------------------------- */

bool cron_backfill(struct source *source, const struct source_backfill *wanted, json_t *ret_answer,
		   struct err *err);
/* The next time of a backfill that goes on; false: there is none. */
bool backfill_next(struct tick *tick, struct wall *ret);

/* --- refresh.c ----------------------------------------------------------------------------- */

/* Looks at each zone once from here on. */
void refresh_begin(void);
/* Takes over zone data that is new. True: its times may be others. */
bool tick_refresh(struct tick *tick);

/* --- failures.c ---------------------------------------------------------------------------- */

/* pause_after_failures: pauses the trigger when so many runs failed in a row. True: it did. */
bool tick_gives_up(struct tick *tick);

#endif
