/* Git targets: locks that a daemon left when it died. git knows a lock by its file alone, so that
 * one whose maker was killed would stand for ever: what is about to be locked is noted beforehand,
 * and what a noted lock says is believed only of a maker that lives. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/git_parts.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/os.h"

#define CALL(w, name, ...) PLACE_CALL(&(w)->place, name, __VA_ARGS__)
#define NOTE_BYTES 65536
/* Clocks of file systems are coarse. */
#define SLACK_NS 100000000
/* A daemon that hands over may be about to end its last write. */
#define PAUSE_NS 1000000000

/* When this daemon began. */
static struct timespec began;

void
git_lock_init(void)
{
	if (!began.tv_sec)
		clock_gettime(CLOCK_REALTIME, &began);
}

static int64_t
ns_between(const struct timespec *from, const struct timespec *to)
{
	return (int64_t)(to->tv_sec - from->tv_sec) * 1000000000 + (to->tv_nsec - from->tv_nsec);
}

static void
note_path(const struct git_work *w, struct buf *out)
{
	buf_cat(out, w->core->state_dir, "/git-locks-", w->t->name);
}

void
git_lock_path(const char *folder, const char *name, struct buf *out)
{
	size_t len = strlen(folder);

	buf_cat(out, folder, len && folder[len - 1] == '/' ? "" : "/", name, ".lock");
}

static void
line_add(struct buf *out, const char *folder, const char *name)
{
	git_lock_path(folder, name, out);
	buf_putc(out, '\n');
}

bool
git_lock_note(struct git_work *w, const struct git_job *jobs, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT, text = BUF_INIT, run = BUF_INIT;
	const char *folder = CALL(w, git_repository_commondir, w->place.repository);

	note_path(w, &path);
	line_add(&text, folder, buf_cstr(&w->place.ref));
	if (jobs && jobs[0].change->run_id) {
		buf_cat(&run, "refs/heads/" GIT_RUN_BRANCHES, jobs[0].change->run_id);
		line_add(&text, folder, buf_cstr(&run));
	}
	if (w->taken)
		line_add(&text, CALL(w, git_repository_path, w->place.repository), "index");
	return os_write_file(buf_cstr(&path), buf_str(&text), 0600, err) ||
	       err_prefix(err, "what is about to be locked cannot be noted");
}

void
git_lock_done(struct git_work *w)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	note_path(w, &path);
	unlink(buf_cstr(&path));
}

/* Made after the note, and before we were there. */
static void
lock_look(const char *path, const struct stat *note)
{
	const struct timespec pause = {.tv_sec = PAUSE_NS / 1000000000};
	struct stat st, again;

	if (lstat(path, &st) || !S_ISREG(st.st_mode) ||
	    ns_between(&note->st_mtim, &st.st_mtim) < -SLACK_NS ||
	    ns_between(&st.st_mtim, &began) < 0)
		return;
	nanosleep(&pause, NULL);
	if (lstat(path, &again) || again.st_ino != st.st_ino ||
	    ns_between(&st.st_mtim, &again.st_mtim))
		return;
	log_warning("lock of a daemon that died removed", "lock", path);
	unlink(path);
}

void
git_lock_recover(struct git_work *w)
{
	AUTO(buf_fini) struct buf path = BUF_INIT, text = BUF_INIT;
	struct str rest, line;
	struct stat note;

	note_path(w, &path);
	if (lstat(buf_cstr(&path), &note) ||
	    !os_read_file(buf_cstr(&path), NOTE_BYTES, &text, NULL))
		return;
	rest = buf_str(&text);
	while (rest.p && rest.len) {
		AUTO(auto_free) char *lock = NULL;

		rest = str_split(rest, '\n', &line);
		lock = str_dup(line);
		if (str_ends(line, STR(".lock")))
			lock_look(lock, &note);
	}
	unlink(buf_cstr(&path));
}
