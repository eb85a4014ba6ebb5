/* Top: what the rooms of `rouse top` share: what is known of the daemon, and the picture of it. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_TOP_H
#define ROUSE_CLI_TOP_H

#include "cli/cli.h"

/* The counters of one moment. */
struct top_counts {
	struct mono at; /* ms 0: there was none */
	double events, ended, failed, cost;
	json_t *agents; /* {NAME: [ended, failed, dollars]} */
};

enum top_pane { TOP_ALL, TOP_AGENTS, TOP_TRIGGERS, TOP_RUNS, TOP_PANES };

struct top {
	struct cli *cli;
	int64_t every_ms;
	struct top_counts before, now;
	json_t *status;				/* GET /v1/status; NULL: none came yet */
	json_t *agents, *triggers, *runs, *day; /* rows; day: what all cost today */
	struct err trouble;			/* why there is nothing newer; E_OK */
	enum top_pane pane;
	size_t scroll;
	bool help, over;
};

/* Asks the daemon. False: trouble says why, and what was known before stays. */
bool top_ask(struct top *top);
void top_fini(struct top *top);
/* A second of a counter between the two moments; negative: not known yet. */
double top_rate(const struct top *top, double before, double now);

/* Everything in so many lines and columns; rows 0: as many lines as it takes. */
void top_picture(const struct top *top, unsigned columns, unsigned rows, bool colour,
		 struct buf *out);

#endif
