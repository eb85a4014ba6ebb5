/* A rehearsal: a daemon of our own on the configuration on disk, that has no effect. */
/* SPDX-License-Identifier: MIT */
#include "cli/rehearsal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"

#define LOOK_MS 20
#define START_MS 60000
#define END_MS 5000
#define SAID_MAX (1 << 20)

extern char **environ;

static char *
in_folder(const struct rehearsal *rehearsal, const char *name)
{
	struct buf path = BUF_INIT;

	buf_cat(&path, rehearsal->folder, "/", name);
	return buf_take(&path);
}

static bool
daemon_start(struct cli *cli, struct rehearsal *rehearsal, struct err *err)
{
	AUTO(auto_free) char *path = cli_roused_path("it is what knows the configuration", err);
	AUTO(auto_free) char *log = in_folder(rehearsal, "log");
	const char *const argv[] = {"roused",	       "-c", cli_config(cli), "--rehearse",
				    rehearsal->folder, NULL};
	posix_spawn_file_actions_t files;
	int why;

	if (!path)
		return false;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND,
					 0600);
	posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
	why = posix_spawn(&rehearsal->pid, path, &files, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	if (why) {
		rehearsal->pid = 0;
		return err_errno(err, why, "cannot start %s", path);
	}
	return true;
}

/* What it said before it ended. */
static bool
daemon_failed(struct rehearsal *rehearsal, struct err *err)
{
	AUTO(auto_free) char *log = in_folder(rehearsal, "log");
	AUTO(buf_fini) struct buf said = BUF_INIT;

	rehearsal->pid = 0;
	os_read_file(log, SAID_MAX, &said, NULL);
	return err_set(err, E_CONFIG, "the configuration does not load:\n%s", buf_cstr(&said));
}

/* The file is there before anybody listens. */
static bool
is_listening(const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	AUTO(auto_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(name.sun_path))
		return true; /* client_new() says it better */
	memcpy(name.sun_path, path, strlen(path));
	return fd >= 0 && !connect(fd, (const struct sockaddr *)&name, sizeof(name));
}

/* Listening, or over, or time is. */
static bool
daemon_wait(struct rehearsal *rehearsal, const char *path, struct err *err)
{
	for (int waited = 0; waited < START_MS; waited += LOOK_MS) {
		if (is_listening(path))
			return true;
		if (waitpid(rehearsal->pid, NULL, WNOHANG) == rehearsal->pid)
			return daemon_failed(rehearsal, err);
		poll(NULL, 0, LOOK_MS);
	}
	return err_set(err, E_TIMEOUT, "roused did not get ready within %d s", START_MS / 1000);
}

bool
rehearsal_begin(struct cli *cli, struct rehearsal *rehearsal, struct err *err)
{
	AUTO(auto_free) char *socket = NULL;
	struct client_place place = {.socket = NULL};
	const char *tmp = getenv("TMPDIR");
	struct buf folder = BUF_INIT;

	buf_cat(&folder, tmp && *tmp ? tmp : "/tmp", "/rouse-XXXXXX");
	rehearsal->folder = buf_take(&folder);
	if (!mkdtemp(rehearsal->folder)) {
		err_errno(err, errno, "cannot make the folder %s", rehearsal->folder);
		free(rehearsal->folder);
		rehearsal->folder = NULL;
		return false;
	}
	socket = in_folder(rehearsal, "rouse.sock");
	place.socket = socket;
	place.timeout_ms = START_MS;
	return daemon_start(cli, rehearsal, err) && daemon_wait(rehearsal, socket, err) &&
	       client_new(&place, &cli->client, err);
}

void
rehearsal_fini(struct rehearsal *rehearsal)
{
	for (int waited = 0; rehearsal->pid > 0; waited += LOOK_MS) {
		kill(rehearsal->pid, waited < END_MS ? SIGTERM : SIGKILL);
		if (waitpid(rehearsal->pid, NULL, waited < END_MS ? WNOHANG : 0))
			rehearsal->pid = 0;
		else
			poll(NULL, 0, LOOK_MS);
	}
	if (rehearsal->folder)
		os_remove_tree(rehearsal->folder, NULL);
	free(rehearsal->folder);
	rehearsal->folder = NULL;
}
