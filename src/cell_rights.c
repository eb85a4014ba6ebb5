/* The cell: giving up every right before the first byte of a stranger is read. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/os.h"
#include "io/jail_wire.h"
#include "cell.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1 /* needs terabytes of address space, and many a system call */
#else
#define SANITIZED 0
#endif

static const rlim_t memory_most = (rlim_t)1 << 30;

enum { MEASURE_EVERY = 16 };

static struct {
	int statm;     /* kept open: it tells how much memory we have, and nothing else */
	size_t memory; /* as last measured */
	size_t page_bytes;
	unsigned runs;
	const struct jail_spec *spec;
} cell = {.statm = -1};

/* Of address space: the first number of statm, in pages. The C library's own count would walk its
 * heap. */
static bool
memory_measure(void)
{
	char text[64];
	struct str pages;
	uint64_t count;
	ssize_t n = pread(cell.statm, text, sizeof(text), 0);
	if (n <= 0)
		return false;
	str_split(str_make(text, (size_t)n), ' ', &pages);
	if (!str_to_u64(pages, &count))
		return false;
	cell.memory = (size_t)count * cell.page_bytes;
	return true;
}

size_t
cell_memory(void)
{
	return SANITIZED ? 0 : cell.memory;
}

void
cell_meter(bool grown)
{
	struct itimerval second = {
		.it_value = {cell.spec->cpu_ms / 1000, cell.spec->cpu_ms % 1000 * 1000}};
	if (!SANITIZED && (grown || cell.runs++ % MEASURE_EVERY == 0) && memory_measure()) {
		struct rlimit limit = {cell.memory + cell.spec->memory, memory_most};
		if (limit.rlim_cur > memory_most)
			limit.rlim_cur = memory_most;
		setrlimit(RLIMIT_AS, &limit);
	}
	/* SIGPROF is not caught: it ends us. */
	setitimer(ITIMER_PROF, &second, NULL);
}

static bool
limits_set(struct err *err)
{
	static const struct {
		int resource;
		rlim_t value;
	} limits[] = {
		{RLIMIT_CORE, 0},  {RLIMIT_NOFILE, 0},	{RLIMIT_NPROC, 0},
		{RLIMIT_FSIZE, 0}, {RLIMIT_MEMLOCK, 0}, {RLIMIT_STACK, 8 << 20},
	};
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct rlimit limit = {limits[i].value, limits[i].value};
		if (setrlimit(limits[i].resource, &limit))
			return err_errno(err, errno, "cannot limit resource %d",
					 limits[i].resource);
	}
	return true;
}

/* What helpers and the C library need to compute; time zones and modules are asked for in vain. */
static const int allowed[] = {
	SCMP_SYS(read),		  SCMP_SYS(pread64),
	SCMP_SYS(write),	  SCMP_SYS(exit),
	SCMP_SYS(exit_group),	  SCMP_SYS(brk),
	SCMP_SYS(munmap),	  SCMP_SYS(mremap),
	SCMP_SYS(madvise),	  SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),  SCMP_SYS(gettimeofday),
	SCMP_SYS(time),		  SCMP_SYS(setitimer),
	SCMP_SYS(rt_sigreturn),	  SCMP_SYS(restart_syscall),
	SCMP_SYS(sched_yield),	  SCMP_SYS(getrandom),
	SCMP_SYS(getpid),	  SCMP_SYS(gettid),
	SCMP_SYS(rt_sigprocmask),
};
static const int refused[] = {
	SCMP_SYS(open),	      SCMP_SYS(openat),	 SCMP_SYS(access),	 SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(stat),	 SCMP_SYS(lstat),	 SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), SCMP_SYS(statx),	 SCMP_SYS(readlink),	 SCMP_SYS(readlinkat),
	SCMP_SYS(getcwd),     SCMP_SYS(ioctl),	 SCMP_SYS(lseek),	 SCMP_SYS(fcntl),
	SCMP_SYS(close),      SCMP_SYS(sysinfo), SCMP_SYS(rt_sigaction), SCMP_SYS(sigaltstack),
	SCMP_SYS(getdents64),
};

static bool
filter_fill(scmp_filter_ctx ctx)
{
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0))
			return false;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), refused[i], 0))
			return false;
	/* Memory, but none that can be executed; our own memory limit, and no other; abort(). */
	return !seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				 SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid())) &&
	       !seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) &&
	       !seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) &&
	       !seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setrlimit), 1,
				 SCMP_A0(SCMP_CMP_EQ, RLIMIT_AS)) &&
	       !seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 3,
				 SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A1(SCMP_CMP_EQ, RLIMIT_AS),
				 SCMP_A3(SCMP_CMP_EQ, 0));
}

static bool
filter_load(struct err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = -ENOMEM;
	if (ctx && filter_fill(ctx))
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return !rc || err_errno(err, -rc, "cannot load the filter of system calls");
}

bool
cell_enter(const struct jail_spec *spec, struct err *err)
{
	static char *nothing[] = {NULL};
	pid_t parent = getppid();
	cell.spec = spec;
	/* So that a time in a program needs no file later. */
	setenv("TZ", "UTC", 1);
	tzset();
	environ = nothing; /* not NULL, which jq would follow */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(JAIL_EXIT_DONE);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return err_errno(err, errno, "cannot give up rights");
	/* No arena per thread, and big blocks go back at once. */
	mallopt(M_ARENA_MAX, 1);
	cell.page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	cell.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (cell.statm < 0 || !memory_measure())
		return err_errno(err, errno, "cannot read /proc/self/statm");
	return limits_set(err) && (SANITIZED || filter_load(err));
}
