/* Applying: the outbox. Approved changes go to their targets, each once, under its key. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_APPLY_H
#define ROUSE_CORE_APPLY_H

#include "core/core.h"

struct apply *apply_new(struct core *core);
void apply_free(struct apply *apply);
/* Takes up what a daemon that died left in doubt, then whatever is due. */
bool apply_load(struct apply *apply, struct err *err);
/* There may be something to apply on this target (NULL: on any). */
void apply_wake(struct apply *apply, const char *target);
int apply_in_flight(const struct apply *apply);

#endif
