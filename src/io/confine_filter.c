/* The filter of system calls that io/confine binds a program with. */
/* SPDX-License-Identifier: MIT */
#include "io/confine_filter.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

/* The calls of another architecture have other numbers: a program of 32 bit would pass by. */
#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#endif
#define X32_BIT 0x40000000U

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW 0
#else
#define LOW 4
#endif
#define ARG(n) ((unsigned)offsetof(struct seccomp_data, args[n]) + LOW)
#define REFUSE(errnum) (SECCOMP_RET_ERRNO | (errnum))

bool
confine_filter_works(void)
{
#ifdef ARCH
	/* EFAULT: it would take a program, if this were one. */
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) < 0 && errno == EFAULT;
#else
	return false;
#endif
}

static void
emit(struct confine_filter *f, struct sock_filter op)
{
	assert(f->count < CONFINE_FILTER_MAX);
	f->code[f->count++] = op;
}

static void
load(struct confine_filter *f, unsigned offset)
{
	emit(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
}

static void
answer(struct confine_filter *f, unsigned what)
{
	emit(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what));
}

/* Goes over the next ops where what was loaded is not value. */
static void
unless(struct confine_filter *f, unsigned value, unsigned char ops)
{
	emit(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, ops));
}

static void
refuse_call(struct confine_filter *f, long call, unsigned errnum)
{
	unless(f, (unsigned)call, 1);
	answer(f, REFUSE(errnum));
}

#ifdef ARCH
/* AF_UNIX only in pairs, and no datagrams: whoever has such a socket can send to any name. */
static void
refuse_network(struct confine_filter *f, bool own)
{
	unless(f, SYS_socket, own ? 6 : 1);
	if (own) {
		load(f, ARG(0));
		unless(f, AF_INET, 1);
		answer(f, SECCOMP_RET_ALLOW);
		unless(f, AF_INET6, 1);
		answer(f, SECCOMP_RET_ALLOW);
		answer(f, REFUSE(EPERM));
	} else {
		answer(f, REFUSE(EPERM));
	}
	unless(f, SYS_socketpair, 7);
	load(f, ARG(0));
	unless(f, AF_UNIX, 4);
	load(f, ARG(1));
	emit(f, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf));
	unless(f, SOCK_STREAM, 1);
	answer(f, SECCOMP_RET_ALLOW);
	answer(f, REFUSE(EPERM));
	/* It makes sockets past this filter. */
	refuse_call(f, SYS_io_uring_setup, EPERM);
}

/* Opening for reading alone, or for neither (3), with O_TRUNC; args[n] are the flags. */
static void
refuse_open_to_truncate(struct confine_filter *f, long call, int n)
{
	unless(f, (unsigned)call, 7);
	load(f, ARG(n));
	emit(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TRUNC, 0, 4));
	emit(f, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, O_ACCMODE));
	emit(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, O_WRONLY, 2, 0));
	emit(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, O_RDWR, 1, 0));
	answer(f, REFUSE(EPERM));
	answer(f, SECCOMP_RET_ALLOW);
}

static void
refuse_truncate(struct confine_filter *f)
{
	refuse_call(f, SYS_truncate, EPERM);
	/* Its flags lie in memory that a filter does not see; callers then use openat(). */
	refuse_call(f, SYS_openat2, ENOSYS);
	refuse_call(f, SYS_io_uring_setup, EPERM);
#ifdef SYS_open
	refuse_open_to_truncate(f, SYS_open, 1);
#endif
	refuse_open_to_truncate(f, SYS_openat, 2);
}

static void
refuse_trace(struct confine_filter *f)
{
	static const long calls[] = {SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev,
				     SYS_pidfd_getfd};

	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		refuse_call(f, calls[i], EPERM);
}
#endif

void
confine_filter_make(struct confine_filter *filter, const struct confine_filter_rules *rules)
{
	filter->count = 0;
#ifdef ARCH
	if (!rules->no_network && !rules->truncate && !rules->trace)
		return;
	load(filter, offsetof(struct seccomp_data, arch));
	emit(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0));
	answer(filter, REFUSE(EPERM));
	load(filter, offsetof(struct seccomp_data, nr));
#if defined(__x86_64__)
	emit(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
	answer(filter, REFUSE(EPERM));
#endif
	/* Each block ends in an answer or leaves the number of the call loaded. */
	if (rules->no_network)
		refuse_network(filter, rules->own_network);
	if (rules->truncate)
		refuse_truncate(filter);
	if (rules->trace)
		refuse_trace(filter);
	answer(filter, SECCOMP_RET_ALLOW);
#else
	(void)rules;
#endif
}

__attribute__((no_sanitize("address", "undefined"))) bool
confine_filter_load(const struct confine_filter *filter)
{
	struct sock_fprog program = {filter->count, (struct sock_filter *)filter->code};

	return !filter->count ||
	       !syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}
