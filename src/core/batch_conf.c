/* Batches: what [batch X] says. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "base/json.h"
#include "core/replay.h"

static int
priority_of(const char *name)
{
	return !strcmp(name, "high") ? 0 : !strcmp(name, "low") ? 2 : 1;
}

bool
batch_settings_get(const struct registry *registry, const char *name, struct batch_settings *ret,
		   struct err *err)
{
	const struct conf_section *section = conf_section(registry_conf(registry), "batch", name);
	const struct agent *agent;

	if (!section)
		return err_set(err, E_NOT_FOUND,
			       "there is no [batch %s] in the configuration; rouse check shows "
			       "what there is",
			       name);
	agent = registry_agent(registry, conf_str(section, "agent"));
	if (!agent)
		return err_set(err, E_NOT_FOUND, "agent %s of batch %s is not configured",
			       conf_str(section, "agent"), name);
	*ret = (struct batch_settings){
		.section = section,
		.agent = agent,
		.limits = registry_limits(section, &agent->limits),
		.concurrency = conf_is_set(section, "concurrency")
				       ? conf_int(section, "concurrency")
				       : agent->concurrency,
		.stages = !strcmp(conf_str(section, "mode"), "stage"),
		.shuffled = !strcmp(conf_str(section, "order"), "random"),
		.priority = priority_of(conf_str(section, "priority")),
		.intent = conf_is_set(section, "intent") ? conf_str(section, "intent")
							 : conf_section_name(section),
		.tenant = conf_str(section, "tenant"),
		.stop_share = NAN,
	};
	if (conf_is_set(section, "batch_budget.deadline"))
		ret->deadline_ms = conf_ms(section, "batch_budget.deadline");
	if (strcmp(conf_str(section, "on_failure"), "stop"))
		return true;
	ret->stop_count = 1;
	if (conf_str(section, "stop_after"))
		batch_stop_parse(str_of(conf_str(section, "stop_after")), &ret->stop_count,
				 &ret->stop_share);
	return true;
}

bool
batch_settings_of(const struct registry *registry, const struct batch_row *row,
		  struct batch_settings *ret, struct err *err)
{
	return replay_is(row->id) ? replay_settings(registry, row, ret, err)
				  : batch_settings_get(registry, row->name, ret, err);
}
