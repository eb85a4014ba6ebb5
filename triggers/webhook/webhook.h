/* Source webhook: HTTP deliveries, verified over their raw bytes. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_WEBHOOK_H
#define ROUSE_TRIGGERS_WEBHOOK_H

#include "base/map.h"
#include "conf/secret.h"
#include "core/admit.h"
#include "core/source.h"
#include "http/route.h"
#include "pure/duration.h"
#include "pure/path.h"
#include "pure/signature.h"

extern const struct source_kind webhook_kind;
void webhook_add_routes(struct core *core, struct router *router);

/* How many events one request may tell of, as a batch or by `split`. */
#define HOOK_PARTS_MAX 1000

/* One live webhook. */
struct hook {
	struct source source; /* first */
	char *path;	      /* /hooks/NAME */
	char *methods;	      /* "POST, PUT" */
	size_t method_count;
	struct signature *signature;
	struct secrets secrets;
	struct secrets verify_tokens;	      /* of hub.challenge */
	struct path *split;		      /* where it is plain enough; see path_compile() */
	int64_t wait_ms, dedupe_ms, max_body; /* 0: never by its bytes; http.max_body */
	int ack;
	UT_hash_handle hh; /* by path */
};

/* --- body.c: what a delivery carries --- */

/* A delivery's body as the event's data: kind by content type. *ret_data is a slice of body, or of
 * made. any: types that are not known are bytes instead of E_MEDIA. */
bool hook_body(struct str content_type, struct str body, bool any, struct buf *made,
	       struct str *ret_data, struct err *err);
/* Is this a content type that hook_body() takes? */
bool hook_takes(struct str content_type);
/* The content type without its parameters. */
struct str hook_media_type(struct str content_type);
/* The members of the event's `rouse` object: headers without what is secret, query, method, path,
 * remote. */
void hook_extension(const struct http_request *req, struct buf *out);

/* --- form.c --- */

/* NAME=VALUE pairs as a JSON object of strings. A name that comes again has an array of them, as
 * has one that ends in [] (the name is kept as it is). What is not UTF-8 becomes U+FFFD. E_INVALID
 * beyond 10,000 names; out is an object nevertheless. */
bool form_write(struct str form, struct buf *out, struct err *err);

/* --- cloudevent.c --- */

/* What a request tells of one event. The happening's slices are of the request, or of the rest. */
struct hook_event {
	struct happening happening;
	json_t *object;				/* keeps the attributes of structured mode */
	struct buf data, text, attributes, key; /* text: attributes of binary mode, decoded */
};
void hook_event_fini(struct hook_event *event);

enum cloudevent_mode {
	CLOUDEVENT_NONE,
	CLOUDEVENT_BINARY,
	CLOUDEVENT_ONE,
	CLOUDEVENT_BATCH,
	CLOUDEVENT_UNKNOWN /* a format of events that is not taken */
};
/* By content type, else by the headers that binary mode must have. CloudEvents http binding 3. */
enum cloudevent_mode cloudevent_mode(const struct http_request *req);
/* E_INVALID when a CloudEvent says something badly of itself. */
bool cloudevent_binary(const struct http_request *req, struct hook_event *event, struct err *err);
/* text: one event in structured mode; it lives as long as the event is used. */
bool cloudevent_structured(struct str text, struct hook_event *event, struct err *err);
/* *ret: an owned array, all of them sound, or none (E_INVALID says which is not). E_TOO_LARGE
 * beyond HOOK_PARTS_MAX. *ret NULL and *ret_count 0 for an empty batch. */
bool cloudevent_batch(struct str text, struct hook_event **ret, size_t *ret_count, struct err *err);
void hook_events_free(struct hook_event *events, size_t count);

/* The next element of a JSON array: *rest begins behind its bracket; false at the end. The text has
 * passed json_check(). */
bool json_array_next(struct str *rest, struct str *ret);

/* --- handshake.c: what providers ask before they send --- */

struct handshake_answer {
	const char *name; /* of the handshake, for the log */
	int status;
	const char *content_type;
	struct buf body;
	bool is_ping; /* to be recorded as a filtered event, then answered */
};
/* True: the request is no delivery but a question, and this is the answer. Those that come unsigned
 * are looked for before the signature is verified, the others after (secret: the one that held). */
bool handshake_unsigned(const struct hook *hook, struct http_request *req,
			struct handshake_answer *ret);
bool handshake_signed(const struct hook *hook, struct http_request *req, size_t secret,
		      struct handshake_answer *ret);

/* --- delivery.c: from a verified request to its answer --- */

/* Admits what the request tells and answers it, now or later. answer (may be NULL): of a ping; its
 * body is taken. False: err is to be answered, nothing was kept. */
bool delivery_begin(struct hook *hook, struct http_request *req,
		    const struct signature_request *signed_request, struct handshake_answer *answer,
		    struct err *err);

/* --- the URL, as the sender wrote it --- */

/* http.public_url, else what a trusted proxy says (X-Forwarded-Proto, -Host), else the Host. */
void hook_url(const struct hook *hook, const struct http_request *req, struct buf *out);

#endif
