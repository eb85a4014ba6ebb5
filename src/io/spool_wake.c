/* Spools: the daemon's end of the pipe by which shims say that there is something new. */
/* SPDX-License-Identifier: MIT */
#include "io/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/os.h"

enum { WAKE_READ = 65536, LINE_MAX_BYTES = 128 };

struct spool_wake {
	int fd;
	struct event *event;
	void (*on_wake)(void *arg, struct str id);
	void *arg;
	char line[LINE_MAX_BYTES]; /* the start of a line whose end has not come */
	size_t len;
	bool skip; /* up to the next line end: too long to be one of ours */
};

/* Any process of our user can write here. */
static void
take_line(struct spool_wake *wake, struct str line)
{
	if (!wake->skip && wake->len + line.len <= sizeof(wake->line)) {
		if (line.len)
			memcpy(wake->line + wake->len, line.p, line.len);
		struct str id = str_make(wake->line, wake->len + line.len);
		if (spool_id_is_valid(id))
			wake->on_wake(wake->arg, id);
	}
	wake->len = 0;
	wake->skip = false;
}

static void
keep_rest(struct spool_wake *wake, struct str rest)
{
	wake->skip |= wake->len + rest.len > sizeof(wake->line);
	if (wake->skip || !rest.len)
		return;
	memcpy(wake->line + wake->len, rest.p, rest.len);
	wake->len += rest.len;
}

static void
on_readable(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct spool_wake *wake = arg;
	char *chunk = mem_alloc(WAKE_READ);
	ssize_t n = read(fd, chunk, WAKE_READ);
	struct str rest = n > 0 ? str_make(chunk, (size_t)n) : STR("");
	for (const char *end; (end = memchr(rest.p, '\n', rest.len));) {
		size_t len = (size_t)(end - rest.p);
		take_line(wake, str_make(rest.p, len));
		rest = str_make(end + 1, rest.len - len - 1);
	}
	keep_rest(wake, rest);
	free(chunk);
}

/* Left by the daemon before us, or anything else that took the name. */
static bool
pipe_make(const char *path, struct err *err)
{
	struct stat st;
	if (!mkfifo(path, 0600))
		return true;
	if (errno != EEXIST || lstat(path, &st))
		return err_errno(err, errno, "cannot create %s", path);
	/* Shims of other users may write: spool_wake_share(). */
	if (S_ISFIFO(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 055))
		return true;
	if (unlink(path) || mkfifo(path, 0600))
		return err_errno(err, errno, "cannot replace %s: expected a pipe of ours", path);
	return true;
}

bool
spool_wake_share(const char *root, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	buf_printf(&path, "%s/wake", root);
	return !chmod(buf_cstr(&path), 0622) ||
	       err_errno(err, errno, "cannot share %s", buf_cstr(&path));
}

struct spool_wake *
spool_wake_new(struct event_base *base, const char *root, void (*on_wake)(void *arg, struct str id),
	       void *arg, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	buf_printf(&path, "%s/wake", root);
	if (!os_mkdirs(root, 0700, err) || !pipe_make(buf_cstr(&path), err))
		return NULL;
	/* For writing too: it would be readable for ever once the last shim has left. */
	int fd = open(buf_cstr(&path), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		err_errno(err, errno, "cannot open %s", buf_cstr(&path));
		return NULL;
	}
	struct spool_wake *wake = mem_alloc(sizeof(*wake));
	wake->fd = fd;
	wake->on_wake = on_wake;
	wake->arg = arg;
	wake->event = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, wake);
	if (!wake->event || event_add(wake->event, NULL))
		abort(); /* out of memory */
	return wake;
}

void
spool_wake_free(struct spool_wake *wake)
{
	if (!wake)
		return;
	event_free(wake->event);
	close(wake->fd);
	free(wake);
}
