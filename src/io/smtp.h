/* Mail out: SMTP by libcurl, on threads of its own, with limits on time. RFC 5321, 3207. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_SMTP_H
#define ROUSE_IO_SMTP_H

#include "base/buf.h"
#include "base/err.h"

struct event_base;
struct smtp_pool;

enum smtp_tls {
	SMTP_TLS_TRY,  /* STARTTLS where the server has it */
	SMTP_TLS_MUST, /* no word without */
	SMTP_TLS_NEVER
};

/* Everything is copied. */
struct smtp_spec {
	const char *url;	/* smtp://HOST:PORT or smtps://HOST:PORT */
	const char *from;	/* address, without brackets */
	const char *const *to;	/* addresses, NULL at the end */
	const char *user;	/* NULL: no login */
	const char *password;	/* NULL */
	enum smtp_tls starttls; /* of smtp:// */
	const char *ca;		/* PEM file of those that may sign its certificate; NULL: the
				   system's */
	struct str data;	/* header and body, lines ending in CR LF */
	int64_t timeout_ms;
};

/* Once, in the loop, never from within smtp_send(). err E_OK: the server has taken it for all
 * recipients. E_TIMEOUT, E_UNAVAILABLE otherwise; reply: the last that the server said, 0: none. */
typedef void smtp_on_done(void *arg, int reply, const struct err *err);

/* libcurl waits for the end of a mail, and for QUIT, without letting go: never on the loop. */
struct smtp_pool *smtp_pool_new(struct event_base *base);
/* What is under way is broken off within a second or so, and nobody is told. NULL is fine. */
void smtp_pool_free(struct smtp_pool *pool);
/* E_UNAVAILABLE: no libcurl; E_FULL: too many wait. */
bool smtp_send(struct smtp_pool *pool, const struct smtp_spec *spec, smtp_on_done *on_done,
	       void *arg, struct err *err);

#endif
