/* The log: one line an event, key=value; secrets never reach it. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_BASE_LOG_H
#define ROUSE_BASE_LOG_H

#include "base/clock.h"
#include "base/mem.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG_LEVELS };
/* LOG_AUTO: the journal where standard error leads there, else text. */
enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON, LOG_JOURNAL };

void log_setup(enum log_level level, enum log_format format);
bool log_level_parse(const char *name, enum log_level *ret);

/* log_write(LOG_INFO, "run ended", "run", id, "status", status, NULL): pairs of C strings until
 * NULL; a NULL value is left out. Values are escaped; a line is cut at 8 KiB. In the journal a
 * pair is a field of its own, as it is.
 * What comes again and again is counted instead: a line that is the same in all, or a warning or
 * error of which the message is the same. The count follows, as `repeated`, from log_settle(). */
void log_write(enum log_level level, const char *message, ...) __attribute__((sentinel));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__, NULL)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__, NULL)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__, NULL)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__, NULL)

/* Does log_settle() have something to say, now or later? Cheap. */
bool log_is_repeating(void);
/* Writes the counts whose time is over (all: every one). ms until the next is; -1: there is none.
 */
int64_t log_settle(bool all);

struct log_pair {
	const char *key, *value; /* never NULL */
};
struct log_record {
	enum log_level level;
	struct wall at;
	const char *message;
	const struct log_pair *pairs;
	size_t count;
};
/* Every record of these levels that is written goes there, too, whatever the log's own level, from
 * any thread; fn may not log. NULL: none. */
typedef void log_tap(void *arg, const struct log_record *record);
void log_set_tap(enum log_level most, log_tap *fn, void *arg);
/* The name of a pair outside of lines, where it has to say more: "run" is "run.id". */
const char *log_key_name(const char *key);

/* Where the journal listens; for tests. NULL: /run/systemd/journal/socket. */
void log_journal_at(const char *path);

#endif
