/* Crash points: the process dies there, at the passing that was asked for, and nowhere else. */
/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"

#include "tests/unit/tap.h"

/* The passing of "here" at which a child with this setting dies; 0: none of ten. */
static int
dies_at(const char *setting)
{
	int ends[2], status;
	char reached[16];
	fflush(stdout);
	if (pipe(ends))
		return -1;
	pid_t pid = fork();
	if (!pid) {
		setenv("ROUSE_CRASH", setting, 1);
		for (int i = 0; i < 10; i++) {
			crash_point("elsewhere");
			if (write(ends[1], "x", 1) != 1)
				_exit(1);
			crash_point("here");
		}
		_exit(0);
	}
	close(ends[1]);
	waitpid(pid, &status, 0);
	ssize_t n = read(ends[0], reached, sizeof(reached));
	close(ends[0]);
	if (WIFEXITED(status))
		return WEXITSTATUS(status) || n != 10 ? -1 : 0;
	return WTERMSIG(status) == SIGKILL ? (int)n : -1;
}

int
main(void)
{
	IT ("a named point kills at once, or at its n-th passing") {
		CHECK_INT(dies_at("here"), 1);
		CHECK_INT(dies_at("here:1"), 1);
		CHECK_INT(dies_at("here:3"), 3);
	}
	IT ("another name, a part of it, or nothing kills nobody") {
		CHECK_INT(dies_at(""), 0);
		CHECK_INT(dies_at("her"), 0);
		CHECK_INT(dies_at("here:11"), 0);
		CHECK_INT(dies_at("here:x"), 0);
		CHECK_INT(dies_at("hereafter:1"), 0);
	}
	return tap_done();
}
