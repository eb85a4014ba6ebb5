/* Shed: what gives way where the queue is full. SPEC 3 (limits.max_queued, queue_full). */
/* SPDX-License-Identifier: MIT */
#include "core/shed.h"

#include "base/log.h"
#include "core/metrics.h"
#include "core/queue.h"
#include "core/registry.h"
#include "core/run.h"
#include "store/events.h"
#include "store/runs.h"

#define WHY                                                                                        \
	"queue_full = drop_oldest: the queue was full (limits.max_queued), and a newer event came"

static const struct conf_section *
limits_of(const struct core *core)
{
	return conf_section(registry_conf(core->registry), "limits", "");
}

bool
queue_is_full(const struct core *core)
{
	return queue_depth(core->queue, NULL) >= conf_int(limits_of(core), "max_queued");
}

bool
shed_at_door(struct core *core, struct err *err)
{
	if (!queue_is_full(core) || !strcmp(conf_str(limits_of(core), "queue_full"), "drop_oldest"))
		return true;
	return err_set(err, E_RATE, "%lld runs wait already (limits.max_queued); try again later",
		       (long long)queue_depth(core->queue, NULL));
}

bool
shed_oldest(struct core *core, int priority, bool *ret_refused, struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};
	int64_t seq;
	int least;

	*ret_refused = false;
	if (!runs_least(core->store, &seq, &least, err))
		return false;
	if (!seq || least < priority) {
		*ret_refused = true;
		return true;
	}
	if (!runs_get_seq(core->store, seq, &run, err) || !run_skip(core, &run, WHY, err))
		return false;
	log_debug("run gives way to a newer one", "run", run.id, "agent", run.agent);
	metrics_count(core->metrics, "rouse_events_total", "trigger", run.trigger, "outcome",
		      "shed", 1);
	return !run.event || events_settle(core->store, run.event, "shed", WHY, seq, err);
}
