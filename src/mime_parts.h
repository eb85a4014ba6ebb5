/* rouse-mime: the parts of the helper that reads mail which strangers sent. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_MIME_PARTS_H
#define ROUSE_MIME_PARTS_H

#include <gmime/gmime.h>

#include "base/buf.h"
#include "base/err.h"

enum {
	MIME_TEXT_MAX = 256 << 10,    /* of text, of html */
	MIME_HEADERS_MAX = 128 << 10, /* of all values of fields */
	MIME_FIELD_MAX = 8 << 10,
	MIME_FIELDS_MAX = 500,
	MIME_ADDRESSES_MAX = 100,
	MIME_ID_MAX = 2000,
	MIME_ATTACHMENTS_MAX = 100,
	MIME_PARTS_MAX = 1000,
	MIME_DEPTH_MAX = 50,
};

/* Once, with every right: what libraries would want to open later. */
void mime_prepare(void);

/* Appends outputs (cell_output()): the message's document, then, where `save`, the bytes of each
 * attachment that its `attachments` list, in order. E_MAPPING: that is no message. */
bool mime_message(struct str raw, bool save, struct buf *outputs, struct err *err);

/* --- mime_part.c: bodies and attachments --- */

struct bodies {
	bool save;
	struct buf text, html;
	struct buf list;  /* of attachments: JSON objects with commas between */
	struct buf bytes; /* of attachments, as outputs */
	unsigned attachments, left_out, parts;
	bool text_cut, html_cut;
};
void bodies_fini(struct bodies *bodies);
/* Everything below root, in the order of the message. */
void bodies_collect(struct bodies *bodies, GMimeObject *root);

/* ,"name":"value", at most max bytes of it; null where there is none. True: it was cut. */
bool json_member(struct buf *out, const char *name, const char *value, size_t max);
/* At most max bytes of s, without half a character at the end. */
struct str text_cut(struct str s, size_t max);

#endif
