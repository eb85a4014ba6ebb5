/* rouse-shim: an agent that stays after its result, and gets the next turn of its session. */
/* SPDX-License-Identifier: MIT */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/os.h"

enum {
	TURN_LINE_MAX = 1 << 20, /* what roused takes as a line of the protocol */
	STATUS_AGAIN_MS = 200,
	LEAVE_MS = 2000, /* from the end of its standard input to SIGTERM */
};

/* --- the end of a turn --- */

static bool
says_result(struct str line)
{
	static const struct json_step type = {.name = {"type", 4}};
	struct str value;
	line = str_trim(line);
	return line.len && line.p[0] == '{' && json_scan(line) &&
	       json_raw_find(line, &type, 1, &value) && str_eq(value, STR("\"result\""));
}

size_t
watch_cut(struct watch *watch, const char *bytes, size_t len)
{
	for (size_t at = 0; at < len;) {
		const char *end = memchr(bytes + at, '\n', len - at);
		size_t upto = end ? (size_t)(end - bytes) + 1 : len;
		watch->skip |= watch->line.len + (upto - at) > TURN_LINE_MAX;
		if (!watch->skip)
			buf_add(&watch->line, bytes + at, upto - at);
		at = upto;
		if (!end)
			break;
		watch->found = !watch->skip && says_result(buf_str(&watch->line));
		watch->skip = false;
		buf_clear(&watch->line);
		if (watch->found)
			return at;
	}
	return len;
}

static void
fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
turn_let_go(struct shim *s)
{
	fd_close(&s->out.file);
	fd_close(&s->err.file);
	if (s->stay.ctl < 0) {
		s->stay.ctl = s->ctl;
		s->ctl = -1;
	}
	buf_clear(&s->ctl_line);
	s->out.bytes = s->err.bytes = 0;
	s->out.over = s->err.over = false;
	s->err.held_len = 0;
}

static void
turn_forget(struct shim *s)
{
	buf_clear(&s->stay.watch.line);
	s->stay.watch.skip = s->stay.watch.found = false;
	spool_status_fini(&s->status);
	s->deadline_at = s->stands_since = s->stands_until = s->grace_most_ms = SHIM_NEVER;
}

static bool
turn_write(struct shim *s, int64_t now)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	s->status.kept = true;
	s->status.turn = s->stay.turn;
	s->status.worked_ms = shim_worked_ms(s, now);
	s->status.ended_ms = clock_wall(clock_system()).ms;
	s->status.out_bytes = s->out.bytes;
	s->status.err_bytes = s->err.bytes;
	s->status.err_truncated = s->err.over;
	/* Whoever reads it may use the folder anew, with this pipe; home is ours as long as we
	 * live. */
	if (s->stay.ctl >= 0)
		fd_close(&s->ctl);
	if (spool_status_write(".", &s->status, &err))
		return true;
	s->status.kept = false;
	if (err.code == E_FULL)
		s->out.retry_at = now + STATUS_AGAIN_MS;
	else
		s->out.failed = true;
	return false;
}

void
stay_look(struct shim *s, int64_t now)
{
	struct stay *stay = &s->stay;
	if (!stay->watch.found || stay->rests || s->phase != RUNS || s->out.held_len ||
	    s->out.failed)
		return;
	if (!turn_write(s, now))
		return;
	turn_let_go(s);
	turn_forget(s);
	s->out.retry_at = SHIM_NEVER;
	if (fchdir(stay->home))
		shim_end(s, STR("its folder is gone"), now);
	stay->rests = true;
	stay->idle_at = later_by(now, s->job->idle_ms);
	s->waker.pending = true;
	s->waker.not_before = 0;
}

/* --- rest --- */

