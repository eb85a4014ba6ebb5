/* Source webhook: HTTP deliveries, verified over their raw bytes. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_WEBHOOK_H
#define ROUSE_TRIGGERS_WEBHOOK_H

#include "conf/secret.h"
#include "core/admit.h"
#include "core/source.h"
#include "http/route.h"
#include "base/map.h"
#include "pure/duration.h"
#include "pure/signature.h"

extern const struct source_kind webhook_kind;
void webhook_add_routes(struct core *core, struct router *router);

/* One live webhook. */
struct hook {
	struct source source; /* first */
	char *path;	      /* /hooks/NAME */
	char *methods;	      /* "POST, PUT" */
	size_t method_count;
	struct signature *signature;
	struct secrets secrets;
	int64_t wait_ms, dedupe_ms, max_body;
	int ack;
	UT_hash_handle hh; /* by path */
};

/* A delivery's body as the event's data: kind by content type. *ret_data is a slice of body, or of
 * made. */
bool hook_body(struct str content_type, struct str body, struct buf *made, struct str *ret_data,
	       struct err *err);
/* Is this a content type that hook_body() takes? */
bool hook_takes(struct str content_type);
/* The members of the event's `rouse` object: headers without what is secret, query, method, path,
 * remote. */
void hook_extension(const struct http_request *req, struct buf *out);
/* Fills what a CloudEvent in binary or structured mode says of itself; false (E_INVALID) when it
 * says it badly; nothing to do for what is none. data may become a slice of itself, or of made. */
bool hook_cloudevent(const struct http_request *req, struct happening *happening, struct buf *made,
		     struct err *err);

#endif
