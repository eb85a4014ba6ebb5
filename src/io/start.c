/* Starting programs: a child that shares our memory until it becomes the program; no fork, no copy.
 */
/* SPDX-License-Identifier: MIT */
#include "io/start.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "io/cgroup.h"
#include "io/confine.h"

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif

enum { STACK_BYTES = 65536 };
static const char path_default[] = "/usr/local/bin:/usr/bin:/bin";

/* What the child leaves in our memory when it fails. */
struct start_child {
	const struct start_plan *plan;
	pid_t parent;
	const char *step;
	const char *path;
	int errnum;
};

/* --- where the program lies --- */

char **
start_paths(const char *program, const char *path)
{
	size_t count = 1, name_len = strlen(program), bytes = 0;
	struct str rest, folder;
	bool direct = strchr(program, '/');
	if (!path)
		path = path_default;
	for (const char *p = path; !direct && *p; p++)
		count += *p == ':';
	bytes = direct ? name_len + 1 : strlen(path) + count * (name_len + 3);
	char **list = mem_alloc((count + 1) * sizeof(*list) + bytes);
	char *text = (char *)(list + count + 1);
	if (direct) {
		list[0] = memcpy(text, program, name_len + 1);
		return list;
	}
	rest = str_of(path);
	for (size_t i = 0; i < count; i++) {
		rest = str_split(rest, ':', &folder);
		if (!folder.len) /* POSIX: an empty entry is the working folder */
			folder = STR(".");
		list[i] = text;
		text = mempcpy(text, folder.p, folder.len);
		*text++ = '/';
		text = mempcpy(text, program, name_len + 1);
	}
	return list;
}

/* --- the child --- */

/* It runs on borrowed memory beside a sleeping parent, so it only makes system calls: nothing that
 * allocates, locks or signals the parent's threads (as the C library's setuid() would). */
#define CHILD_CODE __attribute__((no_sanitize("address", "undefined")))

CHILD_CODE static bool
child_failed(struct start_child *c, const char *step)
{
	c->errnum = errno;
	c->step = step;
	return false;
}

CHILD_CODE static bool
child_descriptors(struct start_child *c)
{
	const struct start_plan *plan = c->plan;
	unsigned top = 2;
	for (int i = 0; i < 3; i++)
		if ((unsigned)plan->fds[i] > top)
			top = (unsigned)plan->fds[i];
	if (plan->share_fds && syscall(SYS_close_range, top + 1, ~0U, CLOSE_RANGE_UNSHARE))
		return child_failed(c, "close descriptors for");
	for (int i = 0; i < 3; i++)
		if (dup2(plan->fds[i], i) < 0)
			return child_failed(c, "connect the pipes of");
	if (syscall(SYS_close_range, 3, ~0U, 0))
		return child_failed(c, "close descriptors for");
	return true;
}

CHILD_CODE static bool
child_limits(struct start_child *c)
{
	const struct start_plan *plan = c->plan;
	for (size_t i = 0; i < plan->limit_count; i++) {
		struct rlimit limit = {plan->limits[i].soft, plan->limits[i].hard}, now;
		if (!setrlimit(plan->limits[i].resource, &limit))
			continue;
		if (errno != EPERM || getrlimit(plan->limits[i].resource, &now))
			return child_failed(c, "limit");
		limit.rlim_max = now.rlim_max;
		if (limit.rlim_cur > limit.rlim_max)
			limit.rlim_cur = limit.rlim_max;
		if (setrlimit(plan->limits[i].resource, &limit))
			return child_failed(c, "limit");
	}
	if (plan->umask >= 0)
		umask((mode_t)plan->umask);
	if (plan->nice && setpriority(PRIO_PROCESS, 0, plan->nice) && plan->nice > 0)
		return child_failed(c, "set the priority of");
	return true;
}

CHILD_CODE static bool
child_user(struct start_child *c)
{
	const struct start_plan *plan = c->plan;
	if (!plan->change_user)
		return true;
	if (syscall(SYS_setgroups, plan->group_count, plan->groups) ||
	    syscall(SYS_setresgid, plan->gid, plan->gid, plan->gid) ||
	    syscall(SYS_setresuid, plan->uid, plan->uid, plan->uid))
		return child_failed(c, "change the user of");
	return true;
}

