/* Rates: a bucket a name, in memory. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_RATE_H
#define ROUSE_CORE_RATE_H

#include "core/core.h"

/* Takes one of count per per_ms under name; false: none is left, *ret_wait_ms until there is one.
 */
bool rate_take(struct core *core, const char *name, int64_t count, int64_t per_ms,
	       int64_t *ret_wait_ms);
void rate_free_all(struct core *core);

#endif
