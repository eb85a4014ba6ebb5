/* A breaker: outcomes within a sliding window decide whether more may be tried. SPEC 8, 10. */
/* SPDX-License-Identifier: MIT */
#include "pure/breaker.h"

#include <assert.h>
#include <string.h>

static const char *const state_names[] = {"closed", "open", "half_open"};
static_assert(sizeof(state_names) / sizeof(*state_names) == BREAKER_STATES, "a name for each");

const char *
breaker_state_name(enum breaker_state state)
{
	return state_names[state];
}

void
breaker_init(struct breaker *breaker)
{
	*breaker = (struct breaker){.state = BREAKER_CLOSED, .probe = BREAKER_NOBODY};
	for (int i = 0; i < BREAKER_SLOTS; i++)
		breaker->slots[i].n = INT64_MIN;
}

void
breaker_restore(struct breaker *breaker, struct mono until, unsigned failed, unsigned total)
{
	breaker_init(breaker);
	breaker->state = BREAKER_OPEN;
	breaker->until = until;
	breaker->failed = failed;
	breaker->total = total;
}

bool
breaker_admits(struct breaker *breaker, struct mono now)
{
	if (breaker->state == BREAKER_OPEN && now.ms >= breaker->until.ms) {
		breaker->state = BREAKER_HALF_OPEN;
		breaker->probe = BREAKER_NOBODY;
	}
	return breaker->state == BREAKER_CLOSED ||
	       (breaker->state == BREAKER_HALF_OPEN && breaker->probe == BREAKER_NOBODY);
}

void
breaker_begin(struct breaker *breaker, int64_t who)
{
	if (breaker->state == BREAKER_HALF_OPEN && breaker->probe == BREAKER_NOBODY)
		breaker->probe = who;
}

static int64_t
slot_width(const struct breaker_policy *policy)
{
	return policy->window_ms >= BREAKER_SLOTS ? policy->window_ms / BREAKER_SLOTS : 1;
}

static int64_t
slot_at(struct mono now, int64_t width)
{
	return now.ms >= 0 ? now.ms / width : -((-now.ms + width - 1) / width);
}

/* Other widths came with another configuration: what was counted in the old ones is not theirs. */
static void
window_add(struct breaker *breaker, const struct breaker_policy *policy, bool failed,
	   struct mono now)
{
	int64_t width = slot_width(policy), n = slot_at(now, width);
	struct breaker_slot *slot =
		&breaker->slots[((n % BREAKER_SLOTS) + BREAKER_SLOTS) % BREAKER_SLOTS];

	if (breaker->slot_ms != width) {
		breaker_init(breaker);
		breaker->slot_ms = width;
	}
	if (slot->n != n)
		*slot = (struct breaker_slot){.n = n};
	slot->total++;
	slot->failed += failed;
}

void
breaker_count(const struct breaker *breaker, const struct breaker_policy *policy, struct mono now,
	      unsigned *ret_failed, unsigned *ret_total)
{
	int64_t width = slot_width(policy), n = slot_at(now, width);

	*ret_failed = *ret_total = 0;
	if (breaker->slot_ms != width)
		return;
	for (int i = 0; i < BREAKER_SLOTS; i++) {
		const struct breaker_slot *slot = &breaker->slots[i];

		if (slot->n == INT64_MIN || slot->n > n || n - slot->n >= BREAKER_SLOTS)
			continue;
		*ret_failed += slot->failed;
		*ret_total += slot->total;
	}
}

static void
open_it(struct breaker *breaker, const struct breaker_policy *policy, struct mono now)
{
	breaker->state = BREAKER_OPEN;
	breaker->until = (struct mono){now.ms + policy->cooldown_ms};
	breaker->probe = BREAKER_NOBODY;
}

static bool
probe_end(struct breaker *breaker, const struct breaker_policy *policy,
	  enum breaker_outcome outcome, struct mono now)
{
	breaker->probe = BREAKER_NOBODY;
	if (outcome == BREAKER_GOOD)
		breaker_init(breaker);
	else if (outcome == BREAKER_BAD)
		open_it(breaker, policy, now);
	return outcome != BREAKER_SILENT;
}

bool
breaker_end(struct breaker *breaker, const struct breaker_policy *policy, int64_t who,
	    enum breaker_outcome outcome, struct mono now)
{
	unsigned failed, total;

	if (breaker->state == BREAKER_HALF_OPEN && breaker->probe == who)
		return probe_end(breaker, policy, outcome, now);
	if (breaker->state != BREAKER_CLOSED || outcome == BREAKER_SILENT)
		return false;
	window_add(breaker, policy, outcome == BREAKER_BAD, now);
	if (outcome != BREAKER_BAD)
		return false;
	breaker_count(breaker, policy, now, &failed, &total);
	if (total < policy->min || (double)failed <= policy->threshold * (double)total)
		return false;
	breaker->failed = failed;
	breaker->total = total;
	open_it(breaker, policy, now);
	return true;
}
