/* The kinds of this floor: what agents and targets there are, listed by hand. */
/* SPDX-License-Identifier: MIT */
#include "plugins/kinds.h"

#include <stddef.h>

#include "plugins/agents/exec.h"
#include "plugins/entities/exec.h"
#include "plugins/entities/file.h"
#include "plugins/notify/notify.h"
#include "plugins/targets/child.h"
#include "plugins/entities/http.h"
#include "plugins/entities/sql.h"
#include "plugins/entities/threaded.h"
#include "plugins/targets/exec.h"
#include "plugins/targets/file.h"
#include "plugins/targets/git.h"
#include "plugins/targets/http.h"
#include "plugins/targets/sql.h"

const struct agent_kind *const plugin_agents[] = {
	&exec_agent,
	NULL,
};

const struct target_kind *const plugin_targets[] = {
	&sql_target_kind,  &http_target_kind, &exec_target_kind,
	&file_target_kind, &git_target_kind,  NULL,
};

const struct notify_kind *const plugin_notifies[] = {
	&exec_notify_kind,
	&http_notify_kind,
	&smtp_notify_kind,
	NULL,
};

const struct entity_kind *const plugin_entities[] = {
	&csv_entities, &jsonl_entities, &sql_entities, &exec_entities, &http_entities, NULL,
};

void
plugins_fini(struct core *core)
{
	threaded_end();
	exec_agent_fini(core);
	children_fini();
	smtp_notify_fini();
}
