/* rouse-shim: what flows between the agent, the spool and the daemon, never waiting for any of
 * them. */
/* SPDX-License-Identifier: MIT */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/os.h"

enum {
	DRAIN_ROUNDS = 64, /* of DRAIN_BYTES; then the others have their turn */
	DISK_RETRY_MS = 200,
	FEED_MAX = 16 << 20, /* messages for an agent that does not read */
	WAKE_EVERY_MS = 5,
	WAKE_RETRY_MS = 50,
};

/* --- out and err --- */

static bool
drain_write(struct drain *drain, int64_t now)
{
	drain->retry_at = SHIM_NEVER;
	if (drain->file < 0)
		drain->held_len = 0;
	while (drain->held_len) {
		ssize_t n = os.write(drain->file, drain->held + drain->held_at, drain->held_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			bool full = !n || errno == ENOSPC || errno == EDQUOT || errno == EAGAIN ||
				    errno == ENOMEM;
			drain->failed = !full;
			drain->retry_at = full ? now + DISK_RETRY_MS : SHIM_NEVER;
			return false;
		}
		drain->held_at += (size_t)n;
		drain->held_len -= (size_t)n;
		drain->bytes += n;
	}
	drain->held_at = 0;
	return true;
}

bool
drain_run(struct drain *drain, int64_t now)
{
	int64_t before = drain->bytes;
	for (int i = 0; i < DRAIN_ROUNDS && !drain->failed; i++) {
		if (!drain_write(drain, now) || drain->pipe < 0 ||
		    (drain->watch && drain->watch->found))
			break;
		ssize_t n = os.read(drain->pipe, drain->held, sizeof(drain->held));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			close(drain->pipe);
			drain->pipe = -1;
			break;
		}
		int64_t room = drain->max - drain->bytes;
		drain->over |= n > room;
		drain->held_len = n > room ? (size_t)room : (size_t)n;
		if (drain->watch && drain->file >= 0)
			drain->held_len = watch_cut(drain->watch, drain->held, drain->held_len);
	}
	/* What the last round read: nobody looks at the pipe while something is held. */
	if (drain->held_len && !drain->failed)
		drain_write(drain, now);
	return drain->bytes > before;
}

/* --- standard input --- */

static void
feed_shut(struct feed *feed)
{
	if (feed->pipe >= 0)
		close(feed->pipe);
	feed->pipe = -1;
	if (feed->queue.data)
		mem_zero(feed->queue.data, feed->queue.len);
	buf_fini(&feed->queue);
	feed->done = 0;
}

void
feed_run(struct feed *feed)
{
	while (feed_waits(feed)) {
		ssize_t n = os.write(feed->pipe, feed->queue.data + feed->done,
				     feed->queue.len - feed->done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) { /* EPIPE: the agent has closed it, which is its right */
			feed_shut(feed);
			return;
		}
		feed->done += (size_t)n;
	}
	feed->done = 0;
	buf_clear(&feed->queue);
	if (feed->closing)
		feed_shut(feed);
}

bool
feed_waits(const struct feed *feed)
{
	return feed->pipe >= 0 && feed->done < feed->queue.len;
}

bool
feed_line(struct feed *feed, struct str line)
{
	if (feed->pipe < 0 || feed->closing)
		return true;
	if (feed->queue.len - feed->done + line.len > FEED_MAX ||
	    !buf_try_reserve(&feed->queue, line.len + 1))
		return false;
	buf_consume(&feed->queue, feed->done);
	feed->done = 0;
	buf_add_str(&feed->queue, line);
	buf_putc(&feed->queue, '\n');
	feed->fed += line.len + 1;
	feed_run(feed);
	return true;
}

size_t
feed_unread(const struct feed *feed)
{
	int inside = 0;
	if (feed->pipe < 0 || ioctl(feed->pipe, FIONREAD, &inside) < 0)
		return 0;
	return (size_t)inside + feed->queue.len - feed->done;
}

void
feed_close(struct feed *feed)
{
	feed->closing = true;
	feed_run(feed);
}

/* --- the daemon's pipe --- */

static bool
waker_open(struct waker *waker)
{
	waker->fd = open("../wake", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	return waker->fd >= 0;
}

/* A daemon that comes later reads every spool anyway: with none there, nobody needs to be woken. */
void
waker_run(struct waker *waker, int64_t now)
{
	bool fresh = false;
	if (!waker->pending || now < waker->not_before)
		return;
	for (;;) {
		if (waker->fd < 0) {
			fresh = true;
			waker->pending = waker_open(waker);
		}
		if (!waker->pending)
			return;
		ssize_t n = write(waker->fd, waker->line.p, waker->line.len);
		if (n > 0 || errno == EAGAIN) {
			waker->pending = n <= 0;
			waker->not_before = now + (n > 0 ? WAKE_EVERY_MS : WAKE_RETRY_MS);
			return;
		}
		/* The daemon that had it open is gone; perhaps there is a new one, with a new pipe.
		 */
		close(waker->fd);
		waker->fd = -1;
		if (fresh) {
			waker->pending = false;
			return;
		}
	}
}
