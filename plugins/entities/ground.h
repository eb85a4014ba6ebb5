/* The ground of a file's cursor: is what was read of it still there? */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_ENTITIES_GROUND_H
#define ROUSE_PLUGINS_ENTITIES_GROUND_H

#include <sys/stat.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"

/* Where a reader is in its file, and what it knows of all before that. */
struct ground {
	uint64_t offset, line; /* of the next record */
	uint64_t records;      /* before it */
	bool open_end;	       /* the last one had no line end: the file stopped there */
	bool known;	       /* what follows is of a file that was looked at */
	uint64_t dev, ino, size;
	int64_t mtime_ns;
	/* SHA-256 of the blocks before offset that are whole, each with the digest before it; and
	 * of what is left over. */
	char chain[65], tail[65];
};
#define GROUND_START ((struct ground){.line = 1})

void ground_print(const struct ground *ground, struct buf *out);
bool ground_parse(struct str text, struct ground *ret, struct err *err);

enum ground_is {
	GROUND_SAME,	 /* nothing was changed */
	GROUND_GROWN,	 /* it was written to, but not in what was read */
	GROUND_REPLACED, /* what was read is not there any more: another file, or other content */
	GROUND_FAILED
};
/* Reads what was read before where the file may have been changed. Blocks. */
enum ground_is ground_look(const struct ground *ground, int fd, const struct stat *st,
			   struct err *err);
/* The reader is at offset now: takes what lies between from the file. Blocks. */
bool ground_move(struct ground *ground, int fd, const struct stat *st, uint64_t offset,
		 struct err *err);

#endif
