/* Attachments: files beside the events whose mail they came with. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_IMAP_ATTACHMENTS_H
#define ROUSE_TRIGGERS_IMAP_ATTACHMENTS_H

#include "base/buf.h"
#include "base/err.h"

/* Appends a name that any file system and shell takes, whatever a stranger calls it: letters,
 * digits,
 * '.', '-' and '_' of the last part of raw, no leading dot, at most 100 bytes; "attachment" where
 * nothing is left. */
void attachment_name(struct str raw, struct buf *out);

/* Makes folder (its parent is made too) and in it a file of each, durably. Blocks. */
bool attachments_write(const char *folder, const char *const *names, const struct str *bytes,
		       size_t count, struct err *err);

#endif
