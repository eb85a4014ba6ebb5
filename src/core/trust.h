/* Trust: what a run may have by how far the author of its payload is known. SPEC 5. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_TRUST_H
#define ROUSE_CORE_TRUST_H

#include "core/registry.h"

/* What stands in its row; a word that we do not know counts as untrusted. */
enum trust run_trust(const struct run_row *run);
/* Does the agent take it (min_trust)? E_DENIED with a sentence. */
bool trust_admits(const struct agent *agent, enum trust trust, struct err *err);
/* Does the agent have it staged whatever the trigger says (untrusted.mode)? */
bool trust_stages(const struct agent *agent, enum trust trust);
/* May such a run propose for this target (targets, untrusted.targets)? E_DENIED with a sentence. */
bool trust_may_target(const struct agent *agent, enum trust trust, const char *target,
		      struct err *err);

#endif
