/* Control groups, version 2: a leaf for each run, so that it is limited and ended as a whole.
 * cgroups(7) */
/* SPDX-License-Identifier: MIT */
#include "io/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/os.h"

#define CHILD_CODE __attribute__((no_sanitize("address", "undefined")))

enum { FILE_MAX = 64 << 10, DEPTH_MAX = 32, TRIES = 100, WAIT_MS = 10, CPU_PERIOD_US = 100000 };

static bool
file_write(const char *dir, const char *name, const char *text)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_cat(&path, dir, "/", name);
	AUTO(auto_close) int fd = open(buf_cstr(&path), O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool
file_is_there(const char *dir, const char *name)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_cat(&path, dir, "/", name);
	return !access(buf_cstr(&path), F_OK);
}

/* --- where ----------------------------------------------------------------------------------- */

static bool
is_cgroup2(const char *path)
{
	struct statfs st;

	return !statfs(path, &st) && st.f_type == CGROUP2_SUPER_MAGIC;
}

/* systemd.exec(5), Delegate=: what it hands over bears this mark; others hand over by owner. */
static bool
is_ours(const char *path)
{
	char mark[2] = "";

	if (getxattr(path, "trusted.delegate", mark, 1) == 1 ||
	    getxattr(path, "user.delegate", mark, 1) == 1)
		return mark[0] == '1';
	return geteuid() && !access(path, W_OK);
}

/* A leaf can be made here, and be killed (Linux 5.14). */
static bool
base_works(const char *base, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	bool kills;

	if (!is_cgroup2(base))
		return err_set(err, E_UNAVAILABLE,
			       "%s is no folder of cgroup version 2; make one below where that is "
			       "mounted (findmnt -t cgroup2), or set cgroup = none",
			       base);
	buf_printf(&path, "%s/rouse-probe-%d", base, (int)getpid());
	if (mkdir(buf_cstr(&path), 0755) && errno != EEXIST)
		return err_set(err, E_UNAVAILABLE,
			       "groups for runs cannot be made in %s: %s; it must belong to the "
			       "daemon's user (systemd: Delegate=yes, ProtectControlGroups=no)",
			       base, strerrordesc_np(errno));
	kills = file_is_there(buf_cstr(&path), "cgroup.kill");
	rmdir(buf_cstr(&path));
	return kills || err_set(err, E_UNAVAILABLE,
				"groups of this kernel cannot be killed; Linux 5.14 and later can");
}

/* proc(5): of version 2 it is the line "0::/PATH". */
static bool
own_path(struct buf *ret)
{
	static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str rest, line;

	if (!os_read_file("/proc/self/cgroup", FILE_MAX, &text, NULL))
		return false;
	for (rest = buf_str(&text); rest.p && rest.len;) {
		rest = str_split(rest, '\n', &line);
		if (!str_starts(line, STR("0::/")))
			continue;
		for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
			if (!is_cgroup2(mounts[i]))
				continue;
			buf_puts(ret, mounts[i]);
			buf_add_str(ret, str_make(line.p + 3, line.len - 3));
			return true;
		}
	}
	return false;
}

/* Above it first: where systemd puts us one below what is ours (DelegateSubgroup=), the leaves
 * stand beside us, and only there can they be limited. */
static char *
find_own(void)
{
	AUTO(buf_fini) struct buf own = BUF_INIT;
	AUTO(auto_free) char *above = NULL;
	char *slash;

	if (!own_path(&own))
		return NULL;
	above = mem_strdup(buf_cstr(&own));
	slash = strrchr(above, '/');
	*slash = '\0';
	if (is_ours(above) && base_works(above, NULL))
		return TAKE(above);
	return is_ours(buf_cstr(&own)) && base_works(buf_cstr(&own), NULL) ? buf_take(&own) : NULL;
}

bool
cgroup_find(const char *wanted, char **ret, struct err *err)
{
	if (!strcmp(wanted, "none")) {
		*ret = NULL;
		return true;
	}
	if (!strcmp(wanted, "auto")) {
		*ret = find_own();
		return true;
	}
	if (*wanted != '/')
		return err_set(err, E_INVALID, "\"%s\"; expected auto, none or a folder below /",
			       wanted);
	if (!base_works(wanted, err))
		return false;
	*ret = mem_strdup(wanted);
	return true;
}

/* Where processes stand in it, ourselves where systemd has no DelegateSubgroup= (before 254), it
 * must hand nothing down: what the kernel lets it hand down makes a threaded domain of it, and
 * nobody can enter the groups below. cgroups(7). */
static bool
is_populated(const char *base)
{
	AUTO(buf_fini) struct buf path = BUF_INIT, text = BUF_INIT;

	buf_cat(&path, base, "/cgroup.procs");
	return os_read_file(buf_cstr(&path), FILE_MAX, &text, NULL) && str_trim(buf_str(&text)).len;
}

void
cgroup_prepare(const char *base, struct buf *ret_limits)
{
	static const struct {
		const char *order, *undo, *controller, *name;
	} wanted[] = {{"+memory", "-memory", "memory", "memory"},
		      {"+pids", "-pids", "pids", "processes"},
		      {"+cpu", "-cpu", "cpu", "cpu"}};
	bool populated = is_populated(base);
	AUTO(buf_fini) struct buf path = BUF_INIT, text = BUF_INIT;
	struct str rest, word;

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		file_write(base, "cgroup.subtree_control",
			   populated ? wanted[i].undo : wanted[i].order);
	buf_cat(&path, base, "/cgroup.subtree_control");
	if (!os_read_file(buf_cstr(&path), FILE_MAX, &text, NULL))
		return;
	for (rest = str_trim(buf_str(&text)); rest.p && rest.len;) {
		rest = str_split(rest, ' ', &word);
		for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
			if (str_eq_cstr(word, wanted[i].controller))
				buf_cat(ret_limits, ret_limits->len ? " " : "", wanted[i].name);
	}
}

