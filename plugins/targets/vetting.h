/* Questions about proposals that targets are asked: what their kinds share. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_VETTING_H
#define ROUSE_PLUGINS_VETTING_H

#include <sys/queue.h>

#include "core/target.h"

/* One question, on its way back to core. */
struct vetting {
	struct core *core;
	const struct target *target;
	const struct change_row *change;
	int64_t timeout_ms;
	enum vet_verdict verdict;
	struct err err;

	target_on_vetted *on_vetted;
	void *arg;
	struct core_timer *timer;
	STAILQ_ENTRY(vetting) next; /* in a queue */
	LIST_ENTRY(vetting) entry;  /* of all: what a daemon that ends had begun stays reachable */
};
STAILQ_HEAD(vettings, vetting);

struct vetting *vetting_new(struct core *core, const struct target *target,
			    const struct change_row *change, int64_t timeout_ms,
			    target_on_vetted *on_vetted, void *arg);
/* Answers with its verdict and its error, and frees it. */
void vetting_give(struct vetting *vetting);
/* The same, later, outside of this call: for what failed before it began. */
void vetting_give_later(struct vetting *vetting);

/* Those of one target that are asked in a thread: what waits goes there together, one group after
 * the other. */
struct vet_queue {
	/* In a thread: gives each a verdict. state: of the kind. */
	void (*run)(void *state, struct vettings *group);
	/* Back in the loop, before they are answered. NULL: nothing is to be done. */
	void (*done)(struct core *core, void *state);
	void *state;
	struct core *core;
	struct vettings waiting, asked;
};
void vet_queue_init(struct vet_queue *queue, void (*run)(void *state, struct vettings *group),
		    void (*done)(struct core *core, void *state), void *state);
void vet_queue_add(struct vet_queue *queue, struct vetting *vetting);

#endif
