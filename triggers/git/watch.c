/* A local repository's refs, watched by inotify: a hint to look now, and no more. */
/* SPDX-License-Identifier: MIT */
#include "triggers/git/watch.h"

#include <dirent.h>
#include <event2/event.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDERS_MAX 2000
#define DEPTH_MAX 32
#define MASK                                                                                       \
	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_DELETE | IN_DELETE_SELF |   \
	 IN_ONLYDIR | IN_DONT_FOLLOW)

struct watch {
	char *path;
	int fd, top; /* top: the watch of the repository's own folder */
	struct event *event;
	void (*on_hint)(void *arg);
	void *arg;
};

/* In the repository's own folder much goes on that is no ref. */
static bool
event_counts(const struct watch *watch, const struct inotify_event *event)
{
	const char *name = event->len ? event->name : "";

	if (event->mask & IN_IGNORED)
		return false;
	if (event->wd == watch->top && !(event->mask & IN_Q_OVERFLOW))
		return !*name || !strcmp(name, "packed-refs") || !strcmp(name, "refs");
	return !str_ends(str_of(name), STR(".lock"));
}

static void
on_readable(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct watch *watch = arg;
	char bytes[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool hint = false;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		const struct inotify_event *event;

		for (const char *p = bytes; p < bytes + n; p += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)(const void *)p;
			hint |= event_counts(watch, event);
		}
	}
	if (hint)
		watch->on_hint(watch->arg);
}

struct watch *
watch_new(struct core *core, const char *path, void (*on_hint)(void *arg), void *arg)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct watch *watch;

	if (fd < 0)
		return NULL;
	watch = mem_alloc(sizeof(*watch));
	*watch = (struct watch){
		.path = mem_strdup(path), .fd = fd, .top = -1, .on_hint = on_hint, .arg = arg};
	watch->event = event_new(core->base, fd, EV_READ | EV_PERSIST, on_readable, watch);
	event_add(watch->event, NULL);
	return watch;
}

void
watch_free(struct watch *watch)
{
	if (!watch)
		return;
	event_free(watch->event);
	close(watch->fd);
	free(watch->path);
	free(watch);
}

/* Each folder before what is in it: what comes meanwhile is seen by one or the other. */
static void
folder_watch(struct watch *watch, struct buf *path, unsigned depth, unsigned *folders)
{
	size_t len = path->len;
	struct dirent *entry;
	DIR *dir;

	if (depth > DEPTH_MAX || ++*folders > FOLDERS_MAX ||
	    inotify_add_watch(watch->fd, buf_cstr(path), MASK) < 0)
		return;
	dir = opendir(buf_cstr(path));
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		buf_cat(path, "/", entry->d_name);
		folder_watch(watch, path, depth + 1, folders);
		buf_truncate(path, len);
	}
	closedir(dir);
}

void
watch_refresh(struct watch *watch)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	unsigned folders = 0;
	struct stat st;

	if (!watch)
		return;
	buf_cat(&path, watch->path, "/.git");
	if (lstat(buf_cstr(&path), &st) || !S_ISDIR(st.st_mode))
		buf_truncate(&path, path.len - strlen("/.git"));
	watch->top = inotify_add_watch(watch->fd, buf_cstr(&path), MASK);
	buf_puts(&path, "/refs");
	folder_watch(watch, &path, 0, &folders);
}
