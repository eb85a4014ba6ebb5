/* rouse-shim [--unit] DIR: carries one exec run across restarts of the daemon. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/os.h"
#include "shim.h"

enum { EXIT_USE = 64, EXIT_JOB = 65, EXIT_SYSTEM = 71, EXIT_SPOOL = 74 };
enum {
	KILL_EVERY_MS = 20,
	KILL_AT_MOST_MS = 10000, /* what does not die of SIGKILL hangs in the kernel */
	STATUS_RETRY_MS = 200,
};

static int64_t
now_ms(void)
{
	return clock_mono(clock_system()).ms;
}

int64_t
later_by(int64_t now, int64_t ms)
{
	int64_t sum;
	return __builtin_add_overflow(now, ms > 0 ? ms : 0, &sum) ? SHIM_NEVER : sum;
}

/* --- the end --- */

static void
set_reason(struct shim *s, struct str reason)
{
	if (!s->status.reason)
		s->status.reason = str_dup(reason);
}

void
shim_end(struct shim *s, struct str reason, int64_t now)
{
	if (s->phase == RUNS) {
		set_reason(s, reason);
		s->phase = TERMINATES;
		s->kill_at = later_by(now, earlier(s->job->grace_ms, s->grace_most_ms));
		agent_terminate();
	} else if (s->phase == LINGERS) {
		s->kill_at = now;
	}
}

static void
on_output_over(struct shim *s, int64_t now)
{
	if (s->phase == LINGERS)
		set_reason(s, STR("output"));
	shim_end(s, STR("output"), now);
}

int64_t
shim_worked_ms(const struct shim *s, int64_t now)
{
	int64_t worked = earlier(now, s->stands_since) - s->began - s->stood_ms;
	return worked > 1 ? worked : 1;
}

static void
on_agent_exit(struct shim *s, int wait_status, int64_t now)
{
	s->agent = 0;
	s->wait_status = wait_status;
	s->status.worked_ms = shim_worked_ms(s, now);
	if (s->phase == RUNS)
		s->phase = LINGERS;
	s->kill_at = earlier(s->kill_at, later_by(now, s->job->linger_ms));
}

/* Every descendant whose parent has ended is our child; none may stay a zombie. */
static void
reap(struct shim *s, int64_t now)
{
	struct rusage usage;
	int wait_status;
	pid_t pid;
	while ((pid = wait4(-1, &wait_status, WNOHANG, &usage)) > 0) {
		int64_t rss = (int64_t)usage.ru_maxrss * 1024;
		if (rss > s->status.max_rss_bytes)
			s->status.max_rss_bytes = rss;
		s->status.cpu_ms +=
			(int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
			(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
		if (pid == s->agent)
			on_agent_exit(s, wait_status, now);
		else if (s->phase == KILLS && WIFSIGNALED(wait_status) &&
			 WTERMSIG(wait_status) == SIGKILL)
			s->status.killed++;
	}
	s->alone = pid < 0 && errno == ECHILD;
}

/* While the deadline stands only the end of that is looked for. */
static int64_t
deadline_next(const struct shim *s)
{
	return s->stands_since == SHIM_NEVER ? s->deadline_at : s->stands_until;
}

void
shim_goes_on(struct shim *s, int64_t now)
{
	if (s->stands_since == SHIM_NEVER)
		return;
	if (s->deadline_at != SHIM_NEVER)
		s->deadline_at = later_by(s->deadline_at, now - s->stands_since);
	s->stood_ms += now - s->stands_since;
	s->stands_since = s->stands_until = SHIM_NEVER;
}

/* The grid of phases and what time brings; what messages and exits bring is above. */
static void
on_time(struct shim *s, int64_t now)
{
	if (s->out.over)
		on_output_over(s, now);
	if (now >= s->stands_until)
		shim_goes_on(s, now);
	if (s->stands_since == SHIM_NEVER && now >= s->deadline_at)
		shim_end(s, STR("deadline"), now);
	stay_on_time(s, now);
	if (s->alone || now < s->kill_at)
		return;
	if (s->phase != KILLS) {
		s->phase = KILLS;
		s->give_up_at = now + KILL_AT_MOST_MS;
	}
	agent_kill();
	s->kill_at = now + KILL_EVERY_MS;
}

static void
on_signals(struct shim *s, int64_t now)
{
	struct signalfd_siginfo info;
	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM)
			shim_end(s, STR("cancel"), now);
	}
}

/* --- the loop --- */

