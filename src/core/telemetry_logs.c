/* Telemetry: lines of the log, told as they are written. Kept in memory, and bounded. */
/* SPDX-License-Identifier: MIT */
#include "core/telemetry_inside.h"

#include <pthread.h>

#include "pure/otlp.h"

/* What waits in memory while the receiver is away. */
#define WAITING_BYTES (1 << 20)

/* Threads write lines, too; the loop takes them. */
static pthread_mutex_t logs_lock = PTHREAD_MUTEX_INITIALIZER;

static const struct {
	enum otlp_severity severity;
	const char *word;
} levels[] = {
	[LOG_ERROR] = {OTLP_FAULT, "ERROR"},
	[LOG_WARNING] = {OTLP_WARN, "WARN"},
	[LOG_INFO] = {OTLP_INFO, "INFO"},
	[LOG_DEBUG] = {OTLP_DEBUG, "DEBUG"},
};
_Static_assert(ARRAY_LEN(levels) == LOG_LEVELS, "every level has its severity");

/* In any thread. Nothing may be logged from here. */
static void
on_record(void *arg, const struct log_record *record)
{
	struct telemetry_logs *logs = arg;
	AUTO(buf_fini) struct buf key = BUF_INIT;

	pthread_mutex_lock(&logs_lock);
	if (logs->waiting.len > WAITING_BYTES) {
		logs->full++;
		pthread_mutex_unlock(&logs_lock);
		return;
	}
	if (!logs->waiting.len)
		buf_putc(&logs->waiting, '[');
	otlp_record(&logs->waiting, record->at.ms, levels[record->level].severity,
		    levels[record->level].word, record->message);
	for (size_t i = 0; i < record->count; i++) {
		buf_clear(&key);
		buf_cat(&key, "rouse.", log_key_name(record->pairs[i].key));
		otlp_text(&logs->waiting, buf_cstr(&key), record->pairs[i].value);
	}
	otlp_close(&logs->waiting, NULL);
	logs->count++;
	pthread_mutex_unlock(&logs_lock);
}

static void
on_end(void *arg, enum line_end end)
{
	struct telemetry_logs *logs = arg;

	if (end == LINE_TOO_LARGE)
		line_drop(&logs->line, logs->line.items, "too_large",
			  "the receiver finds some lines of the log too large");
	logs->armed = false;
	logs_look(logs);
}

struct telemetry_logs *
logs_new(struct core *core)
{
	struct telemetry_logs *logs = mem_alloc(sizeof(*logs));

	logs->core = core;
	line_init(&logs->line, core, "logs", on_end, logs);
	return logs;
}

static void
waiting_drop(struct telemetry_logs *logs)
{
	pthread_mutex_lock(&logs_lock);
	buf_fini(&logs->waiting);
	logs->count = logs->full = 0;
	pthread_mutex_unlock(&logs_lock);
}

void
logs_free(struct telemetry_logs *logs)
{
	if (!logs)
		return;
	log_set_tap(LOG_ERROR, NULL, NULL);
	line_fini(&logs->line);
	core_timer_free(logs->timer);
	waiting_drop(logs);
	free(logs);
}

void
logs_reload(struct telemetry_logs *logs, int level)
{
	logs->on = level >= 0;
	log_set_tap(logs->on ? (enum log_level)level : LOG_ERROR, logs->on ? on_record : NULL,
		    logs);
	if (logs->on)
		return;
	core_timer_stop(logs->timer);
	line_stop(&logs->line);
	logs->armed = false;
	waiting_drop(logs);
}

/* All that waits is one body. */
static void
logs_go(void *arg)
{
	struct telemetry_logs *logs = arg;
	const struct telemetry *t = logs->core->telemetry;
	AUTO(buf_fini) struct buf body = BUF_INIT, records = BUF_INIT;
	uint64_t count, full;

	if (!logs->on || logs->line.busy)
		return;
	pthread_mutex_lock(&logs_lock);
	records = logs->waiting;
	logs->waiting = (struct buf)BUF_INIT;
	count = logs->count;
	full = logs->full;
	logs->count = logs->full = 0;
	pthread_mutex_unlock(&logs_lock);
	line_drop(&logs->line, full, "full", "more lines of the log wait than there is room for");
	if (!count) {
		logs->armed = false;
		return;
	}
	otlp_logs(&body, (const char *const *)t->facts->attributes, logs->core->version);
	buf_add(&body, records.data + 1, records.len - 1);
	otlp_end(&body);
	line_send(&logs->line, &body, count);
}

void
logs_look(struct telemetry_logs *logs)
{
	const struct telemetry *t = logs->core->telemetry;

	if (!logs->on || logs->armed || !atomic_load(&logs->count))
		return;
	logs->armed = true;
	core_timer_arm(logs->core, &logs->timer, t->drains ? 0 : t->delay_ms, logs_go, logs);
}

void
logs_flush(struct telemetry_logs *logs)
{
	if (!logs->on || logs->line.busy)
		return;
	logs->armed = true;
	core_timer_arm(logs->core, &logs->timer, 0, logs_go, logs);
}
