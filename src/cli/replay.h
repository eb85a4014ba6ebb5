/* rouse replay: what the old and the new agent proposed, compared. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_REPLAY_H
#define ROUSE_CLI_REPLAY_H

#include "cli/cli.h"

/* Reads the whole comparison of a replay (its object, as the daemon shows a batch), page by page,
 * and prints it: counts, then what differs, like differences together, each a few (all: every one);
 * under
 * --json one object. cli->status: 0 where all is the same, else 1. */
bool replay_print(struct cli *cli, const json_t *batch, bool all, struct err *err);

#endif
