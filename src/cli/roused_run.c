/* The daemon's program, run beside us: it alone knows the keys of every kind. */
/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"

#define SAID_MAX (1 << 20)

extern char **environ;

static char *
path_if_program(const char *folder, size_t len, const char *below)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_add(&path, folder, len);
	buf_puts(&path, below);
	return access(buf_cstr(&path), X_OK) ? NULL : buf_take(&path);
}

/* Owned; NULL: there is none. */
static char *
roused_path(void)
{
	AUTO(auto_free) char *here = os_program_dir();
	struct str rest = str_of(getenv("PATH")), folder;
	char *path = NULL;

	if (here)
		path = path_if_program(here, strlen(here), "/roused");
	if (here && !path)
		path = path_if_program(here, strlen(here), "/../sbin/roused");
	while (!path && rest.p) {
		rest = str_split(rest, ':', &folder);
		if (folder.len && folder.p[0] == '/')
			path = path_if_program(folder.p, folder.len, "/roused");
	}
	return path;
}

char *
cli_roused_path(const char *what_for, struct err *err)
{
	char *path = roused_path();

	if (!path)
		err_set(err, E_NOT_FOUND,
			"the program roused is neither beside rouse, nor in ../sbin, nor in PATH; "
			"%s",
			what_for);
	return path;
}

bool
cli_roused(struct cli *cli, const char *const *args, struct err *err)
{
	AUTO(auto_free) char *path = cli_roused_path("install the daemon's package", err);
	const char *argv[12] = {"roused"};
	size_t count = 1;
	pid_t pid;
	int status, why;

	if (!path)
		return false;
	for (; args[count - 1] && count + 1 < ARRAY_LEN(argv); count++)
		argv[count] = args[count - 1];
	if (!print_flush(&cli->out, err))
		return false;
	why = posix_spawn(&pid, path, NULL, NULL, (char *const *)argv, environ);
	if (why)
		return err_errno(err, why, "cannot start %s", path);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno(err, errno, "waiting for %s", path);
	if (WIFSIGNALED(status))
		return err_set(err, E_INTERNAL, "%s was killed by signal %d", path,
			       WTERMSIG(status));
	cli->status = WEXITSTATUS(status);
	return true;
}

/* The child's side: out and err into the pipe, the daemon's user where we may take it. */
static void
child_exec(const char *path, const char *const *argv, int fd, uid_t uid)
{
	const struct passwd *user = uid ? getpwuid(uid) : NULL;

	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (user && !geteuid() &&
	    (initgroups(user->pw_name, user->pw_gid) || setgid(user->pw_gid) || setuid(uid)))
		_exit(126);
	execv(path, (char *const *)argv);
	_exit(127);
}

bool
cli_roused_try(const char *const *args, uid_t uid, struct buf *ret_said, struct err *err)
{
	AUTO(auto_free) char *path = cli_roused_path("it checks what is written", err);
	AUTO(auto_free) const char **argv = NULL;
	size_t count = 0;
	int pipes[2], status;
	bool ok;
	pid_t pid;

	if (!path)
		return false;
	while (args[count])
		count++;
	argv = mem_alloc_array(count + 2, sizeof(*argv));
	argv[0] = "roused";
	memcpy(argv + 1, args, count * sizeof(*argv));
	if (pipe2(pipes, O_CLOEXEC))
		return err_errno(err, errno, "cannot make a pipe");
	pid = fork();
	if (!pid)
		child_exec(path, argv, pipes[1], uid);
	close(pipes[1]);
	ok = pid > 0 && os_read_fd(pipes[0], SAID_MAX, "roused", ret_said, err);
	close(pipes[0]);
	if (pid < 0)
		return err_errno(err, errno, "cannot start %s", path);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno(err, errno, "waiting for %s", path);
	if (!ok)
		return false;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return true;
	return err_set(err, E_CONFIG, "roused would not load it:\n%s", buf_cstr(ret_said));
}