/* In time that goes on while the machine sleeps, which poll()'s own does not. */
static void
arm_timer(struct shim *s, int64_t now)
{
	int64_t at = s->alone ? SHIM_NEVER
			      : earlier(s->kill_at, s->phase == RUNS || s->phase == LINGERS
							    ? deadline_next(s)
							    : SHIM_NEVER);
	if (!s->alone)
		at = earlier(at, s->stay.idle_at);
	at = earlier(at, earlier(s->out.retry_at, s->err.retry_at));
	if (s->waker.pending)
		at = earlier(at, s->waker.not_before);
	if (at == s->timer_at)
		return;
	s->timer_at = at;
	struct itimerspec spec = {0};
	if (at != SHIM_NEVER) {
		int64_t due = at > now ? at : now;
		spec.it_value.tv_sec = due / 1000;
		spec.it_value.tv_nsec = due % 1000 * 1000000 + 1;
	}
	timerfd_settime(s->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void
wait_for_events(struct shim *s)
{
	struct pollfd fds[] = {
		{s->signals, POLLIN, 0},
		{s->ctl, POLLIN, 0},
		{s->timer, POLLIN, 0},
		{s->out.held_len || s->out.failed || s->stay.watch.found ? -1 : s->out.pipe, POLLIN,
		 0},
		{s->err.held_len || s->err.failed ? -1 : s->err.pipe, POLLIN, 0},
		{feed_waits(&s->in) ? s->in.pipe : -1, POLLOUT, 0},
		{s->stay.ctl, POLLIN, 0},
	};
	arm_timer(s, now_ms());
	if (poll(fds, ARRAY_LEN(fds), -1) < 0)
		return;
	int64_t now = now_ms();
	if (fds[2].revents)
		s->timer_at = 0; /* has fired: must be set anew */
	if (fds[0].revents)
		on_signals(s, now);
	if (fds[1].revents)
		shim_ctl_read(s, s->ctl, &s->ctl_line, now);
	if (fds[6].revents)
		shim_ctl_read(s, s->stay.ctl, &s->stay.ctl_line, now);
	if (fds[5].revents)
		feed_run(&s->in);
}

static bool
is_over(const struct shim *s, int64_t now)
{
	if (!s->alone && (s->phase != KILLS || now < s->give_up_at))
		return false;
	/* Nobody of ours is left to write: what was in the pipes is all, even if a stranger holds
	 * them open. */
	return !s->out.held_len && !s->err.held_len;
}

static bool
drain_both(struct shim *s, int64_t now)
{
	bool grown = drain_run(&s->out, now);
	return drain_run(&s->err, now) || grown;
}

static void
carry(struct shim *s)
{
	for (;;) {
		int64_t now = now_ms();
		reap(s, now);
		/* After the reaping: what the dead wrote is in the pipes by now. */
		bool grown;
		do {
			grown = drain_both(s, now);
			s->waker.pending |= grown;
		} while (grown && s->alone);
		stay_look(s, now);
		on_time(s, now);
		if (is_over(s, now) || s->out.failed || s->err.failed)
			return;
		waker_run(&s->waker, now);
		wait_for_events(s);
	}
}

/* --- the beginning --- */

static void
take_place(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	sigset_t mask;
	sigfillset(&mask);
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		sigdelset(&mask, faults[i]);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	setsid();
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	/* So that no agent of our user reads the daemon's secrets out of us. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	umask(077);
}

bool
shim_open_turn(struct shim *s, struct err *err)
{
	const int append = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
	s->ctl = open("ctl", O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	s->out.file = open("out", append);
	s->err.file = open("err", append);
	if (s->ctl < 0 || s->out.file < 0 || s->err.file < 0)
		return err_errno(err, errno, "cannot open ctl, out or err of the spool");
	return true;
}

static bool
open_spool(struct shim *s, struct err *err)
{
	sigset_t mask;
	if (!shim_open_turn(s, err))
		return false;
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	s->signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	s->timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (s->signals < 0 || s->timer < 0)
		return err_errno(err, errno, "cannot open what the shim waits on");
	return !s->job->session || stay_begin(s, err);
}

/* Ours never wait; the agent's do. ours: which end. */
static bool
open_pipe(int ours, int *ret_ours, int *ret_agents, struct err *err)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC))
		return err_errno(err, errno, "cannot make a pipe to the agent");
	*ret_ours = fds[ours];
	*ret_agents = fds[!ours];
	return os_nonblock(fds[ours], true) ||
	       err_errno(err, errno, "cannot prepare a pipe to the agent");
}

static bool
start(struct shim *s, struct err *err)
{
	int fds[3] = {-1, -1, -1};
	bool ok = open_pipe(1, &s->in.pipe, &fds[0], err) &&
		  open_pipe(0, &s->out.pipe, &fds[1], err) &&
		  open_pipe(0, &s->err.pipe, &fds[2], err);
	if (ok) {
		s->out.max = s->job->out_max > 0 ? s->job->out_max : INT64_MAX;
		s->err.max = s->job->err_max > 0 ? s->job->err_max : 0;
		buf_add_str(&s->in.queue, s->job->input);
		s->in.fed = s->job->input.len;
		s->in.closing = !s->job->keep_stdin;
		feed_run(&s->in);
		ok = agent_start(s, fds, err);
	}
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (!ok)
		return false;
	who_write("agent", s->agent, NULL);
	int64_t now = now_ms();
	s->began = now;
	s->deadline_at = s->job->deadline_ms > 0 ? later_by(now, s->job->deadline_ms) : SHIM_NEVER;
	shim_ctl_file(s, STR("early"), now);
	return true;
}

