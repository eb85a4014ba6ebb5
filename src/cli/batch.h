/* One batch, as a person sees it. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_BATCH_H
#define ROUSE_CLI_BATCH_H

#include <signal.h>

#include "cli/cli.h"

void batch_print(struct cli *cli, const json_t *batch);
/* Waits until it runs no more; on a terminal with a bar on standard error. */
bool batch_follow(struct cli *cli, const char *batch, struct err *err);
/* The same, until *stop (of a signal handler) says that nobody waits any more. */
bool batch_follow_until(struct cli *cli, const char *batch, const volatile sig_atomic_t *stop,
			struct err *err);
bool batch_ended_well(const json_t *batch);

#endif
