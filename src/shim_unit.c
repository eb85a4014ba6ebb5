/* rouse-shim as the main process of a unit of systemd: its own control group, its word to the
 * manager. */
/* SPDX-License-Identifier: MIT */
#include "shim.h"

#include <unistd.h>

#include "io/cgroup.h"
#include "systemd.h"

char *
unit_group(void)
{
	char *leaf;
	return cgroup_unit_leaf(&leaf) ? leaf : NULL;
}

void
unit_ready(void)
{
	systemd_notify("READY=1");
}

bool
unit_user_check(const struct spool_job *job, struct err *err)
{
	if (job->as_uid < 0 || (uid_t)job->as_uid == geteuid())
		return true;
	return err_set(
		err, E_DENIED,
		"its unit runs as uid %u, and its agent is to run as uid %lld; look at User= "
		"of the unit's template",
		(unsigned)geteuid(), (long long)job->as_uid);
}
