/* HTTP out: libcurl's multi interface on the loop, with limits on time, size and where to. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_FETCH_H
#define ROUSE_IO_FETCH_H

#include "base/buf.h"
#include "base/err.h"

struct event_base;
struct fetch_pool;
struct fetch;

/* What becomes of a piece of the answer's body. */
enum fetch_part {
	FETCH_KEEP,  /* kept for on_done, within max_body */
	FETCH_TOOK,  /* done with */
	FETCH_PAUSE, /* nothing more is read until fetch_resume(), which offers it again */
	FETCH_STOP   /* the rest is not wanted: on_done follows, with E_UNAVAILABLE */
};
struct fetch_answer;
/* head: the answer without its body. Nothing may be fetched, resumed or cancelled from within. */
typedef enum fetch_part fetch_on_part(void *arg, const struct fetch_answer *head, struct str piece);

/* Everything is copied. */
struct fetch_spec {
	const char *method;	    /* "GET" "POST" "PATCH" ... */
	const char *url;	    /* http or https */
	const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
	struct str body;
	int64_t timeout_ms, connect_timeout_ms; /* 0: 30 s, 10 s */
	size_t max_body;			/* of the answer; 0: 1 MiB; counted as it arrives */
	bool private_addresses;	 /* may the connected address be loopback, private, link-local,
				    metadata? */
	const char *unix_socket; /* connect there; NULL */
	int64_t silent_ms;	 /* a body that has begun may not pause longer; 0: 30 s */
	bool repeatable; /* a method that is not, by its name, may be sent twice all the same: it
			    may go on a kept connection */
	fetch_on_part *on_part; /* asked about every piece; NULL: all is kept */
};

struct fetch_answer {
	int status;
	struct str body;
	/* p NULL when absent */
	struct str etag, last_modified, content_type, content_encoding, location, retry_after, link;
	struct str redirect; /* location as a whole URL; p NULL: it is no redirect */
	struct fetch *from;  /* for fetch_header() */
};
/* Any other field of an answer that is there; p NULL when absent. Lives as long as the answer. */
struct str fetch_header(const struct fetch_answer *answer, const char *name);

/* answer NULL: err says what (E_TIMEOUT, E_UNAVAILABLE, E_DENIED for an address, E_TOO_LARGE). err
 * is never NULL and may be moved away. Everything lives until return. Exactly once, never from
 * within fetch_start(). The handle is gone by then. */
typedef void fetch_on_done(void *arg, const struct fetch_answer *answer, struct err *err);

struct fetch_pool *fetch_pool_new(struct event_base *base);
/* Cancels what is under way. Not from within on_done. */
void fetch_pool_free(struct fetch_pool *pool);
/* NULL: E_INVALID for a method, URL or header that cannot be sent, E_DENIED for another scheme.
 * Redirects are answers; no proxy, no cookies, no .netrc; bodies come as they are sent, compressed
 * or not (none is asked for). */
struct fetch *fetch_start(struct fetch_pool *pool, const struct fetch_spec *spec,
			  fetch_on_done *on_done, void *arg, struct err *err);
/* After FETCH_PAUSE. */
void fetch_resume(struct fetch *fetch);
void fetch_cancel(struct fetch *fetch); /* on_done is not called; NULL is fine */

#endif
