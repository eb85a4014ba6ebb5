/* Metrics: counters and histograms in memory, printed as Prometheus text. SPEC 15. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_METRICS_H
#define ROUSE_CORE_METRICS_H

#include "core/core.h"

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);
/* labels: pairs "name", "value" ... ; at most two. */
void metrics_count(struct metrics *metrics, const char *name, const char *l1, const char *v1,
		   const char *l2, const char *v2, double by);
void metrics_observe(struct metrics *metrics, const char *name, const char *l1, const char *v1,
		     double seconds);
/* Everything, gauges taken from the core at this moment. */
void metrics_print(struct core *core, struct buf *out);

#endif
