/* The log, inside: lines, the journal, and what comes again. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_BASE_LOG_INSIDE_H
#define ROUSE_BASE_LOG_INSIDE_H

#include "base/buf.h"
#include "base/log.h"

#define LOG_PAIRS_MAX 24

/* --- log_line.c --- */

/* A record as one line without its end: nothing in it moves the cursor or ends the line. */
void log_line(enum log_format format, const struct log_record *record, struct buf *line);
/* sd-daemon(3): 3 for an error ... 7 for debug. */
int log_priority(enum log_level level);
const char *log_level_name(enum log_level level);

/* --- log_journal.c --- */

enum journal_end { JOURNAL_TOOK, JOURNAL_BUSY, JOURNAL_AWAY };
/* Native fields, systemd.journal-fields(7). BUSY: not within patience_ms. AWAY: nobody listens. */
enum journal_end journal_write(const struct log_record *record, int patience_ms);

/* --- log_repeat.c --- */

/* Has this come too often? Then it was counted. Counts of others that it displaced are written by
 * fn. */
bool repeat_is_counted(const struct log_record *record, void (*fn)(const struct log_record *));
bool repeat_waits(void);
int64_t repeat_settle(bool all, void (*fn)(const struct log_record *));

#endif
