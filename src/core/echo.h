/* Echo: what Rouse itself has just written, so that a source which sees it knows by whom. SPEC 5.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_ECHO_H
#define ROUSE_CORE_ECHO_H

#include "core/core.h"

/* Notes that content with this hash (SHA-256, 32 bytes; zeros: nothing, it is deleted) is written
 * to path (absolute, no links in it) for the change of a run; cause: as in happening.cause, its
 * parent that run. Within the turn, and to be on disk (turn_after) before the file is: then a
 * source that sees it, now or after a restart, finds the note. A later note for the same path takes
 * its place. */
bool echo_note(struct core *core, const char *path, struct str sha256, struct str cause,
	       struct err *err);
/* Is there a note for path? Only then its content needs to be hashed. */
bool echo_is_noted(struct core *core, struct str path);
/* The cause of what lies at path now, by its hash; false: it is not Rouse's. Notes are known for a
 * day. */
bool echo_find(struct core *core, struct str path, struct str sha256, struct buf *ret_cause);

#endif
