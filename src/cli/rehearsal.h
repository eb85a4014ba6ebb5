/* A rehearsal: a daemon of our own on the configuration on disk, that has no effect. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_REHEARSAL_H
#define ROUSE_CLI_REHEARSAL_H

#include "cli/cli.h"

struct rehearsal {
	char *folder; /* of its state, ours to remove */
	pid_t pid;
};
#define REHEARSAL_INIT                                                                             \
	{                                                                                          \
		NULL, 0                                                                            \
	}

/* Starts one; from now on the cli's client asks it. E_CONFIG with what is wrong. */
bool rehearsal_begin(struct cli *cli, struct rehearsal *rehearsal, struct err *err);
/* Ends it, and leaves nothing behind. */
void rehearsal_fini(struct rehearsal *rehearsal);

#endif
