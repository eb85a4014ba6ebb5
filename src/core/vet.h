/* Vetting: targets are asked about proposals before anybody looks at them. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_VET_H
#define ROUSE_CORE_VET_H

#include "core/registry.h"

/* A target that cannot tell by itself (target_kind.vet) is asked beside the loop; until it has
 * answered, or has had its time, a change stays proposed, also over a restart, and its run does not
 * end. What it refuses is rejected, with its sentence; what it could not be asked about goes on as
 * it is, and says so. */
struct vets *vets_new(struct core *core);
void vets_free(struct vets *vets);
/* What an earlier daemon had not asked about. */
bool vets_load(struct core *core, struct err *err);

/* In the turn that inserted it as proposed: its target is asked when that is on disk. apply: it is
 * approved after that, where no rule has a say. */
bool vet_ask(struct core *core, const struct change_row *change, int64_t seq, bool apply,
	     struct err *err);

/* fn(arg), once, later, when nothing that a run (its seq) has proposed waits for an answer, or that
 * takes too long. NULL: nothing does, and fn is not called. One at a time for each run. */
struct vet_wait;
struct vet_wait *vet_wait(struct core *core, int64_t run, void (*fn)(void *arg), void *arg);
void vet_wait_free(struct vet_wait *wait); /* of one that was not called; NULL is fine */

#endif
