/* Keeping: what is old enough goes, in small steps beside the loop. SPEC 3, [retention]. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_KEEP_H
#define ROUSE_CORE_KEEP_H

#include "core/core.h"

struct keep;
struct keep *keep_new(struct core *core);
void keep_free(struct keep *keep);
/* The daemon has a moment: begins a sweep when the last one was an hour ago. Without work there is
 * nothing to let go of, and so no timer of its own. */
void keep_wake(struct keep *keep);
/* The same, when the last one was ten seconds ago: room is wanted. */
void keep_hurry(struct keep *keep);
/* There is something to let go of now. */
void keep_now(struct keep *keep);

#endif
