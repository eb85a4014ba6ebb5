/* Tests: children are started, watched and ended whole. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/os.h"
#include "io/proc.h"
#include "tests/unit/tap.h"

static struct event_base *base;

struct seen {
	int calls, status;
	struct proc *proc;
	bool free_inside;
};

static void
on_exit_seen(void *arg, int wait_status)
{
	struct seen *seen = arg;
	seen->calls++;
	seen->status = wait_status;
	if (seen->free_inside)
		proc_free(seen->proc);
}

static void
on_late(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	*(bool *)arg = true;
}

/* Runs the loop until seen was called, at most 10 s. */
static bool
wait_for(struct seen *seen)
{
	bool late = false;
	struct timeval tv = {10, 0};
	struct event *timer = evtimer_new(base, on_late, &late);
	evtimer_add(timer, &tv);
	while (!seen->calls && !late)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(timer);
	return seen->calls;
}

static struct proc *
sh(const char *script, int out, struct seen *seen, struct err *err)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	const char *envp[] = {"PATH=/usr/bin:/bin", "MARK=yes", NULL};
	struct proc_spec spec = {
		.argv = argv, .envp = envp, .stdin_fd = -1, .stdout_fd = out, .stderr_fd = -1};
	memset(seen, 0, sizeof(*seen));
	return seen->proc = proc_spawn(base, &spec, on_exit_seen, seen, err);
}

/* What a script prints. */
static const char *
output(const char *script)
{
	static char text[4096];
	int fds[2];
	struct seen seen;
	ssize_t n = 0, len = 0;
	if (pipe2(fds, O_CLOEXEC))
		return "no pipe";
	struct proc *proc = sh(script, fds[1], &seen, NULL);
	close(fds[1]);
	while (proc && len < (ssize_t)sizeof(text) - 1 &&
	       (n = read(fds[0], text + len, sizeof(text) - 1 - (size_t)len)) > 0)
		len += n;
	text[len] = '\0';
	close(fds[0]);
	if (proc)
		wait_for(&seen);
	proc_free(proc);
	return text;
}

static enum err_code
failure(const char *program, const char *workdir)
{
	const char *argv[] = {program, NULL};
	struct proc_spec spec = {
		.argv = argv, .workdir = workdir, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1};
	AUTO(err_fini) struct err err = ERR_INIT;
	struct seen seen = {0};
	struct proc *proc = proc_spawn(base, &spec, on_exit_seen, &seen, &err);
	if (proc)
		wait_for(&seen);
	proc_free(proc);
	return err.code;
}

