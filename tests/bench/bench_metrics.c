/* What one count costs: bench_metrics ROUNDS prints ns as JSON. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/metrics.h"

int
main(int argc, char **argv)
{
	struct metrics *metrics = metrics_new();
	struct timespec from, to;
	long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 1000000;
	double ns;

	/* Some triggers, so that the one that counts has to be found. */
	for (int i = 0; i < 200; i++) {
		char name[24];

		snprintf(name, sizeof(name), "trigger-%d", i);
		metrics_count(metrics, "rouse_events_total", "trigger", name, "outcome", "ran", 1);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (long i = 0; i < rounds; i++)
		metrics_count(metrics, "rouse_events_total", "trigger", "trigger-7", "outcome",
			      "ran", 1);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
	printf("{\"count_ns\": %.1f}\n", ns / (double)rounds);
	metrics_free(metrics);
	return 0;
}
