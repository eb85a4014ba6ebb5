/* Rulings: what auto_approve and auto_reject say about changes as they are proposed. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_RULING_H
#define ROUSE_CORE_RULING_H

#include "core/review.h"

/* Rules are asked beside the loop, in rouse-jq; until they have said something a change stays
 * proposed, also over a restart. A rule that fails leaves it so, and the decision's history says
 * it. */
struct rulings *rulings_new(struct core *core);
void rulings_free(struct rulings *rulings);
/* What an earlier daemon had not asked about. */
void rulings_load(struct core *core);

/* Has it a rule? */
static inline bool
ruling_wants(const struct review_policy *policy)
{
	return policy && (policy->auto_approve.text || policy->auto_reject.text);
}
/* In the turn that inserted it as proposed: the rules are asked when that is on disk. apply: where
 * they say nothing it is approved. */
bool ruling_ask(struct core *core, int64_t seq, bool apply, struct err *err);

#endif
