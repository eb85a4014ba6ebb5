/* The vigil: leases of what runs, what runs in silence, what waits too long. SPEC 8. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_VIGIL_H
#define ROUSE_CORE_VIGIL_H

#include "core/attempt.h"

/* One timer for all live runs and one for the queue; neither is armed while there is nothing to
 * look at, so that an idle daemon sleeps. Leases of all that lives are renewed in one turn. */

struct vigil *vigil_new(struct core *core);
void vigil_free(struct vigil *vigil);
/* An attempt began, or was taken up. */
void vigil_run(struct core *core);
/* Something waits in the queue. */
void vigil_queue(struct core *core);
/* Another generation is in force: the times may be others. */
void vigil_reload(struct core *core);
/* What waits longest has waited longer than limits.queued_alarm. */
bool vigil_is_late(const struct core *core);

#endif
