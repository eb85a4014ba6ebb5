/* Confinement: what a started program may reach: files, the network, others. Kernel rules, kept by
 * all that it starts. */
/* SPDX-License-Identifier: MIT */
#include "io/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/confine_filter.h"

/* landlock(7), as of Linux 6.12: the headers of this system may be older. */
enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_FIRST = (1 << 13) - 1, /* all that version 1 knows */
	FS_REFER = 1 << 13,
	FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,
	FS_OF_A_FILE = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
	FS_READ = FS_EXECUTE | FS_READ_FILE | FS_READ_DIR,
	NET_TCP = 1 << 0 | 1 << 1,
	SCOPE_ABSTRACT_UNIX = 1 << 0,
	SCOPE_SIGNAL = 1 << 1,
	RULE_PATH = 1,
	VERSION_TRUNCATE = 3,
};

struct ruleset_attr {
	uint64_t fs, net, scoped;
};
struct path_attr {
	uint64_t access;
	int fd;
} __attribute__((packed));

struct confine {
	int ruleset; /* -1 */
	bool no_network, own_network;
	struct confine_filter filter, filter_own; /* own: in a network of its own */
};

/* What every program needs. Nothing of /etc that may hold secrets, /run or /home. What is not here
 * is left out. */
static const struct {
	const char *path;
	uint64_t access;
} implied[] = {
	{"/usr", FS_READ},
	{"/bin", FS_READ},
	{"/sbin", FS_READ},
	{"/lib", FS_READ},
	{"/lib32", FS_READ},
	{"/lib64", FS_READ},
	{"/libx32", FS_READ},
	{"/proc", FS_READ_FILE | FS_READ_DIR},
	{"/sys/devices/system", FS_READ_FILE | FS_READ_DIR},
	{"/sys/fs/cgroup", FS_READ_FILE | FS_READ_DIR},
	{"/sys/kernel/mm/transparent_hugepage", FS_READ_FILE | FS_READ_DIR},
	{"/dev/null", FS_OF_A_FILE & ~FS_EXECUTE},
	{"/dev/zero", FS_OF_A_FILE & ~FS_EXECUTE},
	{"/dev/full", FS_OF_A_FILE & ~FS_EXECUTE},
	{"/dev/tty", FS_OF_A_FILE & ~FS_EXECUTE},
	{"/dev/random", FS_READ_FILE | FS_IOCTL_DEV},
	{"/dev/urandom", FS_READ_FILE | FS_IOCTL_DEV},
	{"/etc/alternatives", FS_READ},
	{"/etc/ca-certificates", FS_READ_FILE | FS_READ_DIR},
	{"/etc/fonts", FS_READ_FILE | FS_READ_DIR},
	{"/etc/gai.conf", FS_READ_FILE},
	{"/etc/gitconfig", FS_READ_FILE},
	{"/etc/group", FS_READ_FILE},
	{"/etc/host.conf", FS_READ_FILE},
	{"/etc/hosts", FS_READ_FILE},
	{"/etc/ld.so.cache", FS_READ_FILE},
	{"/etc/ld.so.conf", FS_READ_FILE},
	{"/etc/ld.so.conf.d", FS_READ_FILE | FS_READ_DIR},
	{"/etc/ld.so.preload", FS_READ_FILE},
	{"/etc/locale.alias", FS_READ_FILE},
	{"/etc/localtime", FS_READ_FILE},
	{"/etc/magic", FS_READ_FILE},
	{"/etc/mime.types", FS_READ_FILE},
	{"/etc/nsswitch.conf", FS_READ_FILE},
	{"/etc/os-release", FS_READ_FILE},
	{"/etc/passwd", FS_READ_FILE},
	{"/etc/perl", FS_READ_FILE | FS_READ_DIR},
	{"/etc/protocols", FS_READ_FILE},
	{"/etc/resolv.conf", FS_READ_FILE},
	{"/etc/services", FS_READ_FILE},
	{"/etc/ssl/certs", FS_READ_FILE | FS_READ_DIR},
	{"/etc/ssl/openssl.cnf", FS_READ_FILE},
	{"/etc/timezone", FS_READ_FILE},
};

static const char *const temporary[] = {"/tmp", "/var/tmp", "/dev/shm"};

