/* HTTP targets: changes become requests, with a key by which the other side knows a repetition.
 * SPEC 10. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_HTTP_H
#define ROUSE_PLUGINS_HTTP_H

#include "core/target.h"
#include "pure/template.h"

extern const struct target_kind http_target_kind;

enum http_url {
	HTTP_URL,
	HTTP_URL_CREATE,
	HTTP_URL_UPDATE,
	HTTP_URL_DELETE,
	HTTP_URL_CALL,
	HTTP_READ_URL,
	HTTP_COMPENSATE,
	HTTP_URLS
};

/* target->state */
struct http_target {
	struct template *urls[HTTP_URLS];	/* NULL: not set */
	const char *method, *compensate_method; /* NULL: by operation */
	const char *body;			/* after patch change; NULL: by operation */
	int *success;				/* statuses; NULL: 2xx */
	size_t success_count;
	bool allow_private;
};

/* One request in the making. */
struct http_request {
	const char *method;
	struct buf url, body;
	char **headers; /* NULL at the end; zeroed when freed, for one is a secret */
	size_t header_count;
};
void http_request_fini(struct http_request *request);
void http_header_add(struct http_request *request, const char *name, const char *value);

/* The request that carries change out, or takes it back. etag: for If-Match; NULL. E_INVALID when
 * the change lacks what the section uses. Without the headers of http_headers_add(). */
bool http_request_make(const struct target *target, const struct change_row *change, bool revert,
		       const char *etag, struct http_request *ret, struct err *err);
/* GET of read_url; to take a create back, of where it was made. */
bool http_read_make(const struct target *target, const struct change_row *change, bool revert,
		    struct http_request *ret, struct err *err);
/* The section's own headers and its secret. */
bool http_headers_add(const struct target *target, struct http_request *request, struct err *err);

/* The section's key auth as Authorization: Bearer. */
bool http_bearer_add(const struct conf_section *section, struct http_request *request,
		     struct err *err);

/* Where there is a read_url: is the entity there as the proposal needs it? */
bool http_vets(const struct target *target, const struct change_row *change);
void http_vet(struct core *core, const struct target *target, const struct change_row *change,
	      int64_t timeout_ms, target_on_vetted *on_vetted, void *arg);

/* A Retry-After field, seconds or a date, as ms from now: 0 for none or nonsense, a day at most. */
int64_t http_retry_after(struct str field, struct wall now);

#endif
