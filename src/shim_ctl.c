/* rouse-shim: what the daemon says to it, a line each: the letters of io/spool.h. */
/* SPDX-License-Identifier: MIT */
#include "shim.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/os.h"

enum {
	CTL_READ = 65536,
	CTL_LINE_MAX = 128 << 10,
	CTL_FILE_MAX = 64 << 20,
	REASON_MAX = 64,
	LOCK_TRIES = 100,
};

static void
on_message(struct shim *s, struct str text, int64_t now UNUSED)
{
	static const char note[] =
		"rouse-shim: the agent does not read its standard input; a message was dropped\n";
	if (!feed_line(&s->in, text) && !s->err.held_len &&
	    s->err.bytes + (int64_t)sizeof(note) < s->err.max) {
		memcpy(s->err.held, note, sizeof(note) - 1);
		s->err.held_len = sizeof(note) - 1;
		drain_run(&s->err, now);
	}
}

static void
on_cancel(struct shim *s, struct str text, int64_t now)
{
	struct str reason = str_trim(text);
	shim_end(s,
		 reason.len && reason.len <= REASON_MAX && str_is_utf8(reason) ? reason
									       : STR("cancel"),
		 now);
}

/* Whoever stops it cannot wait as long as its own grace. */
static void
on_hurry(struct shim *s, struct str text, int64_t now)
{
	int64_t ms;
	if (!str_to_i64(str_trim(text), &ms) || ms < 0)
		return;
	s->grace_most_ms = ms;
	if (s->phase == TERMINATES)
		s->kill_at = earlier(s->kill_at, later_by(now, ms));
}

static void
on_move_deadline(struct shim *s, struct str text, int64_t now UNUSED)
{
	int64_t by, at;
	if (s->deadline_at == SHIM_NEVER || !str_to_i64(str_trim(text), &by))
		return;
	s->deadline_at = __builtin_add_overflow(s->deadline_at, by, &at) ? SHIM_NEVER : at;
}

static void
on_stand(struct shim *s, struct str text, int64_t now)
{
	int64_t ms;
	if (!str_to_i64(str_trim(text), &ms))
		return;
	if (ms <= 0) {
		shim_goes_on(s, now);
		return;
	}
	if (s->stands_since == SHIM_NEVER)
		s->stands_since = now;
	s->stands_until = later_by(now, ms);
}

static void
on_close_input(struct shim *s, struct str text UNUSED, int64_t now UNUSED)
{
	feed_close(&s->in);
}

static void
on_turn_over(struct shim *s, struct str text UNUSED, int64_t now UNUSED)
{
	if (s->out.watch && !s->stay.rests)
		s->out.watch->found = true;
}

static const struct {
	char letter;
	void (*fn)(struct shim *s, struct str text, int64_t now);
} ctl_lines[] = {
	{'>', on_message},     {'C', on_cancel}, {'D', on_move_deadline},
	{'E', on_close_input}, {'S', on_stand},	 {'G', on_hurry},
	{'@', shim_ctl_file},  {'N', stay_take}, {'T', on_turn_over},
};

static void
ctl_line(struct shim *s, struct str line, bool from_file, int64_t now)
{
	for (size_t i = 0; line.len && i < ARRAY_LEN(ctl_lines); i++)
		if (line.p[0] == ctl_lines[i].letter && !(from_file && line.p[0] == '@'))
			ctl_lines[i].fn(s, str_make(line.p + 1, line.len - 1), now);
}

/* Lines that were too long for the pipe, or came before we listened. */
void
shim_ctl_file(struct shim *s, struct str name, int64_t now)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str rest, line;
	for (size_t i = 0; i < name.len; i++)
		if (!(name.p[i] >= '0' && name.p[i] <= '9') &&
		    !(name.p[i] >= 'a' && name.p[i] <= 'z'))
			return;
	buf_printf(&path, "ctl.%.*s", STR_ARG(name));
	AUTO(auto_close)
	int fd = name.len ? open(buf_cstr(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	/* Whoever adds to it holds the lock, and sees by the links whether we were here. Who holds
	 * it longer is a stranger. */
	for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && i < LOCK_TRIES; i++)
		poll(NULL, 0, 1);
	bool ok = fd >= 0 && os_read_fd(fd, CTL_FILE_MAX, buf_cstr(&path), &text, NULL);
	unlink(buf_cstr(&path));
	for (rest = buf_str(&text); ok && rest.p && rest.len;) {
		rest = str_split(rest, '\n', &line);
		ctl_line(s, line, true, now);
	}
}

void
shim_ctl_read(struct shim *s, int fd, struct buf *begun, int64_t now)
{
	static char chunk[CTL_READ];
	ssize_t n = read(fd, chunk, sizeof(chunk));
	struct str rest, line;
	if (n <= 0)
		return;
	buf_add(begun, chunk, (size_t)n);
	for (rest = buf_str(begun); memchr(rest.p, '\n', rest.len);) {
		rest = str_split(rest, '\n', &line);
		ctl_line(s, line, false, now);
		if (!rest.p)
			rest = STR("");
	}
	buf_consume(begun, begun->len - rest.len);
	if (begun->len > CTL_LINE_MAX)
		buf_clear(begun);
}