/* --- what there is ------------------------------------------------------------------------- */

static bool
has_capability(unsigned which)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};

	return !syscall(SYS_capget, &head, data) && data[which / 32].effective & (1U << which % 32);
}

void
confine_probe(struct confine_means *ret)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);

	*ret = (struct confine_means){.landlock = version > 0 ? (int)version : 0,
				      .filter = confine_filter_works(),
				      .own_network = has_capability(CAP_SYS_ADMIN) &&
						     !access("/proc/self/ns/net", F_OK)};
}

void
confine_describe(const struct confine_means *means, struct buf *out)
{
	if (means->landlock)
		buf_printf(out, "filesystem by Landlock %d", means->landlock);
	else
		buf_puts(out, "filesystem not");
	buf_puts(out, !means->filter	   ? "; network not"
		      : means->own_network ? "; network by a filter, with a loopback of its own"
					   : "; network by a filter");
}

bool
confine_check(const struct confine_rules *rules, const struct confine_means *means, struct err *err)
{
	if (rules->files && !means->landlock)
		return err_set(err, E_UNAVAILABLE,
			       "filesystem cannot be kept here: this kernel gives us no Landlock "
			       "(Linux 5.13 and later have it, where the boot option lsm= names "
			       "it); start another kernel, or take filesystem out of the agent");
	if ((rules->no_network || (rules->files && means->landlock < VERSION_TRUNCATE)) &&
	    !means->filter)
		return err_set(err, E_UNAVAILABLE,
			       "%s cannot be kept here: this kernel gives us no filters of system "
			       "calls (seccomp); start another kernel, leave the container that "
			       "forbids them, or take %s out of the agent",
			       rules->no_network ? "network = no" : "filesystem",
			       rules->no_network ? "network" : "filesystem");
	return true;
}

bool
confine_path_parse(const char *item, bool *ret_write, const char **ret_path, struct err *err)
{
	bool write = !strncmp(item, "rw:", 3);
	const char *path = write || !strncmp(item, "ro:", 3) ? item + 3 : item;

	if (*path != '/')
		return err_set(err, E_INVALID,
			       "\"%s\" is not what may be opened; expected read-only, ro:/PATH or "
			       "rw:/PATH, the path from the root on",
			       item);
	*ret_write = write;
	*ret_path = path;
	return true;
}

/* --- rules for the kernel ------------------------------------------------------------------ */

static uint64_t
fs_handled(int version)
{
	return FS_FIRST | (version >= 2 ? FS_REFER : 0) |
	       (version >= VERSION_TRUNCATE ? FS_TRUNCATE : 0) | (version >= 5 ? FS_IOCTL_DEV : 0);
}

static bool
path_allow(const struct confine *confine, const char *path, uint64_t access, struct err *err)
{
	AUTO(auto_close) int fd = open(path, O_PATH | O_CLOEXEC);
	struct path_attr attr = {.access = access, .fd = fd};
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return err_errno(err, errno, "filesystem names %s, which cannot be opened", path);
	if (!S_ISDIR(st.st_mode))
		attr.access &= FS_OF_A_FILE;
	return !attr.access ||
	       !syscall(SYS_landlock_add_rule, confine->ruleset, RULE_PATH, &attr, 0) ||
	       err_errno(err, errno, "cannot make a rule for %s", path);
}

/* A script that its interpreter is given, and the program itself. */
static void
word_allow(const struct confine *confine, const char *word, uint64_t handled)
{
	struct stat st;

	if (*word == '/' && !stat(word, &st) && S_ISREG(st.st_mode))
		path_allow(confine, word, FS_READ & handled, NULL);
}

static bool
files_allow(const struct confine *confine, const struct confine_rules *rules, uint64_t handled,
	    struct err *err)
{
	bool write;
	const char *path;

	for (size_t i = 0; i < ARRAY_LEN(implied); i++)
		path_allow(confine, implied[i].path, implied[i].access & handled, NULL);
	if (rules->read_all && !path_allow(confine, "/", FS_READ & handled, err))
		return false;
	for (size_t i = 0; rules->read_all && i < ARRAY_LEN(temporary); i++)
		path_allow(confine, temporary[i], handled & ~(uint64_t)FS_IOCTL_DEV, NULL);
	for (size_t i = 0; rules->argv && rules->argv[i]; i++)
		word_allow(confine, rules->argv[i], handled);
	for (size_t i = 0; rules->paths && rules->paths[i]; i++)
		if (!confine_path_parse(rules->paths[i], &write, &path, err) ||
		    !path_allow(confine, path, write ? handled : FS_READ & handled, err))
			return false;
	return true;
}

