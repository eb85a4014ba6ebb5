/* Sessions: one connection to a mail server, logged in by libcurl, then spoken to in IMAP. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_IMAP_SESSION_H
#define ROUSE_TRIGGERS_IMAP_SESSION_H

#include "base/buf.h"
#include "base/err.h"
#include "pure/imap_parse.h"
#include "pure/imap_text.h"

struct event_base;
struct session;

/* Nothing is kept but ca_file's and the URL's text; secrets are libcurl's until it has logged in.
 */
struct session_spec {
	const struct imap_url *url;
	bool clear; /* imap://, and without STARTTLS: what is said goes in clear */
	const char *user;
	struct str password, token; /* one of them; NUL-terminated; p NULL */
	const char *ca_file;	    /* NULL: those of the system */
	size_t literal_max;	    /* of one response */
};

/* What happens, never from within a session_*() call. All may call these; session_free() too. */
struct session_calls {
	/* Logged in: a command may be given. */
	void (*ready)(void *arg);
	/* Something that came by itself, or data for the command. */
	void (*data)(void *arg, const struct imap_response *response);
	/* The command is over: OK, NO or BAD. The next may be given. Also after session_wake(). */
	void (*done)(void *arg, const struct imap_response *response);
	/* The server has taken up IDLE. */
	void (*idling)(void *arg);
	/* Over, for whatever reason; only session_free() is left to do. E_UNAUTHORIZED: the login
	 * was refused. E_TIMEOUT, E_UNAVAILABLE: the connection. E_INVALID, E_TOO_LARGE: what it
	 * says. */
	void (*closed)(void *arg, const struct err *err);
};

/* Begins to connect. NULL: libcurl is not there, or cannot do it. */
struct session *session_new(struct event_base *base, const struct session_spec *spec,
			    const struct session_calls *calls, void *arg, struct err *err);
/* Says LOGOUT where it can without waiting. NULL is fine. */
void session_free(struct session *session);

/* One command at a time, without its tag and line end. It has limit_ms to end, and may be answered
 * by some 16 MiB and `bytes` more. */
void session_command(struct session *session, int64_t limit_ms, size_t bytes, const char *command);
/* IDLE, until session_wake(). */
void session_idle(struct session *session);
/* Ends IDLE; done() follows. */
void session_wake(struct session *session);
/* A command is under way (IDLE too). */
bool session_is_busy(const struct session *session);
/* The limits of responses from here on (imap_reader). */
void session_limit(struct session *session, size_t text_max, size_t literal_max);

#endif