static void
write_down(struct shim *s)
{
	struct spool_status *st = &s->status;
	bool signalled = !st->exec_failed && WIFSIGNALED(s->wait_status);
	st->ended_ms = clock_wall(clock_system()).ms;
	st->exit_code = st->exec_failed || signalled ? -1 : WEXITSTATUS(s->wait_status);
	st->signal = signalled ? WTERMSIG(s->wait_status) : 0;
	st->out_bytes = s->out.bytes;
	st->err_bytes = s->err.bytes;
	st->err_truncated = s->err.over;
	st->oom_kills = agent_oom_kills();
	if (!s->job || !s->job->session)
		return;
	st->turn = s->stay.turn;
	st->unread = st->turn > 1 && !st->out_bytes &&
		     (s->stay.unheard ||
		      (!st->reason && s->in.pipe >= 0 && feed_unread(&s->in) >= s->in.fed));
	if (st->unread) {
		free(st->reason);
		st->reason = NULL;
	}
}

/* A full disk may be emptied; a spool that is gone does not come back. */
static int
finish(struct shim *s)
{
	if (s->stay.rests) {
		stay_finish(s);
		return 0;
	}
	write_down(s);
	/* Nothing is heard from here on, and the folder may soon be another run's, with this pipe.
	 */
	if (s->ctl > STDERR_FILENO)
		close(s->ctl);
	for (;;) {
		AUTO(err_fini) struct err err = ERR_INIT;
		if (spool_status_write(".", &s->status, &err))
			break;
		if (err.code != E_FULL)
			return EXIT_SPOOL;
		poll(NULL, 0, STATUS_RETRY_MS);
	}
	s->waker.pending = true;
	for (int i = 0; s->waker.pending && i < 100; i++) {
		s->waker.not_before = 0;
		waker_run(&s->waker, 0);
		if (s->waker.pending)
			poll(NULL, 0, 20);
	}
	return 0;
}

static int
abandon(struct shim *s)
{
	int64_t until = now_ms() + KILL_AT_MOST_MS;
	for (s->phase = KILLS; !s->alone && now_ms() < until; reap(s, now_ms())) {
		agent_kill();
		poll(NULL, 0, KILL_EVERY_MS);
	}
	return EXIT_SPOOL;
}

static int
fail(struct shim *s, struct err *err, int code)
{
	s->status.exec_failed = true;
	s->status.error = mem_strdup(err_text(err));
	err_fini(err);
	int rc = finish(s);
	return code ? code : rc;
}

/* Three descriptors are open, or ours would become the agent's. */
static void
keep_standard_open(void)
{
	int fd;
	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd < 3)
		;
	if (fd >= 0)
		close(fd);
}

static int
run(struct shim *s)
{
	struct err err = ERR_INIT;
	if (!spool_job_read(".", &s->job, &err))
		return fail(s, &err, EXIT_JOB);
	buf_printf(&s->stay.id, "%s\n", s->job->id);
	s->waker.line = buf_str(&s->stay.id);
	s->waker.fd = -1;
	if (!open_spool(s, &err))
		return fail(s, &err, EXIT_SYSTEM);
	/* Whoever comes second must not touch the first one's spool. */
	if (!who_write("shim", getpid(), &err))
		return EXIT_SPOOL;
	spool_job_forget(".");
	if (s->in_unit) {
		unit_ready();
		if (!unit_user_check(s->job, &err))
			return fail(s, &err, EXIT_JOB);
	}
	s->status.started_ms = clock_wall(clock_system()).ms;
	if (!start(s, &err))
		return fail(s, &err, 0);
	carry(s);
	/* Output that cannot be kept leaves nothing to report: the attempt is lost. */
	return s->out.failed || s->err.failed ? abandon(s) : finish(s);
}

int
main(int argc, char **argv)
{
	static struct shim s = {
		.kill_at = SHIM_NEVER,
		.deadline_at = SHIM_NEVER,
		.grace_most_ms = SHIM_NEVER,
		.stands_since = SHIM_NEVER,
		.stands_until = SHIM_NEVER,
		.out = {.pipe = -1, .retry_at = SHIM_NEVER},
		.err = {.pipe = -1, .retry_at = SHIM_NEVER},
		.in = {.pipe = -1},
		.waker = {.fd = -1},
		.stay = {.idle_at = SHIM_NEVER, .root = -1, .home = -1, .ctl = -1, .turn = 1},
		.timer_at = SHIM_NEVER,
		.wait_status = SIGKILL, /* unless it is heard of again */
	};
	s.in_unit = argc == 3 && !strcmp(argv[1], "--unit");
	if (argc != 2 + s.in_unit || argv[argc - 1][0] == '-') {
		fprintf(stderr, "usage: rouse-shim [--unit] DIR\nrouse-shim is started by roused, "
				"or by systemd as a unit; DIR is the folder of one run.\n");
		return EXIT_USE;
	}
	keep_standard_open();
	if (chdir(argv[argc - 1])) {
		fprintf(stderr, "rouse-shim: cannot enter %s: %s\n", argv[argc - 1],
			strerror(errno));
		return EXIT_SPOOL;
	}
	take_place();
	/* At once: there is nothing left to flush, and every microsecond counts. */
	_exit(run(&s));
}
