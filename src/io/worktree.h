/* Work trees: the git commit that a folder is at. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_WORKTREE_H
#define ROUSE_IO_WORKTREE_H

#include "base/buf.h"
#include "base/err.h"

/* Appends the full commit id of the work tree that dir lies in, with "-dirty" behind it where files
 * that git tracks differ from it. Nothing is appended where there is no work tree, or no commit
 * yet. E_DENIED when the repository belongs neither to the user of this process nor to root, or is
 * root's and everyone may write to it; E_IO when it cannot be read; E_UNAVAILABLE when libgit2 is
 * not installed. No hook, filter or program of the repository runs, no configuration but its own is
 * read, nothing is written. Blocks; libgit2 is loaded only where a .git is found, and only while
 * this runs. */
bool worktree_describe(const char *dir, struct buf *ret, struct err *err);

#endif
