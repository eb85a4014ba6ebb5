/* A cron expression in words. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_CRON_WORDS_H
#define ROUSE_CLI_CRON_WORDS_H

#include "base/buf.h"

/* plain: as cron_print() gives it. One English sentence, without a full stop. */
void cron_words(struct str plain, struct buf *out);

#endif
