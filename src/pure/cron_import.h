/* Cron expressions as others write them, turned into ours. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_CRON_IMPORT_H
#define ROUSE_PURE_CRON_IMPORT_H

#include "base/buf.h"
#include "base/err.h"

/* Appends what a Quartz expression means in our spelling: 0/5 becomes 0-59/5, weekdays 1 to 7 SUN
 * to SAT, L alone SAT, a range that wraps two. E_INVALID "cron:COLUMN: quartz: ...", or what
 * cron_parse() says of the result. When clocks change it runs as ours do, not as Quartz. */
bool cron_import_quartz(struct str text, struct buf *out, struct err *err);

#endif
