/* Attempts: what their beginning and their end share. For core/attempt*.c. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_ATTEMPT_PARTS_H
#define ROUSE_CORE_ATTEMPT_PARTS_H

#include "core/attempt.h"

/* How long a step that the store refused waits before it is tried again. */
#define ATTEMPT_RETRY_MS 500

/* --- attempt.c --- */

void attempt_free(struct attempt *attempt);
/* A run's new state, to whom it may concern. */
void attempt_tell(struct attempt *attempt, const char *status, const char *reason);
/* Its meters, offset and checkpoint into their rows. */
bool attempt_store_progress(struct attempt *attempt, struct err *err);

/* --- attempt_end.c --- */

struct ending;
void ending_free(struct ending *ending); /* NULL is fine */

#endif
