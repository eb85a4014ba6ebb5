/* Calendar events as systemd.time(7) writes them: Mon..Fri *-*-* 09:00 Europe/Berlin. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_CALENDAR_H
#define ROUSE_PURE_CALENDAR_H

#include "pure/cron_expr.h"

/* Reads what stands behind "calendar:" into the masks of a cron expression; weekday and date must
 * both match. column: of text's first byte, from 1. Seconds are whole: a fraction that is not zero
 * is an error. E_INVALID "cron:COLUMN: FIELD: ..."; FIELD is "calendar" where it is the whole. */
bool calendar_parse(struct str text, size_t column, struct cron_expr *ret, struct err *err);

/* The normalized spelling without "calendar:"; parses to the same masks and class. */
void calendar_print(const struct cron_expr *expr, struct buf *out);

#endif
