/* One batch, as a person sees it. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_BATCH_H
#define ROUSE_CLI_BATCH_H

#include "cli/cli.h"

void batch_print(struct cli *cli, const json_t *batch);
/* Waits until it runs no more; on a terminal with a bar on standard error. */
bool batch_follow(struct cli *cli, const char *batch, struct err *err);
bool batch_ended_well(const json_t *batch);

#endif
