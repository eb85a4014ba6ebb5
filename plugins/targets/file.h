/* File targets, inside: what a change makes of a file's bytes, and how both are told. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_FILE_H
#define ROUSE_PLUGINS_FILE_H

#include "core/target.h"

extern const struct target_kind file_target_kind;

/* The forms that `before` and `after` may have:
 *   "text"               the whole content
 *   {"$base64":"..."}    the whole content, in bytes that are no text
 *   {"$sha256":"hex"}    (before alone) content with this hash
 *   any other value      the file is a JSON document
 * and `patch`: an object is a merge patch (RFC 7396), a list a JSON patch (RFC 6902), a text a
 * unified diff. */

/* Is the proposal one that can be carried out at all? E_INVALID. */
bool file_change_check(const struct change_row *change, struct err *err);
/* What the change makes of content (p NULL: nothing is there). E_DRIFT: a patch does not fit. */
bool file_content_make(const struct change_row *change, struct str content, struct buf *out,
		       struct err *err);
/* The bytes that an image stands for; false when it tells only a hash, or is no image. */
bool file_image_bytes(const char *image, struct buf *out);
/* Does content (p NULL: nothing is there) differ from what an image says? NULL: from nothing. */
bool file_image_drifted(const char *image, struct str content);
/* Content as an image for people: JSON where like is JSON and it is too, text, or hash and size.
 * like: JSON; NULL. */
void file_image_show(struct str content, const char *like, struct buf *out);
/* Content as an image from which it comes back byte by byte. */
void file_image_keep(struct str content, struct buf *out);

#endif
