/* Metrics: counters and histograms in memory, printed as Prometheus text. SPEC 15. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_METRICS_H
#define ROUSE_CORE_METRICS_H

#include "core/core.h"

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);
/* name: of a family. l1, v1 and l2, v2: names of labels and their values, NULL where there is none.
 * A family keeps a bounded number of series; what is beyond is added up under "other". */
void metrics_count(struct metrics *metrics, const char *name, const char *l1, const char *v1,
		   const char *l2, const char *v2, double by);
/* rouse_runs_total. reason NULL: none. */
void metrics_ended(struct metrics *metrics, const char *agent, const char *status,
		   const char *reason);
void metrics_observe(struct metrics *metrics, const char *name, const char *l1, const char *v1,
		     double seconds);
/* Everything, gauges taken from the core at this moment. */
void metrics_print(struct core *core, struct buf *out);

#endif
