/* Samples on the command line: how many to look at, and what having looked proves. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_SAMPLE_H
#define ROUSE_CLI_SAMPLE_H

#include "cli/cli.h"

/* Draws a sample of word as --sample, --seed, --confidence and --max-defect say; or takes up the
 * latest of that size where not all of it was looked at. *ret: the sample object. */
bool sample_take(struct cli *cli, const char *word, json_t **ret, struct err *err);
/* What the latest sample of word proves, as a sentence; then what is next. */
bool sample_tell(struct cli *cli, const char *word, struct err *err);

#endif
