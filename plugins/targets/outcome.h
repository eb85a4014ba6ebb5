/* Outcomes: what became of one application, on its way back to core. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_OUTCOME_H
#define ROUSE_PLUGINS_OUTCOME_H

#include "core/target.h"

struct outcome {
	enum target_outcome what;
	struct buf current, receipt; /* JSON; empty: none */
	int64_t retry_after_ms;
	struct err err;

	struct core *core;
	target_on_done *on_done;
	void *arg;
	struct core_timer *timer;
};

void outcome_init(struct outcome *o, struct core *core, target_on_done *on_done, void *arg);
void outcome_fini(struct outcome *o);
/* Calls on_done; o is there until outcome_fini(). */
void outcome_give(struct outcome *o);
/* Calls then(arg) later, outside of this call: for what failed before it began. */
void outcome_later(struct outcome *o, void (*then)(void *arg), void *arg);
/* TARGET_FAILED with a sentence. */
void outcome_fail(struct outcome *o, enum err_code code, const char *fmt, ...) PRINTF(3, 4);

/* What the target's state should be before the change is applied, or reverted: JSON, NULL for
 * anything. A create finds nothing, and the revert of a delete too. */
const char *change_expected(const struct change_row *change, bool revert);
/* Is what was found (JSON; NULL: nothing) not what it can be made from? What is gone is updated and
 * deleted by nobody, whatever was proposed. */
bool change_finds_other(const struct change_row *change, bool revert, const char *current);
/* Is it about something that has to be there? */
bool change_needs_entity(const struct change_row *change, bool revert);
/* Is what an earlier attempt was to leave there already there? Its answer may have been lost.
 * current: JSON, NULL for nothing. */
bool change_is_done(const struct change_row *change, bool revert, const char *current);
/* `after`, or the patch where only that is given. NULL. */
const char *change_wanted(const struct change_row *change);
/* What op does to what is there: a revert of create deletes, of delete creates. */
const char *change_op(const struct change_row *change, bool revert);
/* The change as a target is told of it: id key target entity op before after patch reason revert. A
 * revert is told as the change that it is: op, before and after the other way round. */
void change_tell_target(const struct change_row *change, bool revert, struct buf *out);
/* The key, another one for the way back. */
void change_key(const struct change_row *change, bool revert, struct buf *out);
/* Rouse-Cause of what comes of a change, its parent the run, so that a source knows its own trigger
 * and agent; "" where the run is not known any more. */
void change_cause(struct core *core, const struct change_row *change, struct buf *out);
/* The same for a run that is at hand, with another parent. */
void run_cause(const struct run_row *run, const char *parent, struct buf *out);
/* The raw value of a dotted path (NAME or NAME.NAME ...) in an image, which may be NULL. */
bool change_image_find(const char *image, const char *path, struct str *ret);
/* The true before-image: what the receipt kept when it was applied, else what the proposal said.
 * Owned; NULL. */
char *change_before(const struct change_row *change);

#endif
