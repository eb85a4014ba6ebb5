/* Memory: zeroed, copied, moved, and refused where it must be. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#include "tests/unit/tap.h"

/* The signal that ends a process which asks for more than there is. */
static int
ask_too_much(void)
{
	/* volatile: the compiler would refuse what is to be refused at run time. */
	volatile size_t half = SIZE_MAX / 2;
	int status = 0;
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_WRONLY);
		dup2(null, STDERR_FILENO);
		mem_alloc_array(half, 3);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int
main(void)
{
	IT ("what is allocated is zero, and nothing is something") {
		AUTO(auto_free) unsigned char *p = mem_alloc(4096);
		AUTO(auto_free) void *none = mem_alloc(0);
		unsigned sum = 0;
		for (size_t i = 0; i < 4096; i++)
			sum |= p[i];
		CHECK_INT(sum, 0);
		CHECK(none != NULL);
	}
	IT ("copies end with a NUL and keep those inside") {
		AUTO(auto_free) char *copy = mem_memdup("a\0b", 3);
		CHECK(!memcmp(copy, "a\0b", 4));
		AUTO(auto_free) char *empty = mem_memdup(NULL, 0);
		CHECK_STR(empty, "");
		CHECK(mem_strdup(NULL) == NULL);
	}
	IT ("a moved pointer leaves NULL") {
		AUTO(auto_free) char *from = mem_strdup("x");
		AUTO(auto_free) char *to = TAKE(from);
		CHECK(from == NULL);
		CHECK_STR(to, "x");
	}
	IT ("a count that overflows aborts instead of giving less") {
		CHECK_INT(ask_too_much(), SIGABRT);
	}
	IT ("a secret is overwritten") {
		char secret[] = "hunter2";
		mem_zero(secret, sizeof(secret));
		CHECK(!memcmp(secret, "\0\0\0\0\0\0\0", sizeof(secret)));
		mem_zero(NULL, 0);
	}
	IT ("a descriptor is closed at the end of its scope, errno kept") {
		int number;
		{
			AUTO(auto_close) int fd = open("/dev/null", O_RDONLY);
			number = fd;
			errno = ENOTTY;
		}
		CHECK_INT(errno, ENOTTY);
		CHECK_INT(fcntl(number, F_GETFD), -1);
	}
	return tap_done();
}
