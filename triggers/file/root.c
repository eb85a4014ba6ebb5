/* Root: found, lost, and found again. What lies below is not gone because the root is. */
/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/uuid.h"
#include "pure/backoff.h"
#include "triggers/file/watcher.h"

/* A folder above is busy: it makes us look no more often than this. */
#define GUARD_MS 20

/* A folder above the root, watched for what befalls the next one on the way down. */
struct guard {
	struct watched watched; /* first */
};

static const struct backoff again = {
	.base_ms = 1000, .cap_ms = 60000, .factor = 2, .jitter = BACKOFF_FULL};

/* --- guards -------------------------------------------------------------------------------- */

bool
root_is_guard(const struct watcher *w, const struct watched *watched)
{
	const char *at = (const char *)watched, *first = (const char *)w->guards;

	return first && at >= first && at < first + w->guard_count * sizeof(*w->guards);
}

static void
guards_drop(struct watcher *w)
{
	for (size_t i = 0; i < w->guard_count; i++)
		watch_detach(&w->guards[i].watched);
	free(w->guards);
	w->guards = NULL;
	w->guard_count = 0;
}

/* Every folder above the root that is there; the one just above it by mask parent. */
static void
guards_set(struct watcher *w, uint32_t mask, uint32_t parent)
{
	size_t last = (size_t)(strrchr(w->path, '/') - w->path);
	size_t room = 0;
	struct guard *guards;

	guards_drop(w);
	for (const char *p = w->path; *p; p++)
		room += *p == '/';
	guards = mem_alloc_array(room + 1, sizeof(*guards));
	w->guards = guards;
	for (size_t at = 0; at < strlen(w->path); at++) {
		AUTO(auto_free) char *above = NULL;
		int wd;

		if (w->path[at] != '/' || !w->path[1])
			continue;
		above = mem_memdup(w->path, at ? at : 1);
		wd = inotify_add_watch(watch_fd(), above, at == last ? parent : mask);
		if (wd < 0)
			continue;
		guards[w->guard_count].watched.wd = -1;
		watch_attach(&guards[w->guard_count++].watched, &w->user, wd);
	}
}

static void
on_root_timer(void *arg)
{
	struct watcher *w = arg;

	/* One timer for both: looking, and looking again. */
	watch_drain();
	root_look(w);
}

void
root_look_soon(struct watcher *w, int64_t ms)
{
	core_timer_arm(w->source.core, &w->root_timer, ms, on_root_timer, w);
}

void
root_on_guard(struct watcher *w, uint32_t mask, struct str name)
{
	/* Others come and go beside it. */
	if (w->ground && mask & IN_DELETE && !str_eq_cstr(name, strrchr(w->path, '/') + 1))
		return;
	root_look_soon(w, GUARD_MS);
}

/* --- the root ------------------------------------------------------------------------------ */

static bool
is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *d;
	bool empty = true;

	if (!dir) {
		if (copy >= 0)
			close(copy);
		return false;
	}
	while (empty && (d = readdir(dir)))
		empty = !strcmp(d->d_name, ".") || !strcmp(d->d_name, "..");
	closedir(dir);
	return empty;
}

/* What is left in the place of a file system that was taken away is not the root. */
static bool
is_mount_point(const struct watcher *w, const struct ground *ground)
{
	return w->is_unmounted && ground->device != w->device && is_empty(ground->fd);
}

static void
root_await(struct watcher *w, const char *why)
{
	guards_set(w, WATCH_AWAIT, WATCH_AWAIT);
	source_set_health(&w->source, HEALTH_FAILING, why);
	w->tries++;
	root_look_soon(w, 100 + backoff_delay(&again, w->tries, entropy_below(UINT64_MAX)));
}

static void
root_found(struct watcher *w, struct ground *take_ground)
{
	w->ground = take_ground;
	w->is_deleted = w->is_unmounted = false;
	w->tries = 0;
	w->device = w->ground->device;
	core_timer_stop(w->root_timer);
	guards_set(w, WATCH_GUARD, WATCH_PARENT);
	tree_plant(&w->tree);
	scan_all(w);
	if (w->ground->is_remote)
		log_info("file system tells not of all changes; it is polled too", "trigger",
			 w->source.name, "folder", w->path, "type", ground_remote(w->ground->fd));
	watcher_tell(w, NULL);
}

void
root_look(struct watcher *w)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct ground *ground = NULL;
	struct stat st;

	if (w->broken || (w->ground && ground_is_there(w->ground)))
		return;
	if (w->ground) {
		root_lose(w, !fstat(w->ground->fd, &st) && !st.st_nlink, false);
		return;
	}
	if (!ground_open(w->path, watch_fd(), &w->sight, &ground, &err)) {
		root_await(w, err_text(&err));
		return;
	}
	if (is_mount_point(w, ground)) {
		err_set(&err, E_NOT_FOUND,
			"the file system at %s was taken away; it is waited for, and nothing "
			"counts as deleted",
			w->path);
		ground_unref(ground);
		root_await(w, err_text(&err));
		return;
	}
	root_found(w, ground);
}

void
root_lose(struct watcher *w, bool deleted, bool unmounted)
{
	struct ground *ground = TAKE(w->ground);

	if (!ground)
		return;
	log_warning("watched folder has gone", "trigger", w->source.name, "folder", w->path, "how",
		    deleted	? "deleted"
		    : unmounted ? "unmounted"
				: "moved");
	w->is_deleted = deleted;
	w->is_unmounted = unmounted;
	tree_clear(&w->tree);
	scan_stop(w);
	sweep_stop(w);
	ground_unref(ground);
	/* What was seen to be deleted is; of everything else only its return will tell. */
	if (!deleted)
		pendings_drop(&w->pendings);
	root_look_soon(w, 0);
}

void
root_fini(struct watcher *w)
{
	guards_drop(w);
	ground_unref(TAKE(w->ground));
}