static int
count_fds(void)
{
	int n = 0;
	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static bool
nobody_left(void)
{
	return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

/* Until the file is there. */
static void
wait_file(const char *path)
{
	for (int i = 0; i < 1000 && access(path, F_OK); i++)
		poll(NULL, 0, 10);
}

static bool
knows(void *arg, pid_t pid)
{
	return *(pid_t *)arg == pid;
}

static void
test_start(void)
{
	struct seen seen;
	IT ("tells how a child ended, once") {
		struct proc *proc = sh("exit 7", -1, &seen, NULL);
		CHECK(proc && proc_pid(proc) > 0);
		CHECK(wait_for(&seen));
		CHECK(WIFEXITED(seen.status) && WEXITSTATUS(seen.status) == 7);
		event_base_loop(base, EVLOOP_NONBLOCK);
		CHECK_INT(seen.calls, 1);
		CHECK(nobody_left());
		proc_signal(proc, SIGKILL); /* harmless by now */
		proc_free(proc);
	}
	IT ("tells which signal ended a child") {
		struct proc *proc = sh("kill -SEGV $$", -1, &seen, NULL);
		CHECK(wait_for(&seen));
		CHECK(WIFSIGNALED(seen.status) && WTERMSIG(seen.status) == SIGSEGV);
		proc_free(proc);
	}
	IT ("may be freed by the one who is told") {
		CHECK(sh("true", -1, &seen, NULL));
		seen.free_inside = true;
		CHECK(wait_for(&seen));
	}
	IT ("signals a child") {
		struct proc *proc = sh("exec sleep 60", -1, &seen, NULL);
		proc_signal(proc, SIGTERM);
		CHECK(wait_for(&seen));
		CHECK(WIFSIGNALED(seen.status) && WTERMSIG(seen.status) == SIGTERM);
		proc_free(proc);
	}
	IT ("gives a child only three descriptors, wherever its pipe lies") {
		int high = fcntl(0, F_DUPFD, 900); /* not close-on-exec */
		CHECK_STR(output("ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3 "); /* 3: ls itself */
		close(high);
	}
	IT ("gives a child its own environment and no other") {
		setenv("SECRET", "x", 1);
		CHECK_STR(output("env | grep -v -e ^PWD -e ^_ -e ^SHLVL -e ^OLDPWD | sort | tr "
				 "'\\n' ' '"),
			  "MARK=yes PATH=/usr/bin:/bin ");
	}
	IT ("starts in / unless told otherwise") {
		CHECK_STR(output("pwd"), "/\n");
	}
	IT ("gives a child default signals, none blocked, whatever ours are") {
		sigset_t set, old;
		sigfillset(&set);
		signal(SIGPIPE, SIG_IGN);
		signal(SIGINT, SIG_IGN);
		sigprocmask(SIG_BLOCK, &set, &old);
		CHECK_STR(output("grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\n\\t'"),
			  "SigBlk:0000000000000000SigIgn:0000000000000000");
		sigprocmask(SIG_SETMASK, &old, NULL);
		signal(SIGINT, SIG_DFL);
	}
	IT ("lets no child gain rights") {
		CHECK_STR(output("grep NoNewPrivs /proc/self/status | tr -d '\\t\\n'"),
			  "NoNewPrivs:1");
	}
	IT ("leaves no descriptor behind") {
		int before = count_fds();
		for (int i = 0; i < 20; i++)
			CHECK_STR(output("echo x"), "x\n");
		CHECK_INT(count_fds(), before);
	}
}

static void
test_failures(const char *folder)
{
	AUTO(buf_fini) struct buf plain = BUF_INIT;
	AUTO(buf_fini) struct buf lost = BUF_INIT;
	buf_printf(&plain, "%s/plain", folder);
	buf_printf(&lost, "%s/lost", folder);
	os_write_file(buf_cstr(&plain), STR("no program"), 0644, NULL);
	os_write_file(buf_cstr(&lost), STR("#!/no/such/interpreter\n"), 0755, NULL);
	int before = count_fds();
	IT ("says that a program is not there") {
		CHECK_INT(failure("/no/such/program", NULL), E_NOT_FOUND);
		CHECK_INT(failure("no-such-program", NULL), E_NOT_FOUND);
		CHECK_INT(failure(buf_cstr(&lost), NULL), E_NOT_FOUND);
	}
	IT ("says that a file may not be executed") {
		CHECK_INT(failure(buf_cstr(&plain), NULL), E_DENIED);
		CHECK_INT(failure("/tmp", NULL), E_DENIED);
	}
	IT ("says that a file is no program") {
		chmod(buf_cstr(&plain), 0755);
		CHECK_INT(failure(buf_cstr(&plain), NULL), E_INVALID);
	}
	IT ("says that the working folder is not there") {
		CHECK_INT(failure("/bin/true", "/no/such/folder"), E_NOT_FOUND);
	}
	IT ("leaves nothing behind where it failed") {
		CHECK_INT(count_fds(), before);
		CHECK(nobody_left());
	}
}

static void
test_adopt(void)
{
	struct seen seen = {0};
	IT ("watches a process by pid and start time") {
		pid_t pid = fork();
		if (!pid) {
			pause();
			_exit(3);
		}
		struct proc *proc =
			proc_adopt(base, pid, os_process_start(pid), on_exit_seen, &seen, NULL);
		CHECK(proc);
		proc_signal(proc, SIGKILL);
		CHECK(wait_for(&seen));
		proc_free(proc);
		CHECK(nobody_left());
	}
	IT ("does not take another process for the one that had its pid") {
		AUTO(err_fini) struct err err = ERR_INIT;
		CHECK(!proc_adopt(base, getpid(), os_process_start(getpid()) + 1, on_exit_seen,
				  &seen, &err));
		CHECK_INT(err.code, E_NOT_FOUND);
	}
	IT ("says that a process is gone") {
		AUTO(err_fini) struct err err = ERR_INIT;
		CHECK(!proc_adopt(base, 0, 1, on_exit_seen, &seen, &err));
		CHECK_INT(err.code, E_NOT_FOUND);
		CHECK(!proc_adopt(base, 4194303, 1, on_exit_seen, &seen, &err));
		CHECK_INT(err.code, E_NOT_FOUND);
	}
}

static void
test_strangers(const char *folder)
{
	AUTO(buf_fini) struct buf script = BUF_INIT;
	AUTO(buf_fini) struct buf ready = BUF_INIT;
	struct seen watched, left;
	buf_printf(&ready, "%s/ready", folder);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	IT ("kills orphans with what they start, and spares those who are known") {
		struct proc *mine = sh("exec sleep 60", -1, &watched, NULL);
		pid_t known = fork();
		if (!known)
			for (;;)
				pause();
		/* A grandchild in its own session that goes on starting others. */
		buf_printf(&script,
			   "setsid sh -c 'trap \"\" TERM; touch %s; while :; do sleep 0.01 & sleep "
			   "0.01; done' &",
			   buf_cstr(&ready));
		struct proc *proc = sh(buf_cstr(&script), -1, &left, NULL);
		CHECK(wait_for(&left));
		proc_free(proc);
		wait_file(buf_cstr(&ready));
		CHECK(proc_reap_strangers(knows, &known) >= 1);
		CHECK_INT(kill(proc_pid(mine), 0), 0);
		CHECK_INT(kill(known, 0), 0);
		CHECK_INT(waitpid(-1, NULL, WNOHANG), 0); /* these two live, nobody else is there */
		proc_signal(mine, SIGKILL);
		CHECK(wait_for(&watched));
		proc_free(mine);
		kill(known, SIGKILL);
		waitpid(known, NULL, 0);
		CHECK(nobody_left());
	}
	IT ("does nothing where there is nobody") {
		CHECK_INT(proc_reap_strangers(NULL, NULL), 0);
	}
	IT ("kills whoever bears a mark in his environment, and nobody else") {
		const char *argv[] = {
			"sh", "-c",
			"for i in 1 2 3; do setsid sleep 61 & done; touch \"$READY\"; sleep 61",
			NULL};
		AUTO(buf_fini) struct buf env = BUF_INIT;
		unlink(buf_cstr(&ready));
		buf_printf(&env, "READY=%s", buf_cstr(&ready));
		const char *envp[] = {"PATH=/usr/bin:/bin", buf_cstr(&env), "ROUSE_TEST_MARK=one",
				      NULL};
		struct proc_spec spec = {.argv = argv,
					 .envp = envp,
					 .stdin_fd = -1,
					 .stdout_fd = -1,
					 .stderr_fd = -1};
		struct seen marked = {0};
		struct proc *other = sh("exec sleep 60", -1, &watched, NULL);
		struct proc *proc = proc_spawn(base, &spec, on_exit_seen, &marked, NULL);
		wait_file(buf_cstr(&ready));
		CHECK_INT(proc_kill_marked("ROUSE_TEST_MARK", "on"), 0);
		CHECK(proc_kill_marked("ROUSE_TEST_MARK", "one") >= 4);
		CHECK_INT(proc_kill_marked("ROUSE_TEST_MARK", "one"), 0);
		CHECK(wait_for(&marked) && WIFSIGNALED(marked.status));
		proc_free(proc);
		CHECK_INT(kill(proc_pid(other), 0), 0);
		proc_signal(other, SIGKILL);
		wait_for(&watched);
		proc_free(other);
		proc_reap_strangers(NULL, NULL);
		CHECK(nobody_left());
	}
}

int
main(void)
{
	char folder[] = "/tmp/rouse-test-proc-XXXXXX";
	if (!mkdtemp(folder))
		return 99;
	base = event_base_new();
	test_start();
	test_failures(folder);
	test_adopt();
	test_strangers(folder);
	event_base_free(base);
	os_remove_tree(folder, NULL);
	return tap_done();
}
