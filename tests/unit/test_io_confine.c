/* Tests: what programs are held to: rules as they are written, and the filter of system calls. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/confine.h"
#include "io/confine_filter.h"
#include "tests/unit/tap.h"

static char path[] = "/tmp/rouse-test-confine-XXXXXX";

/* Each gives 0, or the error's number. */

static int
try_truncate(void)
{
	return truncate(path, 4) ? errno : 0;
}

static int
opened(int fd)
{
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int
try_open_truncate(void)
{
	return opened((int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_TRUNC));
}

static int
try_open_neither(void)
{
	return opened((int)syscall(SYS_openat, AT_FDCWD, path, O_ACCMODE | O_TRUNC));
}

static int
try_open_write(void)
{
	return opened((int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_TRUNC));
}

static int
try_open_both(void)
{
	return opened((int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_TRUNC));
}

static int
try_open_read(void)
{
	return opened((int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY));
}

static int
try_openat2(void)
{
	unsigned long how[3] = {O_RDONLY, 0, 0};

	return opened((int)syscall(SYS_openat2, AT_FDCWD, path, how, sizeof(how)));
}

static int
try_inet(void)
{
	return opened(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int
try_inet6(void)
{
	return opened(socket(AF_INET6, SOCK_DGRAM, 0));
}

static int
try_unix(void)
{
	return opened(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int
try_netlink(void)
{
	return opened(socket(AF_NETLINK, SOCK_RAW, 0));
}

/* The kernel takes the lower half of the word alone, so that a filter must too. */
static int
try_inet_with_noise(void)
{
	return opened((int)syscall(SYS_socket, (1UL << 32) | AF_INET, SOCK_STREAM, 0));
}

static int
pair_of(int type)
{
	int fds[2];

	if (socketpair(AF_UNIX, type, 0, fds))
		return errno;
	close(fds[0]);
	close(fds[1]);
	return 0;
}

static int
try_pair(void)
{
	return pair_of(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static int
try_pair_of_datagrams(void)
{
	return pair_of(SOCK_DGRAM | SOCK_CLOEXEC);
}

static int
try_uring(void)
{
	return syscall(SYS_io_uring_setup, 0, NULL) < 0 ? errno : 0;
}

static int
try_ptrace(void)
{
	return syscall(SYS_ptrace, 0x4206, 0, 0, 0) < 0 ? errno : 0; /* PTRACE_SEIZE */
}

#if defined(__x86_64__)
/* socket(AF_INET, ...) by the numbers of 32 bit, and of x32. */
static int
try_old_numbers(void)
{
	long ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(359L), "b"((long)AF_INET), "c"((long)SOCK_STREAM), "d"(0L)
			 : "memory", "r8", "r9", "r10", "r11");
	return ret < 0 ? (int)-ret : 0;
}

static int
try_x32(void)
{
	return opened((int)syscall(0x40000000L | SYS_socket, AF_INET, SOCK_STREAM, 0));
}
#endif

/* What it gives in a child that the filter binds. */
static int
under(const struct confine_filter_rules *rules, int (*what)(void))
{
	static struct confine_filter filter;
	int status = -1;
	pid_t pid;

	confine_filter_make(&filter, rules);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(confine_filter_load(&filter) ? what() : 255);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_filters(void)
{
	const struct confine_filter_rules none = {.no_network = false},
					  nobody = {.no_network = true},
					  own = {.no_network = true, .own_network = true},
					  whole = {.truncate = true}, apart = {.trace = true},
					  all = {.no_network = true,
						 .truncate = true,
						 .trace = true};

	IT ("without a network neither addresses nor sockets of this machine are reached") {
		CHECK(under(&nobody, try_inet) == EPERM);
		CHECK(under(&nobody, try_inet6) == EPERM);
		CHECK(under(&nobody, try_unix) == EPERM);
		CHECK(under(&nobody, try_netlink) == EPERM);
		CHECK(under(&nobody, try_inet_with_noise) == EPERM);
		CHECK(under(&nobody, try_uring) == EPERM);
		CHECK(under(&nobody, try_pair_of_datagrams) == EPERM);
		CHECK(under(&nobody, try_pair) == 0);
		CHECK(under(&nobody, try_truncate) == 0);
	}
	IT ("in a network of its own it may use addresses, and nothing else") {
		CHECK(under(&own, try_inet) == 0);
		CHECK(under(&own, try_inet_with_noise) == 0);
		CHECK(under(&own, try_unix) == EPERM);
		CHECK(under(&own, try_netlink) == EPERM);
		CHECK(under(&own, try_uring) == EPERM);
		CHECK(under(&own, try_pair) == 0);
		CHECK(under(&own, try_pair_of_datagrams) == EPERM);
	}
	IT ("what is not open for writing is not truncated") {
		CHECK(under(&whole, try_truncate) == EPERM);
		CHECK(under(&whole, try_open_truncate) == EPERM);
		CHECK(under(&whole, try_open_neither) == EPERM);
		CHECK(under(&whole, try_openat2) == ENOSYS);
		CHECK(under(&whole, try_uring) == EPERM);
		CHECK(under(&whole, try_open_write) == 0);
		CHECK(under(&whole, try_open_both) == 0);
		CHECK(under(&whole, try_open_read) == 0);
		CHECK(under(&whole, try_inet) == 0);
		CHECK(under(&whole, try_unix) == 0);
	}
	IT ("all at once forbids what each forbids") {
		CHECK(under(&all, try_inet) == EPERM);
		CHECK(under(&all, try_pair) == 0);
		CHECK(under(&all, try_pair_of_datagrams) == EPERM);
		CHECK(under(&all, try_truncate) == EPERM);
		CHECK(under(&all, try_open_truncate) == EPERM);
		CHECK(under(&all, try_open_write) == 0);
		CHECK(under(&all, try_open_read) == 0);
		CHECK(under(&all, try_ptrace) == EPERM);
		CHECK(under(&apart, try_ptrace) == EPERM);
		CHECK(under(&apart, try_inet) == 0);
	}
#if defined(__x86_64__)
	IT ("the numbers of other architectures pass nobody by") {
		/* A signal: this kernel has no calls of 32 bit. */
		if (under(&none, try_old_numbers) != -1) {
			CHECK(under(&nobody, try_old_numbers) == EPERM);
			CHECK(under(&own, try_old_numbers) == EPERM);
		}
		CHECK(under(&nobody, try_x32) == EPERM);
		CHECK(under(&whole, try_x32) == EPERM);
	}
#endif
	IT ("where nothing is forbidden there is no filter") {
		static struct confine_filter filter = {.count = 1};

		confine_filter_make(&filter, &none);
		CHECK(filter.count == 0);
		CHECK(under(&none, try_inet) == 0);
	}
}

static bool
refuses(const struct confine_rules *rules, const struct confine_means *means, const char *word)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	return !confine_check(rules, means, &err) && err.code == E_UNAVAILABLE &&
	       strstr(err_text(&err), word);
}

static void
test_check(void)
{
	const struct confine_rules files = {.files = true}, net = {.no_network = true};
	const struct confine_means nothing = {.landlock = 0}, old = {.landlock = 2},
				   old_filter = {.landlock = 2, .filter = true},
				   fresh = {.landlock = 3}, filter = {.filter = true};

	IT ("what a kernel cannot keep is refused with what it lacks") {
		CHECK(refuses(&files, &nothing, "Landlock"));
		CHECK(refuses(&files, &filter, "Landlock"));
		CHECK(refuses(&net, &nothing, "seccomp"));
		CHECK(refuses(&net, &fresh, "seccomp"));
		CHECK(refuses(&files, &old, "seccomp"));
	}
	IT ("what it can is not") {
		CHECK(confine_check(&files, &old_filter, NULL));
		CHECK(confine_check(&files, &fresh, NULL));
		CHECK(confine_check(&net, &filter, NULL));
		CHECK(confine_check(&(struct confine_rules){.files = false}, &nothing, NULL));
	}
}

static void
test_paths(void)
{
	static const char *const wrong[] = {"",	     "relative", "ro:",	  "rw:",      "rw:a",
					    "wr:/a", "rw: /a",	 "RO:/a", "ro:rw:/a", "./a"};
	bool write = true;
	const char *got = NULL;

	IT ("ro:/a and /a are read, rw:/a is written") {
		CHECK(confine_path_parse("ro:/a", &write, &got, NULL) && !write &&
		      !strcmp(got, "/a"));
		write = true;
		CHECK(confine_path_parse("/a", &write, &got, NULL) && !write && !strcmp(got, "/a"));
		CHECK(confine_path_parse("rw:/", &write, &got, NULL) && write && !strcmp(got, "/"));
	}
	IT ("anything else is refused, and nothing set") {
		got = NULL;
		for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
			AUTO(err_fini) struct err err = ERR_INIT;

			CHECK(!confine_path_parse(wrong[i], &write, &got, &err));
			CHECK(err.code == E_INVALID && !got);
		}
	}
}

int
main(void)
{
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, "precious", 8) != 8)
		return 1;
	close(fd);
	test_paths();
	test_check();
	if (confine_filter_works())
		test_filters();
	unlink(path);
	return tap_done();
}
