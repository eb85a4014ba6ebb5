/* Child processes: spawned without a shell, watched by pidfd, their trees ended whole. */
/* SPDX-License-Identifier: MIT */
#include "io/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/list.h"
#include "base/os.h"
#include "io/start.h"
#include "io/tree.h"

struct proc {
	LIST_ENTRY(proc) link;
	pid_t pid;
	int pidfd;
	struct event *event;
	proc_on_exit *on_exit;
	void *arg;
};

/* Children are the process's, not the loop's: so is the list of those that are spoken for. */
static LIST_HEAD(, proc) proc_all = LIST_HEAD_INITIALIZER(proc_all);

/* Low descriptors kept for the next child's three: it then copies a table of six, not of thousands.
 * A slot with nothing to lend holds /dev/null. */
static struct {
	int fds[3];
	bool used[3]; /* holds something else than /dev/null */
	bool ready;
} slots;

static bool
slots_open(struct err *err)
{
	if (slots.ready)
		return true;
	AUTO(auto_close) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return err_errno(err, errno, "cannot open /dev/null");
	for (int i = 0; i < 3; i++) {
		slots.fds[i] = fcntl(null, F_DUPFD_CLOEXEC, 3);
		if (slots.fds[i] < 0) {
			int why = errno;
			while (i--)
				close(slots.fds[i]);
			return err_errno(err, why, "cannot keep descriptors for child processes");
		}
	}
	return slots.ready = true;
}

static bool
slots_fill(const int fds[3], struct err *err)
{
	for (int i = 0; i < 3; i++) {
		if (fds[i] < 0)
			continue;
		slots.used[i] = true;
		if (dup3(fds[i], slots.fds[i], O_CLOEXEC) < 0)
			return err_errno(err, errno, "cannot hand descriptor %d to a child process",
					 fds[i]);
	}
	return true;
}

/* A pipe's end left in a slot would keep its reader from ever seeing the end. */
static void
slots_empty(void)
{
	for (int i = 0; i < 3; i++) {
		if (!slots.used[i])
			continue;
		AUTO(auto_close) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null < 0 || dup3(null, slots.fds[i], O_CLOEXEC) < 0) {
			/* No descriptors: give them up; the next child opens them anew. */
			for (int j = 0; j < 3; j++)
				close(slots.fds[j]);
			memset(&slots, 0, sizeof(slots));
			return;
		}
		slots.used[i] = false;
	}
}

static void
on_pidfd(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct proc *proc = arg;
	int status = -1;
	pid_t got;
	do
		got = waitpid(proc->pid, &status, WNOHANG);
	while (got < 0 && errno == EINTR);
	if (got != proc->pid)
		status = -1;
	LIST_REMOVE(proc, link);
	close(proc->pidfd);
	proc->pidfd = -1;
	proc->on_exit(proc->arg, status);
}

static struct proc *
proc_new(struct event_base *base, pid_t pid, int take_pidfd, proc_on_exit *on_exit, void *arg)
{
	struct proc *proc = mem_alloc(sizeof(*proc));
	proc->pid = pid;
	proc->pidfd = take_pidfd;
	proc->on_exit = on_exit;
	proc->arg = arg;
	proc->event = event_new(base, take_pidfd, EV_READ, on_pidfd, proc);
	if (!proc->event || event_add(proc->event, NULL))
		abort(); /* out of memory */
	LIST_INSERT_HEAD(&proc_all, proc, link);
	return proc;
}

struct proc *
proc_spawn(struct event_base *base, const struct proc_spec *spec, proc_on_exit *on_exit, void *arg,
	   struct err *err)
{
	const int fds[3] = {spec->stdin_fd, spec->stdout_fd, spec->stderr_fd};
	AUTO(auto_free) char **paths = start_paths(spec->argv[0], getenv("PATH"));
	struct start_plan plan = {
		.argv = spec->argv,
		.envp = spec->envp,
		.paths = (const char *const *)paths,
		.workdir = spec->workdir,
		.share_fds = true,
		.new_session = spec->new_session,
		.umask = -1,
	};
	pid_t pid;
	int pidfd;
	if (!slots_open(err))
		return NULL;
	bool ok = slots_fill(fds, err);
	memcpy(plan.fds, slots.fds, sizeof(plan.fds));
	ok = ok && start_program(&plan, &pid, &pidfd, NULL, err);
	slots_empty();
	return ok ? proc_new(base, pid, pidfd, on_exit, arg) : NULL;
}

