/* Schedules: what calendars name, as rows; shared by what is asked ahead and what is simulated. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_SCHEDULE_H
#define ROUSE_CLI_SCHEDULE_H

#include "cli/cli.h"

#define SCHEDULE_COLUMNS 4

/* A page of /v1/schedule; its items are an array. */
bool schedule_get(struct cli *cli, const char *path, struct client_reply *ret, struct err *err);
/* A page of rows: a table, or an object a line. widths: of the page before. Returns how many. */
size_t schedule_rows(struct cli *cli, const struct column *columns, size_t count,
		     const json_t *items, unsigned *widths);
/* The same of calendar times. */
size_t schedule_print(struct cli *cli, const json_t *items, unsigned *widths);
/* Every time of trigger (NULL: of all) after --from, up to --to, at most --count, printed; then how
 * often each fires, where it would meet its own run before, and what all may cost. */
bool schedule_play(struct cli *cli, const char *trigger, bool with_batches, struct err *err);

#endif
