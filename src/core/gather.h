/* Gathering: events of one trigger and entity that come close together become one run. SPEC 8,
 * debounce and collect. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_GATHER_H
#define ROUSE_CORE_GATHER_H

#include "core/registry.h"
#include "store/gather.h"

struct admission;

/* What one run gets at most; a gathering that has as much is closed, and the next one opens. */
#define GATHER_EVENTS_MAX 10000
#define GATHER_BYTES_MAX (8 << 20)

/* Reads debounce, debounce_max and collect of the trigger's section. */
void gather_settings(struct trigger *trigger, struct conf_report *report);
static inline bool
gather_wants(const struct trigger *trigger)
{
	return trigger->gather_ms > 0;
}

struct gather *gather_new(struct core *core);
void gather_free(struct gather *gather); /* NULL is fine; what is open stays on disk */
/* What an earlier daemon left open: closed when it is due, at once where that has passed. */
bool gather_load(struct core *core, struct err *err);
/* After a reload: what belongs to a trigger that is gone, or gathers no longer, is closed now. */
void gather_reload(struct core *core);

/* The event of this admission, whose run would be row (its event: the seq that it will get), comes
 * in: `held`, `coalesced`, `replayed` or `shed`. Writes its rows; false: none of them counts. */
bool gather_admit(struct admission *a, const struct run_row *row);

/* The payload of a run of this event alone, for who asks what would be. */
void gather_payload(const struct admission *a, const struct run_row *row, struct buf *out);

/* Makes the run of an open gathering, in this turn. why: what ended it, in words; NULL: its time
 * had come. */
bool gather_close(struct core *core, int64_t seq, const char *why, struct err *err);

/* Held back of a trigger; zeros where there is nothing. */
void gather_held(const struct core *core, const char *trigger, struct gatherings_count *ret);
/* When a time of a gathering comes, on the clock of the wall as it is now. */
struct wall gather_wall(const struct core *core, struct wall due);

/* --- for core/gather_admit.c --- */

/* Now, on the clock that gatherings are timed by: the wall's when the daemon started, and from
 * there on steady, whatever the wall's clock does. */
struct wall gather_now(const struct core *core);
/* One is due at: look at it then. */
void gather_wake(struct core *core, struct wall due);
/* Does none of the open ones end, so that one more can be opened (limits.max_queued)? */
bool gather_is_full(const struct core *core);
/* One more is open once this turn is on disk. */
void gather_note_open(struct core *core);

#endif
