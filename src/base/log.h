/* The log: one line an event, key=value; secrets never reach it. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_BASE_LOG_H
#define ROUSE_BASE_LOG_H

#include "base/mem.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG_LEVELS };
enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON, LOG_JOURNAL };

void log_setup(enum log_level level, enum log_format format);
bool log_level_parse(const char *name, enum log_level *ret);

/* log_write(LOG_INFO, "run ended", "run", id, "status", status, NULL): pairs of C strings until
 * NULL; a NULL value is left out. Values are escaped; a line is cut at 8 KiB. */
void log_write(enum log_level level, const char *message, ...) __attribute__((sentinel));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__, NULL)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__, NULL)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__, NULL)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__, NULL)

#endif