bool
cgroup_has_memory(void)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str rest, word;

	if (!os_read_file("/sys/fs/cgroup/cgroup.controllers", FILE_MAX, &text, NULL))
		return false;
	for (rest = str_trim(buf_str(&text)); rest.p && rest.len;) {
		rest = str_split(rest, ' ', &word);
		if (str_eq_cstr(word, "memory"))
			return true;
	}
	return false;
}

/* cgroups(7): a group that hands controllers down holds no processes itself. */
bool
cgroup_unit_leaf(char **ret)
{
	AUTO(buf_fini) struct buf own = BUF_INIT, shim = BUF_INIT, limits = BUF_INIT;
	AUTO(auto_close) int fd = -1;
	struct cgroup_kept kept;
	const struct cgroup_limits none = {-1, -1, -1};

	if (!own_path(&own) || !is_ours(buf_cstr(&own)))
		return false;
	buf_cat(&shim, buf_cstr(&own), "/shim");
	if (!cgroup_make(buf_cstr(&shim), &none, &kept, &fd, NULL) || !cgroup_enter(fd))
		return false;
	cgroup_prepare(buf_cstr(&own), &limits);
	buf_puts(&own, "/agent");
	*ret = buf_take(&own);
	return true;
}

/* --- a leaf ---------------------------------------------------------------------------------- */

static bool
limit_write(const char *leaf, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	return value > 0 && file_write(leaf, name, text);
}

/* cgroup-v2.rst, cpu.max: so many microseconds of each period; the kernel takes no less than one
 * thousand. */
static bool
limit_cpu(const char *leaf, int64_t milli)
{
	char text[48];
	int64_t quota;

	if (milli <= 0 || __builtin_mul_overflow(milli, CPU_PERIOD_US / 1000, &quota))
		return false;
	snprintf(text, sizeof(text), "%lld %d", (long long)(quota < 1000 ? 1000 : quota),
		 CPU_PERIOD_US);
	return file_write(leaf, "cpu.max", text);
}

bool
cgroup_make(const char *leaf, const struct cgroup_limits *limits, struct cgroup_kept *ret_kept,
	    int *ret_fd, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct cgroup_kept kept;
	int fd;

	if (mkdir(leaf, 0755) && errno != EEXIST)
		return err_errno(err, errno, "cannot make the group %s", leaf);
	buf_cat(&path, leaf, "/cgroup.procs");
	fd = open(buf_cstr(&path), O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "cannot open %s", buf_cstr(&path));
	kept.memory_max = limit_write(leaf, "memory.max", limits->memory_max);
	kept.processes = limit_write(leaf, "pids.max", limits->processes);
	kept.cpu = limit_cpu(leaf, limits->cpu_milli);
	/* What is swapped out is used as well; and half a run is worth nothing. */
	if (kept.memory_max) {
		file_write(leaf, "memory.swap.max", "0");
		file_write(leaf, "memory.oom.group", "1");
	}
	*ret_kept = kept;
	*ret_fd = fd;
	return true;
}

CHILD_CODE bool
cgroup_enter(int fd)
{
	return syscall(SYS_write, fd, "0", 1) == 1;
}

void
cgroup_kill(const char *leaf)
{
	file_write(leaf, "cgroup.kill", "1");
}

int
cgroup_oom_kills(const char *leaf)
{
	AUTO(buf_fini) struct buf path = BUF_INIT, text = BUF_INIT;
	struct str rest, line, number, name;
	int64_t count;

	buf_cat(&path, leaf, "/memory.events");
	if (!os_read_file(buf_cstr(&path), FILE_MAX, &text, NULL))
		return 0;
	for (rest = buf_str(&text); rest.p && rest.len;) {
		rest = str_split(rest, '\n', &line);
		number = str_split(line, ' ', &name);
		if (str_eq_cstr(name, "oom_kill") && str_to_i64(number, &count))
			return count > 0 && count < INT32_MAX ? (int)count : 0;
	}
	return 0;
}

/* What the agent made below comes first. */
static bool
group_remove(const char *path, int depth)
{
	AUTO(buf_fini) struct buf below = BUF_INIT;
	DIR *dir;
	struct dirent *entry;

	if (!rmdir(path) || errno == ENOENT)
		return true;
	dir = depth < DEPTH_MAX ? opendir(path) : NULL;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		buf_clear(&below);
		buf_cat(&below, path, "/", entry->d_name);
		group_remove(buf_cstr(&below), depth + 1);
	}
	if (dir)
		closedir(dir);
	return !rmdir(path) || errno == ENOENT;
}

bool
cgroup_remove(const char *leaf)
{
	for (int i = 0; i < TRIES; i++) {
		if (!rmdir(leaf) || errno == ENOENT)
			return true;
		cgroup_kill(leaf);
		if (group_remove(leaf, 0))
			return true;
		poll(NULL, 0, WAIT_MS);
	}
	return false;
}
