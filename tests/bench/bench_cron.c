/* How many next-fire computations a second: the eight expressions of the manual, chained from 2024
 * to 2090, in UTC and in a zone with daylight saving. One JSON line for each zone and round. */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pure/civil.h"
#include "pure/cron_next.h"

#define BATCH 4096

static const char *const exprs[] = {"* * * * *",   "*/5 * * * *", "30 2 * * *",
				    "0 9 * * 1-5", "0 0 1 * *",	  "15,45 8-18/2 * * MON-FRI",
				    "0 0 13 * 5",  "0 0 29 2 *"};
static const char *const zones[] = {"UTC", "America/New_York"};

/* Of this process: what a busy machine does not blur. */
static double
cpu(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct cron *
cron_of(const char *expr, const char *zone)
{
	struct cron *c;
	struct err err = ERR_INIT;

	if (cron_new(str_of(expr), str_of(zone), STR("bench"), &c, &err))
		return c;
	fprintf(stderr, "bench_cron: %s\n", err_text(&err));
	exit(1);
}

static double
next_rate(const char *expr, const char *zone, double seconds)
{
	AUTO(cron_auto_free) struct cron *c = cron_of(expr, zone);
	struct wall first = {civil_days(2024, 1, 1) * DAY_S * 1000}, t = first;
	struct wall end = {civil_days(2090, 1, 1) * DAY_S * 1000};
	double began = cpu(), took;
	uint64_t n = 0;

	do {
		for (int i = 0; i < BATCH; i++)
			if (!cron_next(c, t, &t) || t.ms >= end.ms)
				t = first;
		n += BATCH;
		took = cpu() - began;
	} while (took < seconds);
	return (double)n / took;
}

static double
parse_rate(double seconds)
{
	struct cron_expr e;
	double began = cpu(), took;
	uint64_t n = 0;

	do {
		for (size_t i = 0; i < ARRAY_LEN(exprs); i++, n++)
			if (!cron_parse(str_of(exprs[i]), STR("bench"), &e, NULL))
				abort();
		took = cpu() - began;
	} while (took < seconds);
	return (double)n / took;
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 3;
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 0.2;

	for (int r = 0; r < rounds; r++) {
		for (size_t z = 0; z < ARRAY_LEN(zones); z++) {
			printf("{\"zone\":\"%s\",\"next\":[", zones[z]);
			for (size_t i = 0; i < ARRAY_LEN(exprs); i++)
				printf("%s%.0f", i ? "," : "",
				       next_rate(exprs[i], zones[z], seconds));
			printf("]}\n");
			fflush(stdout);
		}
		printf("{\"parse\":%.0f}\n", parse_rate(seconds));
	}
	return 0;
}
