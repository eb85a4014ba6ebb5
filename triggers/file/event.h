/* Event: what became of a file, as the document that an agent gets. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_FILE_EVENT_H
#define ROUSE_TRIGGERS_FILE_EVENT_H

#include "triggers/file/look.h"

enum file_event { FILE_CREATE, FILE_MODIFY, FILE_DELETE, FILE_MOVE, FILE_EVENTS };
const char *file_event_name(enum file_event event);
bool file_event_parse(const char *name, enum file_event *ret);

struct file_change {
	enum file_event event;
	struct str root;	       /* absolute */
	struct str path, from;	       /* below it; from: only of FILE_MOVE */
	const struct version *version; /* now; of FILE_DELETE: the last one known */
	const struct look *look;       /* NULL for FILE_DELETE */
	enum content content;
};

/* The event's data. Names that are no UTF-8 are shown with U+FFFD in the place of what is none, and
 * given exactly, as base64, in members with "_base64" behind their names. */
void file_event_data(const struct file_change *change, struct buf *out);
/* The natural key: path, inode, size and mtime in ns; a version that was seen at a path is not seen
 * there again. Behind that of a deletion, which has no version of its own, stands `once`. */
void file_event_key(const struct file_change *change, int64_t once, struct buf *out);

#endif
