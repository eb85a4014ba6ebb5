/* Review: who has to agree before a change is approved, and what rules decide. SPEC 10, 12. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_REVIEW_H
#define ROUSE_CORE_REVIEW_H

#include "core/change.h"
#include "core/registry.h"

/* Rows of the keys review.required, auto_approve and auto_reject, for the tables of the sections
 * that have them (trigger, batch). */
#define REVIEW_KEYS                                                                                \
	{"review.required",                                                                        \
	 CONF_INT,                                                                                 \
	 "1",                                                                                      \
	 .min = 1,                                                                                 \
	 .max = 9,                                                                                 \
	 .help = "so many different people must approve a change; from 2 on mode is stage"},       \
		{"auto_approve", CONF_JQ,                                                          \
		 .help = "jq over a change: true, and it is approved as it is proposed"},          \
	{                                                                                          \
		"auto_reject", CONF_JQ,                                                            \
			.help = "jq over a change: true, and it is rejected as it is proposed; "   \
				"weighs more than auto_approve"                                    \
	}
/* Reads them; complains where they contradict the section's mode. */
void review_settings(const struct conf_section *section, struct review_policy *ret,
		     struct conf_report *report);

/* That of the batch (full id), else of the trigger; NULL: none is configured. */
const struct review_policy *review_policy_of(const struct core *core, const char *batch,
					     const char *trigger);
/* The same for a change: its run is looked up where it needs to be. */
const struct review_policy *review_policy_of_change(struct core *core,
						    const struct change_row *change);
/* In words, for the digest that an approval carries: what else would have to be looked at again. */
void review_policy_text(const struct review_policy *policy, struct buf *out);

/* Is it approved when `by` approves as well? *ret_to: approved, or what it is now: others must.
 * E_STATE when `by` has approved this, as it is, before. */
bool review_is_enough(struct core *core, const struct change_row *change, const char *by,
		      enum change_state *ret_to, struct err *err);

#endif
