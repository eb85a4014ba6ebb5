/* Control groups, version 2: a leaf for each run, so that it is limited and ended as a whole.
 * cgroups(7) */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_CGROUP_H
#define ROUSE_IO_CGROUP_H

#include "base/buf.h"
#include "base/err.h"

/* Where leaves are made. wanted: "auto" is our own group or the one above it, where whoever started
 * us says that it is ours (systemd: Delegate=yes); "none"; or a folder. *ret, owned: NULL for none,
 * also where auto finds nothing. E_UNAVAILABLE: leaves cannot be made in the folder; a sentence. */
bool cgroup_find(const char *wanted, char **ret, struct err *err);
/* Hands the controllers of memory, processes and processors on to the leaves, as far as there are
 * any; not from a group that holds processes itself, whose leaves nobody could enter then. "memory
 * processes cpu", what now is limited in leaves, for people. */
void cgroup_prepare(const char *base, struct buf *ret_limits);

/* -1: no limit. What a leaf does not limit for want of a controller is false after. */
struct cgroup_limits {
	int64_t memory_max, processes;
	int64_t cpu_milli; /* thousandths of a processor */
};
struct cgroup_kept {
	bool memory_max, processes, cpu;
};
/* Makes a leaf; one that is there already is taken. *ret_fd: for cgroup_enter(), close-on-exec. */
bool cgroup_make(const char *leaf, const struct cgroup_limits *limits, struct cgroup_kept *ret_kept,
		 int *ret_fd, struct err *err);
/* Does this machine limit memory by groups of version 2? Not where version 1 has that controller.
 */
bool cgroup_has_memory(void);
/* For the main process of a unit of systemd whose group is its own (Delegate=yes): moves it into a
 * group below, so that limits can be handed down, and names the leaf beside that for cgroup_make().
 * *ret: owned. False: the group is not ours, or there is none of version 2. */
bool cgroup_unit_leaf(char **ret);
/* Puts the calling process, and what it will start, into the leaf. Only makes a system call. */
bool cgroup_enter(int fd);
/* SIGKILL to all that are in it, at once. */
void cgroup_kill(const char *leaf);
/* How many the kernel has killed there for want of memory. */
int cgroup_oom_kills(const char *leaf);
/* Kills who is left in it and removes it, with groups that were made below; waits at most a second.
 * True also when there is none. */
bool cgroup_remove(const char *leaf);

#endif
