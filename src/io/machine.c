/* Machine: what it has left of what it may run out of. */
/* SPDX-License-Identifier: MIT */
#include "io/machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#include "base/os.h"

#define PROC_MAX (1 << 20)

bool
machine_disk(const char *path, struct machine_disk *ret, struct err *err)
{
	struct statvfs fs;

	if (statvfs(path, &fs))
		return err_errno(err, errno, "cannot ask how full the disk of %s is", path);
	*ret = (struct machine_disk){.bytes = (uint64_t)fs.f_blocks * fs.f_frsize,
				     .bytes_free = (uint64_t)fs.f_bavail * fs.f_frsize,
				     .inodes = fs.f_files,
				     .inodes_free = fs.f_favail};
	return true;
}

bool
machine_clock(bool *ret_follows, struct err *err)
{
	struct timex timex = {.modes = 0};
	int state = adjtimex(&timex);

	if (state < 0)
		return err_errno(err, errno, "cannot ask whether the clock is synchronised");
	*ret_follows = state != TIME_ERROR && !(timex.status & STA_UNSYNC);
	return true;
}

/* By asking for each: /proc/self/fd is closed to who may not be traced, as daemons. */
size_t
machine_files(size_t most)
{
	size_t count = 0;

	for (size_t fd = 0; fd < most; fd++)
		count += fcntl((int)fd, F_GETFD) >= 0;
	return count;
}

int64_t
machine_setting(const char *name)
{
	AUTO(buf_fini) struct buf path = BUF_INIT, text = BUF_INIT;
	uint64_t n;

	buf_printf(&path, "/proc/sys/%s", name);
	if (!os_read_file(buf_cstr(&path), PROC_MAX, &text, NULL) ||
	    !str_to_u64(str_trim(buf_str(&text)), &n) || n > INT64_MAX)
		return -1;
	return (int64_t)n;
}

static bool
proc_file(const char *pid, const char *name, struct buf *out)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_printf(&path, "/proc/%s/%s", pid, name);
	buf_clear(out);
	return os_read_file(buf_cstr(&path), PROC_MAX, out, NULL);
}

void
machine_processes(const char *name, void (*fn)(void *arg, pid_t pid, const char *argument),
		  void *arg)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	struct str first, rest;
	const char *last;
	uint64_t pid;

	while (dir && (entry = readdir(dir))) {
		if (!str_to_u64(str_of(entry->d_name), &pid) ||
		    !proc_file(entry->d_name, "comm", &text) ||
		    !str_eq_cstr(str_trim(buf_str(&text)), name) ||
		    !proc_file(entry->d_name, "cmdline", &text))
			continue;
		rest = str_split(buf_str(&text), '\0', &first);
		for (last = ""; rest.p && rest.len; last = first.p)
			rest = str_split(rest, '\0', &first);
		fn(arg, (pid_t)pid, last);
	}
	if (dir)
		closedir(dir);
}
