/* Beneath: files below a folder, and never outside of it, whatever links lie in between. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_BENEATH_H
#define ROUSE_IO_BENEATH_H

#include <sys/types.h>

#include "base/err.h"

/* Is path a plain relative one: no empty, "." or ".." part, none of more than 255 bytes, no control
 * character, at most 4095 bytes, and nothing of a repository's own (.git)? E_INVALID says what is
 * wrong. */
bool beneath_check(const char *path, struct err *err);
/* beneath_open() for who reads errno: ELOOP or EXDEV say a link on the way. */
int beneath_at(int root, const char *path, int flags);
/* Opens path below the folder root; no part of it, the last one included, is followed as a link,
 * and none lies outside. path "" is root itself. -1: E_NOT_FOUND, E_DENIED (a link, or outside of
 * root), E_IO. flags: of open(2), O_CLOEXEC is added. By openat2(2), where the kernel has it, and
 * no filter stands before it (systemd's RestrictSUIDSGID= refuses it). */
int beneath_open(int root, const char *path, int flags, struct err *err);
/* The folder that path lies in; *ret_name: its last part, within path. make: missing folders are
 * made with mode, and are on disk before this returns. */
int beneath_parent(int root, const char *path, bool make, mode_t mode, const char **ret_name,
		   struct err *err);

#endif
