/* Look: what is there now: one path, or the names of folders. For work threads; blocks. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_FILE_LOOK_H
#define ROUSE_TRIGGERS_FILE_LOOK_H

#include "triggers/file/ground.h"
#include "triggers/file/pack.h"

/* Larger files are not hashed: their size and time must do. */
#define HASH_MAX (256LL << 20)

/* --- one path ------------------------------------------------------------------------------ */

struct look {
	/* Asked for. Owned. */
	char *path; /* below the root */
	char *from; /* where it may have come from; NULL */
	bool hash, content;
	/* Found. */
	enum {
		LOOK_NOTHING, /* or nothing that is a plain file */
		LOOK_FILE,
		LOOK_FAILED /* it cannot be said: errnum */
	} found;
	bool from_is_there;
	bool is_open;	 /* somebody has it open for writing */
	bool open_known; /* ... or nobody has, for certain */
	bool is_moving;	 /* it changed while it was read */
	int errnum;
	struct version version;
	mode_t mode;
	unsigned links;
	int64_t age_ms;	 /* since the last change of anything about it, by the local clock */
	int64_t wait_ns; /* a write right now might leave the same time behind; for so long */
	int64_t ctime_ns, born_ns; /* born: 0 when the file system does not say */
	struct buf bytes;	   /* content */
	bool has_bytes;		   /* false: too large, or it may not be read */
};
void look_fini(struct look *look);
void look_at(const struct ground *ground, struct look *look);

/* --- folders ------------------------------------------------------------------------------- */

/* A name of a folder: a plain file in sight, or a folder that is looked into. */
struct listed {
	struct packed entry; /* name: a slice of listing->bytes */
	bool is_folder;
	int64_t ctime_ns, born_ns;
};

struct listing {
	/* Asked for. Owned. */
	char *path;
	bool watch;
	uint32_t from; /* names whose hash is at least this */
	/* Found. */
	enum {
		LISTED_ALL,
		LISTED_SOME,   /* up to `to`: there are more names than are taken at once */
		LISTED_DENIED, /* no permission */
		LISTED_GONE,   /* no such folder (any more) */
		LISTED_FAILED, /* errnum */
		LISTED_NOT     /* not looked at: the others were many */
	} found;
	int errnum;
	int wd;		 /* its watch; -1: none */
	int watch_errno; /* why there is none; 0 */
	uint32_t to;
	struct listed *names; /* in order */
	size_t count;
	struct buf bytes;
};
void listing_fini(struct listing *listing);
/* Watches (where asked), then lists. Stops beginning folders after so many names. */
void look_list(const struct ground *ground, struct listing *listings, size_t count, size_t enough);

#endif
