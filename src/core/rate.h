/* Rates: a bucket a name, in memory. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_RATE_H
#define ROUSE_CORE_RATE_H

#include "core/core.h"

/* Takes one of count per per_ms under name; false: none is left, *ret_wait_ms until there is one.
 * Names with a '/' are made of what strangers say: of these the 16384 that were asked for last are
 * remembered. */
bool rate_take(struct core *core, const char *name, int64_t count, int64_t per_ms,
	       int64_t *ret_wait_ms);
/* "KIND/ADDRESS": one name for whoever has this address; of IPv6 for its network of 64 bits, since
 * all of it is one customer's. */
void rate_name_of_address(const char *kind, const char *address, struct buf *ret);
void rate_free_all(struct core *core);

#endif