struct proc *
proc_adopt(struct event_base *base, pid_t pid, uint64_t start, proc_on_exit *on_exit, void *arg,
	   struct err *err)
{
	int fd = pid > 0 ? pidfd_open(pid, 0) : -1;
	if (fd < 0 && (pid <= 0 || errno == ESRCH || errno == EINVAL)) {
		err_set(err, E_NOT_FOUND, "process %d is gone", (int)pid);
		return NULL;
	}
	if (fd < 0) {
		err_errno(err, errno, "cannot watch process %d", (int)pid);
		return NULL;
	}
	/* Asked after the handle was taken: from here on the pid cannot become another's unnoticed.
	 */
	if (os_process_start(pid) != start || !start) {
		close(fd);
		err_set(err, E_NOT_FOUND, "process %d is gone: another one has its number now",
			(int)pid);
		return NULL;
	}
	return proc_new(base, pid, fd, on_exit, arg);
}

pid_t
proc_pid(const struct proc *proc)
{
	return proc->pid;
}

bool
proc_is_running(const struct proc *proc)
{
	return proc->pidfd >= 0;
}

void
proc_signal(struct proc *proc, int sig)
{
	if (proc->pidfd >= 0)
		pidfd_send_signal(proc->pidfd, sig, NULL, 0);
}

void
proc_free(struct proc *proc)
{
	if (!proc)
		return;
	event_free(proc->event);
	if (proc->pidfd >= 0) {
		LIST_REMOVE(proc, link);
		close(proc->pidfd);
	}
	free(proc);
}

/* --- what others left behind --- */

enum { REAP_MS = 1000, PAUSE_US = 1000 };

static int64_t
now_ms(void)
{
	return clock_mono(clock_system()).ms;
}

static bool
proc_is_watched(pid_t pid)
{
	struct proc *proc;
	LIST_FOREACH (proc, &proc_all, link)
		if (proc->pid == pid)
			return true;
	return false;
}

/* One stranger with all that it started: stopped first, so that nothing slips away to us alive. */
static size_t
stranger_kill(pid_t pid)
{
	size_t count = 0;
	pid_t us = getpid();
	if (!tree_signal_one(pid, us, us, SIGSTOP))
		return 0;
	count += tree_kill(pid);
	count += tree_signal_one(pid, us, us, SIGKILL);
	return count;
}

size_t
proc_reap_strangers(bool (*is_known)(void *arg, pid_t pid), void *arg)
{
	AUTO(tree_fini) struct tree tree = TREE_INIT;
	size_t count = 0;
	int64_t until = now_ms() + REAP_MS;
	for (;;) {
		size_t strangers = 0;
		tree_scan_children(&tree, getpid());
		for (size_t i = 0; i < tree.count; i++) {
			pid_t pid = tree.nodes[i].pid;
			if (proc_is_watched(pid) || (is_known && is_known(arg, pid)))
				continue;
			strangers++;
			if (waitpid(pid, NULL, WNOHANG) == pid)
				count++;
			else
				stranger_kill(pid);
		}
		if (!strangers || now_ms() > until)
			return count;
		usleep(PAUSE_US);
	}
}

/* --- by their mark --- */

static bool
environ_has(pid_t pid, struct str mark)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	char path[40];
	struct str rest, entry;
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	/* Nobody is allowed more than a quarter of his stack, 6 MiB at most. */
	if (!os_read_file(path, 8 << 20, &text, NULL))
		return false;
	for (rest = buf_str(&text); rest.p;) {
		rest = str_split(rest, '\0', &entry);
		if (str_eq(entry, mark))
			return true;
	}
	return false;
}

/* Through a handle taken before the look: the pid may become another's. */
static bool
marked_signal(pid_t pid, struct str mark, int sig)
{
	AUTO(auto_close) int fd = pidfd_open(pid, 0);
	return fd >= 0 && environ_has(pid, mark) && pidfd_send_signal(fd, sig, NULL, 0) == 0;
}

static size_t
marked_pass(struct str mark, int sig)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	size_t count = 0;
	if (!proc)
		return 0;
	while ((entry = readdir(proc))) {
		uint64_t pid;
		if (str_to_u64(str_of(entry->d_name), &pid) && (pid_t)pid != getpid())
			count += marked_signal((pid_t)pid, mark, sig);
	}
	closedir(proc);
	return count;
}

size_t
proc_kill_marked(const char *name, const char *value)
{
	AUTO(buf_fini) struct buf mark = BUF_INIT;
	int64_t until = now_ms() + REAP_MS;
	size_t stopped, before = 0, killed = 0;
	buf_printf(&mark, "%s=%s", name, value);
	/* Until a pass stops no more than the one before: then nobody is left to start others. */
	while ((stopped = marked_pass(buf_str(&mark), SIGSTOP)) > before && now_ms() <= until)
		before = stopped;
	for (;;) {
		size_t now = marked_pass(buf_str(&mark), SIGKILL);
		killed = now > killed ? now : killed;
		if (!now || now_ms() > until)
			return killed;
		usleep(PAUSE_US);
	}
}
