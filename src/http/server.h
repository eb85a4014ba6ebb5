/* The HTTP server: listeners, connections, limits. Knows nothing of Rouse. RFC 9110, 9112. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_HTTP_SERVER_H
#define ROUSE_HTTP_SERVER_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/proxies.h"

struct event_base;
struct http_server;
struct http_request;

struct http_limits {
	size_t max_header;	   /* request line and fields together, bytes */
	size_t max_body;	   /* where a route names none, bytes */
	int64_t header_timeout_ms; /* total, from the first byte awaited to the last header byte */
	int64_t body_timeout_ms;   /* total for a body; 0: 30 s */
	int64_t idle_timeout_ms;   /* between requests of a kept connection */
	int64_t write_timeout_ms;  /* a client that takes nothing of a reply; 0: 30 s */
	unsigned max_connections;
	unsigned max_pipelined; /* requests taken ahead of their replies on one connection; 0: 32 */
	size_t max_bodies;	/* bytes of all bodies together, until answered; 0: 256 MiB */
};

/* Who is at the other end. */
struct http_peer {
	bool local; /* a Unix socket: uid, gid, pid are the peer's (SO_PEERCRED) */
	uid_t uid;
	gid_t gid;
	pid_t pid;
	char address[64]; /* numeric IP, or "unix" */
	unsigned port;
	bool tls;
};

/* What to do with a request whose head has been read and accepted; asked before its body is read.
 * Leave *ret_max_body as it is for the server's own. false refuses: err is answered as a problem,
 * and the connection closed when a body would have followed. */
typedef bool http_on_head(void *arg, struct http_request *req, size_t *ret_max_body,
			  struct err *err);
/* The whole request is there. The request is answered now or later by http_reply() or
 * http_stream_begin(), exactly once; until then it stays valid, also when the client leaves. */
typedef void http_on_request(void *arg, struct http_request *req);
/* The client left, or ended its half, before the answer was sent. req is still to be answered (into
 * nothing, or to a client that still listens). Called once, from the loop, for requests that
 * on_request has got; see http_set_context_free() for those it never gets. */
typedef void http_on_gone(void *arg, struct http_request *req);

struct http_handler {
	http_on_head *on_head; /* may be NULL */
	http_on_request *on_request;
	void *arg;
};

struct http_server *http_server_new(struct event_base *base, const struct http_limits *limits,
				    const struct http_handler *handler);
/* Closes listeners and connections; requests not yet answered are forgotten (their handles die). */
void http_server_free(struct http_server *server);
void http_server_set_limits(struct http_server *server, const struct http_limits *limits);
/* Whose X-Forwarded-* is believed, for requests to come; take_proxies may be NULL: nobody's. */
void http_server_set_proxies(struct http_server *server, struct proxies *take_proxies);

/* Listens on host:port ("127.0.0.1:8477", "[::1]:0", ":8477"). *ret_port: the port taken.
 * cert and key (PEM files) make it TLS, both NULL plain. */
bool http_listen_tcp(struct http_server *server, const char *host_port, const char *tls_cert,
		     const char *tls_key, unsigned *ret_port, struct err *err);
/* The same; where sockets were passed (NULL: none) that listen at addresses of host_port, these are
 * taken, and the others are opened. */
struct passed;
bool http_listen_tcp_at(struct http_server *server, const char *host_port, struct passed *passed,
			const char *tls_cert, const char *tls_key, unsigned *ret_port,
			struct err *err);
/* Reads the certificates and keys of all TLS listeners again, for connections to come. When one
 * cannot be used, nothing is changed for any. */
bool http_server_reload_tls(struct http_server *server, struct err *err);
/* Listens on a Unix socket. A stale socket file is replaced; one that answers is E_EXISTS
 * ("another roused listens on …"). mode: of the file; group: -1 leaves it. */
bool http_listen_unix(struct http_server *server, const char *path, mode_t mode, gid_t group,
		      struct err *err);
/* The same, unless a socket at path was passed: that one is taken, its file is given mode and
 * group, and stays when the server is freed. */
bool http_listen_unix_at(struct http_server *server, const char *path, struct passed *passed,
			 mode_t mode, gid_t group, struct err *err);
/* Takes over a listening socket. */
bool http_listen_fd(struct http_server *server, int take_fd, struct err *err);
/* Stops accepting, for draining. Who is connected and has asked nothing yet, or whose request is
 * here or on its way, is still answered; idle connections are closed. */
void http_server_stop_listening(struct http_server *server);
/* Of one that has stopped: nobody but the readers of streams is owed anything, and whoever
 * connected had the time to ask. */
bool http_server_is_drained(const struct http_server *server);

/* For handing over to another server, perhaps of another process. While it holds, nothing is
 * accepted and no request is begun; those that were are served. */
void http_server_hold(struct http_server *server, bool hold);
/* Of one that holds: nobody but the readers of streams is owed anything. */
bool http_server_is_quiet(const struct http_server *server);
/* A copy of each listener (its name: what it was asked to listen on, "" where it was given) and of
 * each connection that waits between requests; fn owns fd. Socket files are left when it is freed.
 */
