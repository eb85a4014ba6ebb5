/* Selections: what their files share. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_SELECTION_INSIDE_H
#define ROUSE_CORE_SELECTION_INSIDE_H

#include "core/selection.h"
#include "pure/effect.h"

struct path;

struct selection {
	struct core *core;
	struct selection_spec spec;
	struct path *path; /* of spec.where, where it is plain */
	char *program;	   /* of spec.where, over a page of objects */
	selection_on_done *on_done;
	void *arg;

	/* what it has come to */
	int64_t run, after;
	size_t id_at;
	const char *expected; /* digest of the row that is taken; NULL: its own */
	json_t *missing;      /* ids that are of no change */
	bool begun, ended;
	int fd;
	struct buf tail; /* records that are not in the file yet */
	uint64_t count, on_disk;
	struct selection_chain chain;
	char digest[65];

	/* a page that jq is asked about */
	struct buf page; /* JSON array */
	struct selected *records;
	char (*ids)[37];
	size_t record_count;
	int tries;
	struct core_timer *timer;

	/* of the slice that a thread reads */
	struct store *reader;
	struct effect effect;
	struct buf key, object;
	int rows;
	struct err err;
};

/* --- selection_kept.c --- */

/* One more of what was found. */
bool selection_keep(struct selection *s, const struct selected *record, const char *id,
		    struct err *err);
/* 32 bytes of 64 hex digits; zeroes where it is none. */
void selection_digest_bytes(const char *hex, unsigned char ret[32]);

#endif
