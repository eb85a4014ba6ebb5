/* The agent protocol (SPEC 6): a table from a line's type to what is done. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_PROTOCOL_H
#define ROUSE_CORE_PROTOCOL_H

#include "core/attempt.h"

/* Handles one line: parsed, charged, kept in the run log. What is no object with a type is a `log`
 * line. */
void protocol_line(struct attempt *attempt, struct str line, bool truncated);
/* What an agent asked for (what: "change" ...) and may not have is told in its run's log; the run
 * goes on. */
void protocol_refuse(struct attempt *attempt, const char *what, const struct err *err);
/* An attempt that is taken up: the last words that an earlier daemon handled (result, error), from
 * the run log. */
void protocol_recall(struct attempt *attempt);

/* What was refused (a "change", ...) is told in the run's log; the run goes on. */
void protocol_refuse(struct attempt *attempt, const char *what, const struct err *err);

#endif
