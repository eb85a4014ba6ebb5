/* Hashes, encodings, and comparison in constant time; OpenSSL's libcrypto behind. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_BASE_DIGEST_H
#define ROUSE_BASE_DIGEST_H

#include "base/buf.h"

enum digest_kind { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512, DIGEST_KINDS };
#define DIGEST_MAX 64

struct digest {
	unsigned char bytes[DIGEST_MAX];
	size_t len;
};

bool digest_kind_parse(struct str name, enum digest_kind *ret); /* sha1 sha256 sha512 */
struct digest digest_of(enum digest_kind kind, struct str data);
struct digest digest_of_parts(enum digest_kind kind, const struct str *parts, size_t count);
struct digest digest_hmac(enum digest_kind kind, struct str key, const struct str *parts,
			  size_t count);

/* Equal lengths and equal bytes, in time that depends on the lengths alone. */
bool digest_equal(const void *a, size_t alen, const void *b, size_t blen);

void hex_encode(struct buf *out, struct str bytes); /* lower case */
bool hex_decode(struct str text, struct buf *out);  /* either case; false on anything else */

/* The byte that "%41" at s.p[i] stands for; -1: no percent sign with two digits stands there. */
int percent_byte(struct str s, size_t i);
/* Appends raw with each %XX as its byte, and with `plus` each "+" as a space. A broken escape
 * stands for itself. */
void percent_decode(struct str raw, bool plus, struct buf *out);

void base64_encode(struct buf *out, struct str bytes);
/* Standard alphabet, padding required, no white space, canonical. */
bool base64_decode(struct str text, struct buf *out);
void base64url_encode(struct buf *out, struct str bytes); /* no padding */

#endif