/* After the change of user, which forgets the death signal; in the folder as that user sees it. */
CHILD_CODE static bool
child_place(struct start_child *c)
{
	const struct start_plan *plan = c->plan;
	if (plan->die_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return child_failed(c, "tie to its parent");
	if (plan->die_with_parent && getppid() != c->parent)
		_exit(127);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return child_failed(c, "bind");
	c->path = plan->workdir ? plan->workdir : "/";
	if (chdir(c->path))
		return child_failed(c, "enter the working folder");
	return true;
}

/* First of all: it needs our rights, and descriptors that are closed next. Nothing that follows is
 * forbidden by it. */
CHILD_CODE static bool
child_confine(struct start_child *c)
{
	if (c->plan->enter_group && !cgroup_enter(c->plan->group_fd))
		return child_failed(c, "enter the group of");
	const char *step = c->plan->confine ? confine_apply(c->plan->confine) : NULL;
	return !step || child_failed(c, step);
}

/* Ignored signals would stay ignored in the program; handlers must be gone before any is let in. */
CHILD_CODE static void
child_signals(void)
{
	struct sigaction usual = {.sa_handler = SIG_DFL};
	/* The kernel's own struct: handler, flags, restorer, mask; all zero is the default. */
	static const unsigned long kernel_usual[4];
	sigset_t none;
	for (int sig = 1; sig < _NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			sigaction(sig, &usual, NULL);
	/* Two that glibc keeps for itself and does not let sigaction() touch; whoever started us
	 * may ignore them. */
	for (int sig = SIGRTMIN - 1; sig >= 32; sig--)
		syscall(SYS_rt_sigaction, sig, kernel_usual, NULL, sizeof(unsigned long));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

CHILD_CODE static void
child_exec(struct start_child *c)
{
	static const char *const nothing[] = {NULL};
	const struct start_plan *plan = c->plan;
	const char *const *envp = plan->envp ? plan->envp : nothing;
	int worst = ENOENT;
	c->path = plan->paths[0];
	for (size_t i = 0; plan->paths[i]; i++) {
		execve(plan->paths[i], (char *const *)plan->argv, (char *const *)envp);
		if (errno == ENOENT || errno == ENOTDIR)
			continue;
		c->path = plan->paths[i];
		worst = errno;
		if (errno != EACCES)
			break;
	}
	errno = worst;
	child_failed(c, "start");
}

CHILD_CODE static int
child_main(void *arg)
{
	struct start_child *c = arg;
	if (child_confine(c) && child_descriptors(c) && (!c->plan->new_session || setsid() >= 0) &&
	    child_limits(c) && child_user(c) && child_place(c)) {
		child_signals();
		child_exec(c);
	}
	_exit(127);
}

/* --- the parent --- */

static const struct {
	int errnum;
	enum err_code code;
	const char *hint;
} start_errors[] = {
	{ENOENT, E_NOT_FOUND, "; look at its name, $PATH, and what its first line (#!) names"},
	{ENOTDIR, E_NOT_FOUND, ""},
	{EACCES, E_DENIED,
	 "; it must be a file that may be executed, in folders that may be entered"},
	{EPERM, E_DENIED, ""},
	{ENOEXEC, E_INVALID, "; it is no program: a script begins with #! and its interpreter"},
	{E2BIG, E_TOO_LARGE, "; its arguments and environment are too long"},
	{EAGAIN, E_FULL, "; too many processes: see its user's limits"},
	{EMFILE, E_FULL, "; raise the limit of open files"},
};

static bool
start_failed(const struct start_child *c, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(start_errors); i++) {
		if (start_errors[i].errnum == c->errnum)
			return err_set(err, start_errors[i].code, "cannot %s %s: %s%s", c->step,
				       c->path, strerrordesc_np(c->errnum), start_errors[i].hint);
	}
	return err_errno(err, c->errnum, "cannot %s %s", c->step, c->path);
}

static char *
child_stack(void)
{
	static char *stack;
	if (stack)
		return stack;
	void *p = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	return stack = p == MAP_FAILED ? NULL : p;
}

bool
start_program(const struct start_plan *plan, pid_t *ret_pid, int *ret_pidfd, int *ret_errno,
	      struct err *err)
{
	struct start_child child = {
		.plan = plan, .parent = getpid(), .step = "start", .path = plan->argv[0]};
	int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD |
		    (plan->share_fds ? CLONE_FILES : 0);
	char *stack = child_stack();
	AUTO(auto_close) int pidfd = -1;
	sigset_t all, old;
	assert(plan->fds[0] > 2 && plan->fds[1] > 2 && plan->fds[2] > 2);
	if (!stack)
		return err_set(err, E_FULL, "no memory to start %s", plan->argv[0]);
	/* No handler of ours may run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	pid_t pid = clone(child_main, stack + STACK_BYTES, flags, &child, &pidfd);
	int why = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		child.errnum = why;
	if (child.errnum) {
		if (pid > 0)
			while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
				;
		if (ret_errno)
			*ret_errno = child.errnum;
		return start_failed(&child, err);
	}
	*ret_pid = pid;
	if (ret_pidfd) {
		*ret_pidfd = pidfd;
		pidfd = -1;
	}
	return true;
}
