/* Batches: how many entities a source has now, for who wants to know what a batch would cost. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_BATCH_COUNT_H
#define ROUSE_CORE_BATCH_COUNT_H

#include "core/registry.h"

#define BATCH_COUNT_MAX 1000000
#define BATCH_COUNT_MS 5000

/* count -1: nobody knows, why says why, in words. Otherwise why NULL: these are all; else why there
 * may be more. One that comes twice counts twice. */
typedef void batch_on_count(void *arg, int64_t count, const char *why);

/* Reads the source of def, where that is cheap, up to the limits above, and keeps nothing. Once,
 * never from within. def is of the registry that core has now, and held until then. */
void batch_count(struct core *core, const struct batch_def *def, batch_on_count *on_count,
		 void *arg);

#endif
