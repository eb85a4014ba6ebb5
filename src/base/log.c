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

#include "base/buf.h"
#include "base/clock.h"

enum {
	LINE_MAX_BYTES = 8192,
	TAIL_BYTES = 8,	   /* kept free for what closes a value and the line */
	PATIENCE_MS = 100, /* how long a reader that lags may hold us up, once */
	TRIES_MAX = 100,
};

static const struct {
	const char *name;
	int journal; /* sd-daemon(3) */
} log_levels[] = {
	[LOG_ERROR] = {"error", 3},
	[LOG_WARNING] = {"warning", 4},
	[LOG_INFO] = {"info", 6},
	[LOG_DEBUG] = {"debug", 7},
};

_Static_assert(ARRAY_LEN(log_levels) == LOG_LEVELS, "every level has its row");

static enum log_level log_level = LOG_INFO;
static enum log_format log_format = LOG_AUTO;
static atomic_uint log_lost;
static atomic_bool log_torn; /* the last line went out in part */

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

bool
log_level_parse(const char *name, enum log_level *ret)
{
	for (size_t i = 0; name && i < ARRAY_LEN(log_levels); i++) {
		if (!strcmp(log_levels[i].name, name)) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* --- the line --- */

/* Visible ASCII that means nothing to any format. */
static bool
is_letter(char c)
{
	return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

/* Characters that move the cursor, end the line, or turn the direction of reading. */
static bool
is_unprintable(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
	       code == 0xfeff;
}

/* The first character of s as it may stand between quotes. Bytes of s that it took. */
static size_t
escape_next(struct str s, char *ret, size_t size, size_t *ret_len)
{
	uint32_t code;
	size_t n = str_utf8_next(s, &code);
	int len;
	if (!n && log_format == LOG_JSON)
		len = snprintf(ret, size, "\\ufffd");
	else if (!n)
		len = snprintf(ret, size, "\\x%02x", (unsigned char)s.p[0]);
	else if (code == '"' || code == '\\')
		len = snprintf(ret, size, "\\%c", (char)code);
	else if (code == '\n')
		len = snprintf(ret, size, "\\n");
	else if (is_unprintable(code))
		len = snprintf(ret, size, "\\u%04x", code);
	else
		len = snprintf(ret, size, "%.*s", (int)n, s.p);
	*ret_len = (size_t)len;
	return n ? n : 1;
}

/* As much of s as there is room for; the run of plain letters goes as one. */
static void
add_escaped(struct buf *line, struct str s)
{
	while (s.len) {
		char piece[16];
		const char *from = s.p;
		size_t used = 0, len;
		while (used < s.len && (is_letter(s.p[used]) || s.p[used] == ' '))
			used++;
		len = used;
		if (!used) {
			used = escape_next(s, piece, sizeof(piece), &len);
			from = piece;
		}
		size_t room = LINE_MAX_BYTES - TAIL_BYTES;
		room -= line->len < room ? line->len : room;
		if (len > room) {
			buf_add(line, from, from == s.p ? room : 0);
			buf_puts(line, "...");
			return;
		}
		buf_add(line, from, len);
		s = str_make(s.p + used, s.len - used);
	}
}

/* Whether a value of the text format can stand without quotes and be nothing but one value. */
static bool
is_bare(struct str s, bool spaces)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_letter(s.p[i]) && !(s.p[i] == ' ' && spaces))
			return false;
	}
	return s.len > 0;
}

static void
add_quoted(struct buf *line, struct str s)
{
	buf_putc(line, '"');
	add_escaped(line, s);
	buf_putc(line, '"');
}

static void
add_text(struct buf *line, struct str s, bool spaces)
{
	if (is_bare(s, spaces))
		add_escaped(line, s);
	else
		add_quoted(line, s);
}

static void
add_pair(struct buf *line, const char *key, const char *value)
{
	/* No room for the shortest pair: what comes now is left out. */
	if (line->len + strlen(key) + 8 + TAIL_BYTES > LINE_MAX_BYTES)
		return;
	if (log_format == LOG_JSON) {
		buf_putc(line, ',');
		add_quoted(line, str_of(key));
		buf_putc(line, ':');
		add_quoted(line, str_of(value));
		return;
	}
	buf_putc(line, ' ');
	add_text(line, str_of(key), false);
	buf_putc(line, '=');
	add_text(line, str_of(value), false);
}

static void
add_head(struct buf *line, enum log_level level, const char *message)
{
	const char *name = log_levels[level].name;
	if (log_format == LOG_JOURNAL) {
		buf_printf(line, "<%d>", log_levels[level].journal);
		add_text(line, str_of(message), true);
		return;
	}
	if (log_format == LOG_JSON)
		buf_puts(line, "{\"time\":\"");
	/* The log tells when a line was written, whatever clock the rules run on. */
	wall_format(clock_wall(clock_system()), line);
	if (log_format == LOG_JSON) {
		buf_printf(line, "\",\"level\":\"%s\",\"message\":", name);
		add_quoted(line, str_of(message));
		return;
	}
	buf_printf(line, " %s ", name);
	add_text(line, str_of(message), true);
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
	buf_puts(line, log_format == LOG_JSON ? "}\n" : "\n");
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
	AUTO(buf_fini) struct buf count = BUF_INIT;
	AUTO(buf_fini) struct buf line = BUF_INIT;
	buf_printf(&count, "%u", lost);
	if (atomic_load(&log_torn))
		buf_putc(&line, '\n');
	add_head(&line, LOG_WARNING, "log lines were lost: standard error was not read");
	add_pair(&line, "lines", buf_cstr(&count));
	if (!write_line(&line, 0))
		return false;
	atomic_fetch_sub(&log_lost, lost);
	return true;
}

void
log_write(enum log_level level, const char *message, ...)
{
	if (level > log_level)
		return;
	int saved = errno;
	if (log_format == LOG_AUTO)
		log_setup(log_level, LOG_AUTO);
	bool heard = report_lost();
	AUTO(buf_fini) struct buf line = BUF_INIT;
	add_head(&line, level, message);
	va_list ap;
	va_start(ap, message);
	for (const char *key; (key = va_arg(ap, const char *));) {
		const char *value = va_arg(ap, const char *);
		if (value)
			add_pair(&line, key, value);
	}
	va_end(ap);
	if (!heard || !write_line(&line, PATIENCE_MS))
		atomic_fetch_add(&log_lost, 1);
	errno = saved;
}