/* What is not handled is not forbidden: an agent without network may still open files. */
static bool
ruleset_make(struct confine *confine, const struct confine_rules *rules,
	     const struct confine_means *means, struct err *err)
{
	struct ruleset_attr attr = {
		.fs = rules->files ? fs_handled(means->landlock) : 0,
		/* Loopback of its own is for use; and nobody else is there to be reached. */
		.net = rules->no_network && !means->own_network && means->landlock >= 4 ? NET_TCP
											: 0,
		.scoped = means->landlock >= 6
				  ? SCOPE_SIGNAL | (rules->no_network ? SCOPE_ABSTRACT_UNIX : 0)
				  : 0,
	};

	if (!attr.fs && !attr.net && !attr.scoped)
		return true;
	confine->ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (confine->ruleset < 0)
		return err_errno(err, errno, "cannot make rules for the files of the agent");
	return !rules->files || files_allow(confine, rules, attr.fs, err);
}

bool
confine_new(const struct confine_rules *rules, struct confine **ret, struct err *err)
{
	struct confine_means means;
	struct confine *confine;
	struct confine_filter_rules filter = {.no_network = rules->no_network};

	if (!rules->no_network && !rules->files) {
		*ret = NULL;
		return true;
	}
	confine_probe(&means);
	if (!confine_check(rules, &means, err))
		return false;
	confine = mem_alloc(sizeof(*confine));
	confine->ruleset = -1;
	confine->no_network = rules->no_network;
	confine->own_network = rules->no_network && means.own_network;
	filter.truncate = rules->files && means.landlock < VERSION_TRUNCATE;
	filter.trace = !means.landlock;
	confine_filter_make(&confine->filter, &filter);
	filter.own_network = true;
	confine_filter_make(&confine->filter_own, &filter);
	if (means.landlock && !ruleset_make(confine, rules, &means, err)) {
		confine_free(confine);
		return false;
	}
	*ret = confine;
	return true;
}

void
confine_free(struct confine *confine)
{
	if (!confine)
		return;
	if (confine->ruleset >= 0)
		close(confine->ruleset);
	free(confine);
}

/* --- in the child -------------------------------------------------------------------------- */

#define CHILD_CODE __attribute__((no_sanitize("address", "undefined")))

/* A new network has a loopback that is down. Without it the agent is alone all the same. */
CHILD_CODE static void
loopback_up(void)
{
	struct ifreq lo = {.ifr_name = "lo"};
	int fd = (int)syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	lo.ifr_flags = IFF_UP | IFF_RUNNING;
	syscall(SYS_ioctl, fd, SIOCSIFFLAGS, &lo);
	syscall(SYS_close, fd);
}

/* They still count for what we do until the program starts; for root they would come back with it,
 * but for the bounds. capabilities(7) */
CHILD_CODE static bool
capabilities_drop(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};

	if (syscall(SYS_capget, &head, data))
		return false;
	data[0].inheritable = data[1].inheritable = 0;
	if (syscall(SYS_capset, &head, data))
		return false;
	syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (long cap = 0; cap < 64; cap++)
		/* EINVAL: there are no more. EPERM: we have no power, so neither has it. */
		if (syscall(SYS_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0))
			return errno == EINVAL || !(data[0].effective & (1U << CAP_SETPCAP));
	return true;
}

CHILD_CODE const char *
confine_apply(const struct confine *confine)
{
	bool own = confine->own_network && !syscall(SYS_unshare, CLONE_NEWNET);

	if (own)
		loopback_up();
	if (!capabilities_drop())
		return "take the capabilities of";
	if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return "bind";
	if (confine->ruleset >= 0 && syscall(SYS_landlock_restrict_self, confine->ruleset, 0))
		return "confine the files of";
	if (!confine_filter_load(own ? &confine->filter_own : &confine->filter))
		return confine->no_network ? "confine the network of" : "confine the files of";
	return NULL;
}
