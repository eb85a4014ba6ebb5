/* Trust: what a run may have by how far the author of its payload is known. SPEC 5. */
/* SPDX-License-Identifier: MIT */
#include "core/trust.h"

#include "conf/conf.h"

enum trust
run_trust(const struct run_row *run)
{
	for (int i = 0; run->trust && i < TRUSTS; i++)
		if (!strcmp(run->trust, trust_name((enum trust)i)))
			return (enum trust)i;
	return TRUST_UNTRUSTED;
}

bool
trust_admits(const struct agent *agent, enum trust trust, struct err *err)
{
	return trust >= agent->min_trust ||
	       err_set(err, E_DENIED, "min_trust: agent %s takes only what is %s, and this is %s",
		       agent->name, trust_name(agent->min_trust), trust_name(trust));
}

bool
trust_stages(const struct agent *agent, enum trust trust)
{
	return trust == TRUST_UNTRUSTED && conf_is_set(agent->section, "untrusted.mode");
}

bool
trust_may_target(const struct agent *agent, enum trust trust, const char *target, struct err *err)
{
	const char *const *names;
	size_t count;

	if (!agent_may_target(agent, target))
		return err_set(
			err, E_DENIED,
			"agent %s may not propose changes for target %s; name it in its targets",
			agent->name, target);
	if (trust != TRUST_UNTRUSTED || !conf_is_set(agent->section, "untrusted.targets"))
		return true;
	count = conf_list(agent->section, "untrusted.targets", &names);
	for (size_t i = 0; i < count; i++)
		if (!strcmp(names[i], target))
			return true;
	return err_set(
		err, E_DENIED,
		"agent %s may not propose changes for target %s in an untrusted run; name it "
		"in its untrusted.targets, or verify the sender",
		agent->name, target);
}
