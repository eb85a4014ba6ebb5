/* Files: what below a folder was written since a moment. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_FILES_H
#define ROUSE_IO_FILES_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

#define FILES_LOOKED_MAX 100000 /* entries that are looked at */
#define FILES_DEPTH_MAX 32

/* Appends [{"path","size"}, …] of regular files below root that were written at or after since,
 * paths from root, in the order of their names, at most `most`. Links are not followed; what cannot
 * be read is left out, and so is what is beyond the bounds. Blocks: for a thread. False: root
 * itself cannot be read. */
bool files_since(const char *root, struct wall since, size_t most, struct buf *out,
		 struct err *err);

#endif
