/* Webhook signatures: one table of schemes, one way to verify and to make them. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_SIGNATURE_H
#define ROUSE_PURE_SIGNATURE_H

#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"

enum signature_method {
	SIGNATURE_NONE,	      /* accepts everything */
	SIGNATURE_HMAC,	      /* HMAC of the signed text */
	SIGNATURE_ED25519,    /* ed25519 over the signed text; the secret is the public key */
	SIGNATURE_TOKEN,      /* the header is the prefix and the secret itself */
	SIGNATURE_BASIC,      /* Authorization: Basic, the secret is user:password */
	SIGNATURE_BODY_TOKEN, /* each value[].clientState of the body is the secret */
};

enum signature_encoding {
	SIGNATURE_HEX,	     /* either case */
	SIGNATURE_HEX_LOWER, /* as the provider writes it */
	SIGNATURE_BASE64,
	SIGNATURE_ENCODINGS
};

enum signature_key {
	SIGNATURE_KEY_TEXT,   /* the secret's own bytes */
	SIGNATURE_KEY_BASE64, /* base64 behind an optional prefix such as whsec_ */
	SIGNATURE_KEY_HEX,
};

enum signature_time {
	SIGNATURE_TIME_NONE,
	SIGNATURE_TIME_HEADER, /* seconds in a header of their own */
	SIGNATURE_TIME_FIELD,  /* t=SECONDS in the signature header's list */
	SIGNATURE_TIME_BODY,   /* webhookTimestamp, milliseconds, in the signed body */
	SIGNATURE_TIME_DATE,   /* "Fri 08 Sep 2017 11:24:32 UTC" in a header of its own */
};

/* The headers of one way of naming them, in lower case; NULL where there is none. */
struct signature_headers {
	const char *signature, *timestamp, *id;
	const char *required[4]; /* must be there beside the signature, not empty */
};

/* A row of the table. */
struct signature_scheme {
	const char *name;
	enum signature_method method;
	struct signature_headers headers[2]; /* the first whose signature header is there counts */
	const char *prefix;		     /* of each signature: sha256= v0= v1, */
	char separator;	      /* between several signatures in a header, 0: one only */
	bool prefix_optional; /* a signature that stands alone may come without it */
	enum digest_kind algorithm;
	enum signature_encoding encoding;
	const char *signed_text; /* template of {timestamp} {id} {body} {method} {url} {form} */
	enum signature_time time;
	int64_t tolerance_ms; /* its own; 0 where there is no timestamp */
	enum signature_key key;
	const char *key_prefix;
	bool body_required;
	const char *delivery[3];     /* headers with the delivery's id, the first that is there */
	const char *delivery_member; /* else this member of the JSON body */
	const char *ping_header, *ping_value;
};

/* By the name used in verify =; NULL when unknown. */
const struct signature_scheme *signature_find(struct str name);
/* The rows in order, for help and completions; NULL behind the last. */
const struct signature_scheme *signature_at(size_t index);

/* What the trigger says beside the scheme. The texts are only hmac's (of token: header, prefix);
 * they are borrowed. */
struct signature_options {
	int64_t tolerance_ms;	     /* 0: the scheme's own (5 min; linear 1 min) */
	struct str header;	     /* of the signature; empty: X-Signature */
	struct str algorithm;	     /* sha1 sha256 sha512; empty: sha256 */
	struct str encoding;	     /* hex base64; empty: hex */
	struct str prefix;	     /* before the signature, as sha256= */
	struct str signed_text;	     /* template; empty: {body} */
	struct str separator;	     /* one character between several signatures; empty: one only */
	bool prefix_optional;	     /* also the signature alone */
	struct str timestamp_header; /* needed where signed_text has {timestamp} */
	struct str id_header;	     /* needed where signed_text has {id}; also the delivery's id */
};

/* A scheme with its options filled in, ready to verify. */
struct signature;
/* E_CONFIG says which option is wrong, and what it may be. options NULL: none. */
bool signature_new(const struct signature_scheme *scheme, const struct signature_options *options,
		   struct signature **ret, struct err *err);
void signature_free(struct signature *signature);
void signature_auto_free(struct signature **signature); /* AUTO(signature_auto_free) */
const struct signature_scheme *signature_scheme(const struct signature *signature);

/* Whether the scheme can work with this secret: not empty, base64 or hex where it must be.
 * E_CONFIG otherwise. For the time the configuration is read. */
bool signature_check_secret(const struct signature *signature, struct str secret, struct err *err);

struct signature_request {
	struct str method, url, body; /* url: as the sender wrote it, scheme and host included */
	/* The index-th value of a header, name in lower case; p NULL when there is none. */
	struct str (*header)(void *arg, const char *name, size_t index);
	void *arg;
};

/* Whether one of the secrets signed the request, and when that was. Takes the raw body; nothing
 * is parsed before its signature holds (msgraph has none but what it says in the body).
 * Of a header that lists several signatures the first 16 are looked at.
 * *ret_secret (may be NULL) is the index of the secret. E_UNAUTHORIZED with the reason. */
bool signature_verify(const struct signature *signature, const struct str *secrets, size_t count,
		      const struct signature_request *request, struct wall now, size_t *ret_secret,
		      struct err *err);

/* Does it sign the URL, so that the request has to have one? */
bool signature_needs_url(const struct signature *signature);

/* Calls emit for each header that makes the request one which signature_verify accepts (names in
 * lower case). id: of the delivery, where the scheme signs one. request->header may be NULL.
 * ed25519 schemes take the private key as secret (32-byte seed, or seed and public key);
 * E_INVALID for msgraph, whose body carries the secret. */
bool signature_sign(const struct signature *signature, struct str secret,
		    const struct signature_request *request, struct str id, struct wall now,
		    void (*emit)(void *arg, const char *name, const char *value), void *arg,
		    struct err *err);

/* Does a header of this name (in lower case) prove who sent it, so that it is nobody else's to see?
 */
bool signature_header_is_secret(struct str name);

/* The delivery's own id, by which a repeated delivery is known: header, else body member.
 * p NULL when the scheme has none. A slice of the request. */
struct str signature_delivery_id(const struct signature *signature,
				 const struct signature_request *request);

/* Whether the provider only tries whether somebody is there (X-GitHub-Event: ping). */
bool signature_is_ping(const struct signature *signature, const struct signature_request *request);

#endif
