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

/* systemd.exec(5): the variable names the device and inode of the journal's socket. It is handed
 * on to children whose standard error may long be something else. */
static bool stderr_is_journal(void)
{
	struct stat st;
	struct str inode, device;
	uint64_t dev, ino;
	inode = str_split(str_of(getenv("JOURNAL_STREAM")), ':', &device);
	return str_to_u64(device, &dev) && str_to_u64(inode, &ino) && !fstat(STDERR_FILENO, &st) &&
	       st.st_dev == dev && st.st_ino == ino;
}

void log_setup(enum log_level level, enum log_format format)
{
	if (format == LOG_AUTO)
		format = stderr_is_journal() ? LOG_JOURNAL : LOG_TEXT;
	log_level = level;
	log_format = format;
}

bool log_level_parse(const char *name, enum log_level *ret)
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

/* Characters that move the cursor, end the line, or turn the direction of reading. */
static bool is_unprintable(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
	       code == 0xfeff;
}

/* One character of s behind each other into the line, as far as there is room. */
static void add_escaped(struct buf *line, struct str s)
{
	while (s.len) {
		AUTO(buf_fini) struct buf piece = BUF_INIT;
		uint32_t code;
		size_t n = str_utf8_next(s, &code);
		if (!n)
			buf_puts(&piece, log_format == LOG_JSON ? "\\ufffd" : "");
		if (!n && log_format != LOG_JSON)
			buf_printf(&piece, "\\x%02x", (unsigned char)s.p[0]);
		else if (n && (code == '"' || code == '\\'))
			buf_printf(&piece, "\\%c", (char)code);
		else if (n && code == '\n')
			buf_puts(&piece, "\\n");
		else if (n && is_unprintable(code))
			buf_printf(&piece, "\\u%04x", code);
		else if (n)
			buf_add(&piece, s.p, n);
		if (line->len + piece.len + TAIL_BYTES > LINE_MAX_BYTES) {
			buf_puts(line, "...");
			return;
		}
		buf_add_str(line, buf_str(&piece));
		n += !n;
		s = str_make(s.p + n, s.len - n);
	}
}

/* Whether a value of the text format can stand without quotes and be nothing but one value. */
static bool is_bare(struct str s, bool spaces)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '=' ||
		    (c == ' ' && !spaces))
			return false;
	}
	return s.len > 0;
}

static void add_quoted(struct buf *line, struct str s)
{
	buf_putc(line, '"');
	add_escaped(line, s);
	buf_putc(line, '"');
}

static void add_text(struct buf *line, struct str s, bool spaces)
{
	if (is_bare(s, spaces))
		add_escaped(line, s);
	else
		add_quoted(line, s);
}

static void add_pair(struct buf *line, const char *key, const char *value)
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

static void add_head(struct buf *line, enum log_level level, const char *message)
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
static ssize_t write_some(const char *p, size_t len)
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

static bool write_patiently(const char *p, size_t len, int patience_ms)
{
	while (len) {
		struct pollfd pfd = {STDERR_FILENO, POLLOUT, 0};
		int ready = poll(&pfd, 1, patience_ms);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return false;
		ssize_t n = write_some(p, len);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

/* A reader that went away must not end us: SIGPIPE is held back, and taken if it is ours. */
static bool write_line(struct str line, int patience_ms)
{
	sigset_t pipe_set, old, pending;
	struct timespec now = {0, 0};
	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	sigpending(&pending);
	bool was_pending = sigismember(&pending, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
	bool ok = write_patiently(line.p, line.len, patience_ms);
	if (!ok && errno == EPIPE && !was_pending)
		while (sigtimedwait(&pipe_set, NULL, &now) < 0 && errno == EINTR)
			continue;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ok;
}

static void end_and_write(struct buf *line)
{
	buf_puts(line, log_format == LOG_JSON ? "}\n" : "\n");
	/* Who was too slow for one line is not waited for again until it reads. */
	unsigned lost = atomic_load(&log_lost);
	if (!write_line(buf_str(line), lost ? 0 : PATIENCE_MS))
		atomic_fetch_add(&log_lost, 1);
}

static void report_lost(void)
{
	unsigned lost = atomic_load(&log_lost);
	if (!lost)
		return;
	AUTO(buf_fini) struct buf count = BUF_INIT;
	AUTO(buf_fini) struct buf line = BUF_INIT;
	buf_printf(&count, "%u", lost);
	add_head(&line, LOG_WARNING, "log lines were lost: standard error was not read");
	add_pair(&line, "lines", buf_cstr(&count));
	buf_puts(&line, log_format == LOG_JSON ? "}\n" : "\n");
	if (write_line(buf_str(&line), 0))
		atomic_fetch_sub(&log_lost, lost);
}

void log_write(enum log_level level, const char *message, ...)
{
	if (level > log_level)
		return;
	int saved = errno;
	if (log_format == LOG_AUTO)
		log_setup(log_level, LOG_AUTO);
	report_lost();
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
	end_and_write(&line);
	errno = saved;
}
