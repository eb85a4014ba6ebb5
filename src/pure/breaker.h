/* A breaker: outcomes within a sliding window decide whether more may be tried. SPEC 8, 10. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_BREAKER_H
#define ROUSE_PURE_BREAKER_H

#include "base/clock.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_STATES };
const char *breaker_state_name(enum breaker_state state); /* closed open half_open */

enum breaker_outcome {
	BREAKER_SILENT, /* says nothing about who was asked: stopped by a person, out of money */
	BREAKER_GOOD,
	BREAKER_BAD
};

struct breaker_policy {
	double threshold; /* share of failures above which it opens: 0.5, over half of them */
	int64_t window_ms, cooldown_ms;
	unsigned min; /* outcomes in the window, below which it stays closed */
};

/* The window is kept in so many slots: what is older than the window is never counted, what is
 * younger by more than one slot always is. */
#define BREAKER_SLOTS 60
#define BREAKER_NOBODY INT64_MIN

struct breaker {
	enum breaker_state state;
	struct mono until;	/* open: not before */
	int64_t probe;		/* half open: who is being tried; BREAKER_NOBODY */
	unsigned failed, total; /* when it opened last */
	int64_t slot_ms;	/* width that the slots were counted with */
	struct breaker_slot {
		int64_t n; /* time / slot_ms */
		unsigned failed, total;
	} slots[BREAKER_SLOTS];
};

/* Closed, nothing counted. */
void breaker_init(struct breaker *breaker);
/* Open until then, as an earlier process knew it. */
void breaker_restore(struct breaker *breaker, struct mono until, unsigned failed, unsigned total);
/* May one more begin now? An open breaker whose time has come becomes half open here, and admits
 * one. */
bool breaker_admits(struct breaker *breaker, struct mono now);
/* One that was admitted begins: half open, it is the probe. */
void breaker_begin(struct breaker *breaker, int64_t who);
/* One that began has ended; true when the state is another now. What began before the breaker
 * opened says nothing any more. */
bool breaker_end(struct breaker *breaker, const struct breaker_policy *policy, int64_t who,
		 enum breaker_outcome outcome, struct mono now);
/* What the window holds now. */
void breaker_count(const struct breaker *breaker, const struct breaker_policy *policy,
		   struct mono now, unsigned *ret_failed, unsigned *ret_total);

#endif
