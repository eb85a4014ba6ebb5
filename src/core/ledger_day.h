/* Days of the ledger: the date at a place, and when the next one begins there. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_LEDGER_DAY_H
#define ROUSE_CORE_LEDGER_DAY_H

#include "base/clock.h"
#include "pure/zone.h"

#define DAY_LEN sizeof("2026-11-20")

/* zone NULL: UTC. ret_ends may be NULL: the first moment after `at` that has another date there. */
void day_of(const struct zone *zone, struct wall at, char day[DAY_LEN], struct wall *ret_ends);

#endif
