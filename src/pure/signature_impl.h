/* What the files of the signature room share; nobody else includes this. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_SIGNATURE_IMPL_H
#define ROUSE_PURE_SIGNATURE_IMPL_H

#include "pure/signature.h"
#include "pure/signature_text.h"

#define ED25519_KEY 32
#define ED25519_SIGNATURE 64

struct signature {
	struct signature_scheme scheme; /* the row with the options filled in */
	char *header, *prefix, *signed_text, *timestamp_header, *id_header;
};

/* One request as the scheme sees it. */
struct signing {
	const struct signature_scheme *scheme;
	const struct signature_headers *headers;
	const struct signature_request *request;
	struct str signature, timestamp, id;
	struct buf form, other_url;
	size_t spellings; /* of the URL */
};

void signing_fini(struct signing *s);
/* Reads what the URL and the form add to the signed text. E_UNAUTHORIZED. */
bool signing_find_url(struct signing *s, struct err *err);
/* The signed text with that spelling of the URL; returns how many parts are set. */
size_t signing_parts(const struct signing *s, size_t spelling, struct str parts[SIGNED_PARTS_MAX]);

/* The key that a secret stands for; false when it is empty or cannot be read. */
bool signature_key(const struct signature_scheme *scheme, struct str secret, bool private_key,
		   struct buf *out);
/* AUTO(signature_wipe): what keys become is overwritten before it is freed. */
void signature_wipe(struct buf *key);
void signature_encode(enum signature_encoding encoding, struct str bytes, struct buf *out);

#endif
