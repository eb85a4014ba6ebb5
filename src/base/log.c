/* The log: one line an event, key=value; secrets never reach it. */
/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log_inside.h"

enum {
	PATIENCE_MS = 100, /* how long a reader that lags may hold us up, once */
	TRIES_MAX = 100,
};

static enum log_level log_level = LOG_INFO;
static enum log_format log_format = LOG_AUTO;
static atomic_uint log_lost;
static atomic_bool log_torn; /* the last line went out in part */
/* Of what follows: lines come from many threads. */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static log_tap *tap_fn;
static void *tap_arg;
static enum log_level tap_most;

/* systemd.exec(5): the variable names the device and inode of the journal's socket. It is handed
 * on to children whose standard error may long be something else. */
static bool
stderr_is_journal(void)
{
	struct stat st;
	struct str inode, device;
	uint64_t dev, ino;
	inode = str_split(str_of(getenv("JOURNAL_STREAM")), ':', &device);
	return str_to_u64(device, &dev) && str_to_u64(inode, &ino) && !fstat(STDERR_FILENO, &st) &&
	       st.st_dev == dev && st.st_ino == ino;
}

void
log_setup(enum log_level level, enum log_format format)
{
	if (format == LOG_AUTO)
		format = stderr_is_journal() ? LOG_JOURNAL : LOG_TEXT;
	log_level = level;
	log_format = format;
}

/* --- out --- */

/* A write that can neither wait nor raise SIGPIPE, where the system lets it. */
static ssize_t
write_some(const char *p, size_t len)
{
	ssize_t n = send(STDERR_FILENO, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n >= 0 || errno != ENOTSOCK)
		return n;
	/* poll() promises room for PIPE_BUF in a pipe, no more. */
	struct stat st;
	if (len > PIPE_BUF && !fstat(STDERR_FILENO, &st) && S_ISFIFO(st.st_mode))
		len = PIPE_BUF;
	return write(STDERR_FILENO, p, len);
}

/* *ret_done: bytes that went out. False with errno. */
static bool
write_patiently(struct str line, int patience_ms, size_t *ret_done)
{
	int tries = TRIES_MAX;
	*ret_done = 0;
	while (*ret_done < line.len) {
		struct pollfd pfd = {STDERR_FILENO, POLLOUT, 0};
		int ready = poll(&pfd, 1, patience_ms);
		ssize_t n = -1;
		if (!ready)
			errno = ETIMEDOUT;
		if (ready > 0)
			n = write_some(line.p + *ret_done, line.len - *ret_done);
		if (n > 0)
			*ret_done += (size_t)n;
		else if ((errno != EINTR && errno != EAGAIN) || !--tries)
			return false;
	}
	return true;
}

/* A reader that went away must not end us: SIGPIPE is held back, and taken if it is ours. */
static bool
write_line(struct buf *line, int patience_ms)
{
	sigset_t pipe_set, old, pending;
	struct timespec now = {0, 0};
	size_t done;
	buf_putc(line, '\n');
	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
	sigpending(&pending);
	bool ok = write_patiently(buf_str(line), patience_ms, &done);
	if (!ok && errno == EPIPE && !sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&pipe_set, NULL, &now) < 0 && errno == EINTR)
			continue;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (done)
		atomic_store(&log_torn, !ok);
	return ok;
}

/* Before anything else is said. Who was too slow once is not waited for until it reads again. */
static bool
report_lost(void)
{
	unsigned lost = atomic_load(&log_lost);
	if (!lost)
		return true;
	char count[16];
	snprintf(count, sizeof(count), "%u", lost);
	const struct log_pair pair = {"lines", count};
	const struct log_record record = {
		.level = LOG_WARNING,
		.at = clock_wall(clock_system()),
		.message = "log lines were lost: standard error was not read",
		.pairs = &pair,
		.count = 1};
	AUTO(buf_fini) struct buf line = BUF_INIT;
	if (atomic_load(&log_torn))
		buf_putc(&line, '\n');
	log_line(log_format, &record, &line);
	if (!write_line(&line, 0))
		return false;
	atomic_fetch_sub(&log_lost, lost);
	return true;
}

static void
to_stderr(const struct log_record *record)
{
	bool heard = report_lost();
	AUTO(buf_fini) struct buf line = BUF_INIT;
	log_line(log_format, record, &line);
	if (!heard || !write_line(&line, PATIENCE_MS))
		atomic_fetch_add(&log_lost, 1);
}

/* Through all that is open to it. With the lock held. */
static void
put(const struct log_record *record)
{
	if (tap_fn && record->level <= tap_most)
		tap_fn(tap_arg, record);
	if (record->level > log_level)
		return;
	enum journal_end end = JOURNAL_AWAY;
	if (log_format == LOG_JOURNAL)
		end = journal_write(record, atomic_load(&log_lost) ? 0 : PATIENCE_MS);
	if (end == JOURNAL_BUSY)
		atomic_fetch_add(&log_lost, 1);
	if (end == JOURNAL_AWAY)
		to_stderr(record);
}

void
log_set_tap(enum log_level most, log_tap *fn, void *arg)
{
	pthread_mutex_lock(&log_lock);
	tap_fn = fn;
	tap_arg = arg;
	tap_most = most;
	pthread_mutex_unlock(&log_lock);
}

static const struct {
	const char *key, *name;
} key_names[] = {{"run", "run.id"}, {"event", "event.id"}, {"change", "change.id"}};

const char *
log_key_name(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(key_names); i++)
		if (!strcmp(key_names[i].key, key))
			return key_names[i].name;
	return key;
}

bool
log_is_repeating(void)
{
	return repeat_waits();
}

int64_t
log_settle(bool all)
{
	pthread_mutex_lock(&log_lock);
	int64_t ms = repeat_settle(all, put);
	pthread_mutex_unlock(&log_lock);
	return ms;
}

void
log_write(enum log_level level, const char *message, ...)
{
	/* Read without the lock: at worst a line more or less around a change of levels. */
	if (level > log_level && !(tap_fn && level <= tap_most))
		return;
	int saved = errno;
	struct log_pair pairs[LOG_PAIRS_MAX];
	size_t count = 0;
	va_list ap;
	va_start(ap, message);
	for (const char *key; (key = va_arg(ap, const char *));) {
		const char *value = va_arg(ap, const char *);
		if (value && count < LOG_PAIRS_MAX)
			pairs[count++] = (struct log_pair){key, value};
	}
	va_end(ap);
	/* The log tells when a line was written, whatever clock the rules run on. */
	const struct log_record record = {.level = level,
					  .at = clock_wall(clock_system()),
					  .message = message,
					  .pairs = pairs,
					  .count = count};
	pthread_mutex_lock(&log_lock);
	if (log_format == LOG_AUTO)
		log_setup(log_level, LOG_AUTO);
	if (!repeat_is_counted(&record, put))
		put(&record);
	pthread_mutex_unlock(&log_lock);
	errno = saved;
}