typedef void http_on_given(void *arg, int take_fd, const char *name, bool listens);
void http_server_give(struct http_server *server, http_on_given *fn, void *arg);
/* The files of its Unix sockets are somebody else's now. */
void http_server_leave_files(struct http_server *server);
/* Goes on listening where another did; arguments as http_listen_tcp(), or of a Unix socket. */
bool http_listen_given(struct http_server *server, int take_fd, const char *name,
		       const char *tls_cert, const char *tls_key, unsigned *ret_port,
		       struct err *err);
/* Goes on with a connection. */
void http_server_adopt(struct http_server *server, int take_fd);

/* Would it accept a connection, be it a moment later? */
bool http_server_listens(const struct http_server *server);

struct http_counts {
	unsigned connections;
	unsigned in_flight; /* requests read and not yet answered */
	unsigned streams;
	uint64_t requests, refused, accepted;
};
struct http_counts http_server_counts(const struct http_server *server);

/* The request. Slices live until its reply has been given. */
struct str http_method(const struct http_request *req);
struct str http_target(const struct http_request *req); /* as sent */
struct str http_path(const struct http_request *req);	/* decoded once; no "..", no NUL */
struct str http_query(const struct http_request *req);	/* raw, without '?' */
struct str http_body(const struct http_request *req);
struct str http_host(const struct http_request *req);
const struct http_peer *http_peer(const struct http_request *req);
/* Of a peer on the Unix socket: is this group among those that its process had when it connected?
 */
bool http_peer_has_group(const struct http_request *req, gid_t group);
/* Address of the client: the peer's, or whom the trusted proxy that is the peer speaks for. Lives
 * as long as the request. */
const char *http_client(const struct http_request *req);
/* Is the peer a trusted proxy, so that what it says of the request (X-Forwarded-*) counts? */
bool http_is_proxied(const struct http_request *req);
/* The index-th value of a field by its lower-case name; p NULL when there is none. */
struct str http_header(const struct http_request *req, const char *lower_name, size_t index);
/* What Idempotency-Key names: a structured-field string (RFC 9651) without its quotes, or the bare
 * form that many send; p NULL when there is none. */
struct str http_idempotency_key(const struct http_request *req);
size_t http_header_count(const struct http_request *req);
/* The i-th field, name in lower case. */
void http_header_at(const struct http_request *req, size_t i, struct str *ret_name,
		    struct str *ret_value);
/* A decoded query parameter, owned; NULL when absent. */
char *http_query_param(const struct http_request *req, const char *name);
/* Room for the handler's own pointer between on_head and on_request and later. */
void http_set_context(struct http_request *req, void *context);
void *http_context(const struct http_request *req);
/* Called with the context when the request ends, answered or not: also when its body never came, so
 * that on_request never saw what on_head had set. */
void http_set_context_free(struct http_request *req, void (*context_free)(void *context));
/* What it was answered: the status, 0 when nothing yet; the sentence of a problem, NULL when it was
 * none. For the function of http_set_context_free(). */
int http_status(const struct http_request *req);
/* Is its reply given, or its stream ended? It may wait still for those before it. */
bool http_is_answered(const struct http_request *req);
const char *http_problem(const struct http_request *req);
void http_set_on_gone(struct http_request *req, http_on_gone *on_gone, void *arg);
bool http_is_gone(const struct http_request *req);

/* Answers. Headers: "Name: value" lines are added by http_add_header before http_reply. */
void http_add_header(struct http_request *req, const char *name, const char *value);
/* Sends status and body (copied) and gives the request up: req is not to be used after. */
void http_reply(struct http_request *req, int status, const char *content_type, struct str body);
void http_reply_json(struct http_request *req, int status, struct str json);
/* application/problem+json (RFC 9457): type about:blank, title, status, detail, code. Adds
 * Retry-After where the error may be tried again and none was added. */
void http_reply_error(struct http_request *req, const struct err *err);

/* A reply of unknown length (SSE, NDJSON): chunked, or until close for HTTP/1.0. */
struct http_stream;
/* The client left, or does not take what it is sent (more than max_buffered bytes wait).
 * The stream is dead after; only http_stream_end() may still be called. */
typedef void http_stream_on_gone(void *arg, struct http_stream *stream);
struct http_stream *http_stream_begin(struct http_request *req, int status,
				      const char *content_type, size_t max_buffered,
				      http_stream_on_gone *on_gone, void *arg);
void http_stream_write(struct http_stream *stream, struct str data);
/* All that was written has been taken by the socket: time to write more. Not called from inside
 * http_stream_write(). */
typedef void http_stream_on_drain(void *arg, struct http_stream *stream);
void http_stream_set_on_drain(struct http_stream *stream, http_stream_on_drain *on_drain,
			      void *arg);
size_t http_stream_buffered(const struct http_stream *stream);
void http_stream_end(struct http_stream *stream); /* frees it */

#endif