bool
stay_begin(struct shim *s, struct err *err)
{
	s->stay.home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->stay.root = open("..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->stay.home < 0 || s->stay.root < 0)
		return err_errno(err, errno, "cannot open the folder of the spool");
	s->out.watch = &s->stay.watch;
	return true;
}

void
stay_on_time(struct shim *s, int64_t now)
{
	struct stay *stay = &s->stay;
	if (!stay->rests || now < stay->idle_at)
		return;
	stay->idle_at = SHIM_NEVER;
	if (stay->leaves) {
		shim_end(s, STR("idle"), now);
		return;
	}
	stay->leaves = true;
	if (!s->status.reason)
		s->status.reason = str_dup(STR("idle"));
	feed_close(&s->in);
	stay->idle_at = later_by(now, LEAVE_MS);
}

void
stay_finish(struct shim *s)
{
	AUTO(buf_fini) struct buf why = BUF_INIT;
	const char *reason = s->status.reason;
	AUTO(auto_close) int fd = open("why", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (reason && !strcmp(reason, "idle"))
		buf_printf(&why, "it waited %lld s for a next turn (session_idle)",
			   (long long)(s->job->idle_ms / 1000));
	else if (reason)
		buf_puts(&why, reason);
	else if (WIFSIGNALED(s->wait_status))
		buf_printf(&why, "signal %d ended it while it waited for a next turn",
			   WTERMSIG(s->wait_status));
	else
		buf_printf(&why,
			   "it ended by itself while it waited for a next turn, exit status %d",
			   WEXITSTATUS(s->wait_status));
	if (fd >= 0)
		os_write_all(fd, buf_str(&why), NULL);
}

/* --- the next turn --- */

/* Nobody else has the job from here on. */
static bool
turn_open(struct shim *s, struct spool_job **ret_job, struct err *err)
{
	if (!spool_job_read(".", ret_job, err))
		return false;
	if (!shim_open_turn(s, err) || !who_write("shim", getpid(), err)) {
		spool_job_free(*ret_job);
		return false;
	}
	spool_job_forget(".");
	who_write("agent", s->agent, NULL);
	return true;
}

static void
turn_begin(struct shim *s, struct spool_job *take_job, int64_t now)
{
	struct stay *stay = &s->stay;
	spool_job_free(s->job);
	s->job = take_job;
	turn_forget(s);
	stay->rests = false;
	stay->idle_at = SHIM_NEVER;
	stay->turn++;
	s->began = now;
	s->stood_ms = 0;
	buf_clear(&stay->id);
	buf_printf(&stay->id, "%s\n", take_job->id);
	s->waker.line = buf_str(&stay->id);
	s->status.started_ms = clock_wall(clock_system()).ms;
	s->out.max = take_job->out_max > 0 ? take_job->out_max : INT64_MAX;
	s->err.max = take_job->err_max > 0 ? take_job->err_max : 0;
	s->deadline_at =
		take_job->deadline_ms > 0 ? later_by(now, take_job->deadline_ms) : SHIM_NEVER;
	s->in.fed = take_job->input.len;
	buf_consume(&s->in.queue, s->in.done);
	s->in.done = 0;
	buf_add_str(&s->in.queue, take_job->input);
	feed_run(&s->in);
	shim_ctl_file(s, STR("early"), now);
	/* It has closed its standard input: it will never know. */
	stay->unheard = s->in.pipe < 0;
	if (stay->unheard)
		shim_end(s, STR("unread"), now);
}

/* One that is about to go takes nothing: roused gives the job to another shim. */
void
stay_take(struct shim *s, struct str id, int64_t now)
{
	struct stay *stay = &s->stay;
	AUTO(buf_fini) struct buf name = BUF_INIT;
	AUTO(auto_close) int folder = -1;
	struct spool_job *job;
	id = str_trim(id);
	if (!stay->rests || stay->leaves || s->phase != RUNS || s->in.pipe < 0 ||
	    !spool_id_is_valid(id))
		return;
	buf_add_str(&name, id);
	folder = openat(stay->root, buf_cstr(&name),
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (folder < 0 || fchdir(folder))
		return;
	/* What it said between the turns is of none. */
	drain_run(&s->out, now);
	drain_run(&s->err, now);
	if (turn_open(s, &job, NULL)) {
		turn_begin(s, job, now);
		return;
	}
	fd_close(&s->out.file);
	fd_close(&s->err.file);
	fd_close(&s->ctl);
	/* The job is somebody else's, or cannot be read; whatever it is, this one is of no use. */
	if (fchdir(stay->home))
		shim_end(s, STR("its folder is gone"), now);
	shim_end(s, STR("a turn could not be taken"), now);
}
