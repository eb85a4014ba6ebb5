/* Runs, as the verbs about them share them. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_RUN_H
#define ROUSE_CLI_RUN_H

#include "cli/cli.h"

void run_print(struct cli *cli, const json_t *run);
bool run_is_over(const json_t *run); /* its status is one of the last ones */

/* Calls act for each argument. One that fails is said on standard error, and the others are still
 * done; then err has the last one's code. */
bool cli_each(struct cli *cli, bool (*act)(struct cli *, const char *, struct err *),
	      struct err *err);

/* The kept end of a run's standard error; attempt NULL: the last one's. Nothing when there is none.
 */
bool run_print_stderr(struct cli *cli, const char *id, const char *attempt, struct err *err);

#endif
