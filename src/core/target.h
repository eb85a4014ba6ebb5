/* What a target of changes is: the vtable of plugins/targets/. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_TARGET_H
#define ROUSE_CORE_TARGET_H

#include "core/registry.h"

enum target_outcome {
	TARGET_DONE,	/* applied (or reverted) now */
	TARGET_ALREADY, /* it had been, under this key: nothing was done */
	TARGET_DRIFTED, /* what is there is not `before` (or, reverting, not `after`): current says
			   what is */
	TARGET_FAILED	/* err says why; err_again(code): may be tried again */
};

struct target_result {
	enum target_outcome outcome;
	const char *current;	/* JSON of what was found; NULL */
	const char *receipt;	/* JSON, kept with the change; NULL */
	int64_t retry_after_ms; /* the target's own word; 0 */
};

/* Exactly once, never from within the call. Everything lives until return. */
typedef void target_on_done(void *arg, const struct target_result *result, struct err *err);
/* The same for several: the i-th result and error are those of the i-th change. */
typedef void target_on_all_done(void *arg, const struct target_result *results, struct err *errs);

/* What a target says of a proposal. */
enum vet_verdict {
	VET_FITS,
	VET_REFUSED, /* err says why, in a sentence for the agent and for people */
	VET_UNKNOWN  /* it could not be asked: err says why */
};
/* Exactly once, never from within the call. */
typedef void target_on_vetted(void *arg, enum vet_verdict verdict, struct err *err);

/* At once at most so many. */
#define TARGET_GROUP_MAX 500

struct target_kind {
	const char *name;
	const struct conf_table *table;
	/* Makes target->state at load, without touching the world. May be NULL. */
	bool (*open)(struct target *target, struct conf_report *report);
	void (*close)(struct target *target);
	/* Looks whether a proposal makes sense, without side effects: E_INVALID goes back to the
	 * agent. May be NULL. */
	bool (*check)(struct core *core, const struct target *target,
		      const struct change_row *change, struct err *err);
	/* Would vet() have more to say of this proposal than check() has said? With vet alone. */
	bool (*vets)(const struct target *target, const struct change_row *change);
	/* The same as check(), where the world has to be asked, without side effects: beside the
	 * loop, within timeout_ms. target and change live until on_vetted, however late that is.
	 * May be NULL. */
	void (*vet)(struct core *core, const struct target *target, const struct change_row *change,
		    int64_t timeout_ms, target_on_vetted *on_vetted, void *arg);
	/* Reads what is there now, compares it with the before-image (core's change_drifted),
	 * applies under change->key; revert: the other way round, from `after` to the recorded
	 * `before`. Must end within target->timeout_ms: some seconds later it counts as failed
	 * (E_TIMEOUT), and its answer is not listened to. target and change live until on_done,
	 * however late that is. */
	void (*apply)(struct core *core, const struct target *target,
		      const struct change_row *change, bool revert, target_on_done *on_done,
		      void *arg);
	/* Several at once, each an entity of its own, in one transaction of the target: what fails
	 * of them alone fails alone. A kind may have both, or this one beside apply: then it gets
	 * whatever is due together, down to one. NULL: one by one. */
	void (*apply_many)(struct core *core, const struct target *target,
			   const struct change_row *const *changes, size_t count, bool revert,
			   target_on_all_done *on_done, void *arg);
};

/* What a target is about to do to a change that is being applied: kept as its receipt, so that
 * after a crash it can tell what it did. Within the turn, and to be on disk (turn_after) before it
 * is done.
 */
bool change_intend(struct core *core, const struct change_row *change, const char *receipt,
		   struct err *err);

/* Is `current` (JSON text; NULL: nothing is there) different from what `before` names? Members that
 * before does not name are not looked at; numbers compare by value; before NULL matches anything,
 * before `null` matches only nothing. */
bool change_drifted(const char *before, const char *current);
/* The before-image that a change from `current` has: its members that before names (all, where
 * before is no object). NULL when nobody said what is there. Owned. */
char *change_ground(const char *before, const char *current);

#endif
