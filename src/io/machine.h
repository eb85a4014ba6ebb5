/* Machine: what it has left of what it may run out of. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_MACHINE_H
#define ROUSE_IO_MACHINE_H

#include "base/buf.h"
#include "base/err.h"

/* Where nothing is counted (btrfs has no inodes) both are 0. statvfs(3) */
struct machine_disk {
	uint64_t bytes, bytes_free;
	uint64_t inodes, inodes_free;
};
bool machine_disk(const char *path, struct machine_disk *ret, struct err *err);

/* Does the kernel know that its clock follows another one? adjtimex(2). E_DENIED where it may not
 * be asked. */
bool machine_clock(bool *ret_follows, struct err *err);

/* How many descriptors this process has open, of the first `most`. */
size_t machine_files(size_t most);

/* The number that a file below /proc/sys holds; -1: it cannot be read. */
int64_t machine_setting(const char *name);

/* Calls fn with each process of this name (comm, at most 15 bytes) and its last argument ("" for
 * none); those of other users too, as far as they may be seen. */
void machine_processes(const char *name, void (*fn)(void *arg, pid_t pid, const char *argument),
		       void *arg);

#endif
