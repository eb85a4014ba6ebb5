/* Starting programs: a child that shares our memory until it becomes the program; no fork, no copy.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_START_H
#define ROUSE_IO_START_H

#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"

struct confine;

struct start_limit {
	int resource;	   /* RLIMIT_... */
	rlim_t soft, hard; /* lowered to what we may set ourselves */
};

struct start_plan {
	const char *const *argv;
	const char *const *envp;  /* NULL: empty */
	const char *const *paths; /* tried in order, NULL at the end: start_paths() */
	const char *workdir;	  /* NULL: / */
	int fds[3];		  /* become 0, 1, 2; each at least 3 */
	/* The child works in our own table of descriptors until it has copied its first few: fast
	 * however many are open, as long as the numbers in fds are low. */
	bool share_fds;
	bool new_session, die_with_parent;
	const struct start_limit *limits;
	size_t limit_count;
	int umask; /* -1: as inherited */
	int nice;  /* 0: as inherited */
	bool change_user;
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t group_count;
	bool enter_group; /* the one that group_fd is cgroup.procs of */
	int group_fd;
	const struct confine *confine; /* NULL: it may do what its user may */
};

/* Where argv[0] may lie: itself if it has a '/', else below each folder of path ("/bin:/usr/bin",
 * NULL: a default). One block, owned, NULL at the end. */
char **start_paths(const char *program, const char *path);

/* pid and pidfd (close-on-exec; may be NULL when not wanted). The child has default signals,
 * no_new_privs and only three descriptors. E_NOT_FOUND, E_DENIED, E_INVALID (no program), E_FULL;
 * *ret_errno (may be NULL) is the system's number for it. Not to be called by two threads at once.
 */
bool start_program(const struct start_plan *plan, pid_t *ret_pid, int *ret_pidfd, int *ret_errno,
		   struct err *err);

#endif
