/* The operating system: files that are whole or not there, descriptors, processes, crash points. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_BASE_OS_H
#define ROUSE_BASE_OS_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Every call that a test may want to fail or watch; os_default() is the real thing. */
struct os_calls {
	ssize_t (*read)(int, void *, size_t);
	ssize_t (*write)(int, const void *, size_t);
	int (*fsync)(int);
	int (*open)(const char *, int, mode_t);
};
extern struct os_calls os;

/* The whole file, at most max bytes (E_TOO_LARGE beyond). */
bool os_read_file(const char *path, size_t max, struct buf *out, struct err *err);
bool os_read_fd(int fd, size_t max, const char *what, struct buf *out, struct err *err);
/* Whole or not at all: temporary name, fsync, rename, fsync of the folder. */
bool os_write_file(const char *path, struct str data, mode_t mode, struct err *err);
bool os_write_all(int fd, struct str data, struct err *err); /* EINTR and short writes seen to */
bool os_mkdirs(const char *path, mode_t mode, struct err *err);
bool os_remove_tree(const char *path, struct err *err); /* never follows a link */
bool os_nonblock(int fd, bool on);
bool os_cloexec(int fd, bool on);
/* Folder of the running program, owned. */
char *os_program_dir(void);
/* Starts that identify a process beside its pid: field 22 of /proc/PID/stat; 0 when gone. */
uint64_t os_process_start(pid_t pid);

/* A named place at which a test lets the process die: ROUSE_CRASH=name[:n] kills -9 at its n-th
 * passing. Costs one branch when unset. name: a literal; a program's names stand one after the
 * other in its section rouse_crash, where a test finds them all. */
#define crash_point(name)                                                                          \
	do {                                                                                       \
		static const char crash_point_name[]                                               \
			__attribute__((section("rouse_crash"), used)) = name;                      \
		crash_point_pass(crash_point_name);                                                \
	} while (0)
void crash_point_pass(const char *name);

#endif
