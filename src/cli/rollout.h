/* A batch applied or taken back, as a person follows it. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_ROLLOUT_H
#define ROUSE_CLI_ROLLOUT_H

#include "cli/cli.h"

/* Is word a batch, and neither a run nor a change? E_NOT_FOUND: it is nothing. ret: the batch. */
bool rollout_is_batch(struct cli *cli, const char *word, bool *ret_is, struct client_reply *ret,
		      struct err *err);
/* Shows what it will do, asks, begins it, waits for its end. With --plan: no more than the first;
 * cli->status 2 when there is something to do. */
bool rollout_run(struct cli *cli, const json_t *batch, bool revert, struct err *err);

#endif
