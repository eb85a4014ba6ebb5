/* The server from inside: connections, their requests, listeners. For src/http alone. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_HTTP_CONN_H
#define ROUSE_HTTP_CONN_H

#include <sys/socket.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/list.h"
#include "http/parse.h"
#include "http/server.h"
#include "http/tls.h"
#include "http/wheel.h"

enum {
	READ_SIZE = 65536, /* the one read buffer, and what is read of a connection a turn */
	OUT_FULL = 65536,  /* a client with so much unread gets no further request taken */
	OUT_KEEP = 1024,   /* memory that an idle connection may keep for its next reply */
	LINGER_BYTES = 1024 * 1024, /* read into nothing after the last reply … */
	LINGER_MS = 2000,	    /* … and for so long, so that the client sees the reply */
	EVICT_AFTER_MS = 1000,	    /* who has waited so long gives way when all places are taken */
	ASK_AFTER_MS = 1000,	    /* a server that ends waits so long for a first request */
	LOCAL_RESERVE = 64,	    /* places for Unix sockets beyond max_connections */
	WRITE_PROGRESS = 8192,	    /* bytes that a client must take within a write_timeout */
	DEFAULT_TIMEOUT_MS = 30000,
	DEFAULT_PIPELINED = 32,
	DEFAULT_BODIES = 256 * 1024 * 1024,
};

enum request_state {
	REQ_READING,   /* its head or body is awaited */
	REQ_PENDING,   /* the handler has it */
	REQ_STREAMING, /* its reply has begun */
	REQ_ANSWERED,  /* given up by the handler; its reply waits for those before it */
};

struct http_request {
	TAILQ_ENTRY(http_request) entry; /* conn->requests in order of arrival, or the pool */
	struct conn *conn;
	enum request_state state;
	bool head_done;
	bool head_only;	  /* HEAD: no body in the reply */
	bool close_after; /* nothing is read behind it */
	bool gone, told;  /* the client left; the handler has heard of it */
	bool continued;	  /* "100 Continue" was sent or is not wanted any more */
	bool has_retry_after, has_authenticate; /* among the added headers */
	struct buf body;
	struct buf extra; /* header lines of the reply */
	struct buf reply; /* waits for the replies before it */
	int status;	  /* of the reply; 0: none yet */
	char *problem;	  /* what it says of an error; NULL */
	struct http_stream *stream;
	http_on_gone *on_gone;
	void *gone_arg;
	void *context;
	void (*context_free)(void *context);
	char client[PROXIES_TEXT]; /* behind trusted proxies; "": not asked for yet */
	struct parse parse;
};

/* Whose turn it is: but for OWED, the client's, and each has its deadline. */
enum conn_phase { PHASE_HEAD, PHASE_BODY, PHASE_IDLE, PHASE_LINGER, PHASE_OWED, PHASES };

struct conn {
	TAILQ_ENTRY(conn) entry;   /* server->conns */
	TAILQ_ENTRY(conn) waiting; /* server->waiting, while is_waiting */
	TAILQ_ENTRY(conn) later;   /* server->later, while is_later */
	struct http_server *server;
	struct event ev;
	short watched; /* what ev waits for */
	int fd;	       /* -1: dead */
	struct tls_conn *tls;
	bool is_waiting, is_later;
	bool busy;	/* conn_settle() will come to it anyway */
	bool closing;	/* no further request is taken */
	bool serial;	/* HTTP/1.0: the next request is taken when this one is answered */
	bool eof;	/* nothing more will come */
	bool peer_left; /* the other end is closed, or half of it */
	bool blocked;	/* the socket takes nothing more for now */
	bool lingering;
	bool dead;
	enum conn_phase phase;
	uint64_t request_no;	/* requests read on this connection */
	uint64_t phase_no;	/* request_no when the phase began */
	int64_t since_ms;	/* the phase began */
	int64_t write_since_ms; /* the client owes us progress since; 0: nothing is waiting */
	size_t write_progress;
	size_t linger_left;
	struct wheel_entry deadline;
	struct http_request *reading; /* the last of requests, when it is not whole */
	unsigned in_flight;	      /* requests that are whole */
	TAILQ_HEAD(, http_request) requests;
	struct buf held; /* read and not yet parsed, because enough requests wait */
	struct buf out;
	size_t out_at; /* so much of out is sent */
	struct http_peer peer;
};

struct listener {
	TAILQ_ENTRY(listener) entry;
	struct http_server *server;
	struct event *ev, *resume;
	int fd;
	bool local;
	unsigned pause_ms; /* for the next time that descriptors are out */
	struct tls_context *tls;
	char *tls_cert, *tls_key; /* files, to be read again */
	char *name;		  /* as the configuration says it; NULL */
	char *path;		  /* of our own Unix socket; NULL otherwise */
	dev_t dev;
	ino_t ino;
};

TAILQ_HEAD(conn_list, conn);
TAILQ_HEAD(listener_list, listener);

struct http_server {
	struct event_base *base;
	struct http_limits limits;
	struct http_handler handler;
	struct proxies *proxies; /* NULL: none is trusted */
	struct event *ev_later;
	struct wheel wheel;
	int spare_fd; /* given up for a moment to tell a client that descriptors are out */
	bool draining;
	bool holding; /* no connection is accepted, no request begun */
	unsigned conn_count, in_flight, streams, pooled, later_count;
	size_t body_bytes; /* in all requests */
	uint64_t requests, refused, accepted;
	int64_t date_sec;
	struct buf date; /* "Date: ...\r\n" */
	struct listener_list listeners;
	struct conn_list conns;
	struct conn_list waiting; /* for a head, or for the client's close; longest first */
	struct conn_list later;	  /* to be settled when the loop comes round */
	TAILQ_HEAD(, http_request) pool;
	char in[READ_SIZE];
};

/* conn.c: what a connection does, and when. */
/* take_fd: connected, non-blocking; tls may be NULL. Closes it when memory is out. */
void conn_new(struct http_server *server, int take_fd, struct tls_context *tls,
	      const struct http_peer *peer);
/* Lets conn_settle() see the connection when the loop comes round. */
void conn_later(struct conn *conn);
/* Sends, tells, takes the next requests, closes, frees: whatever is due. conn may be gone after. */
void conn_settle(struct conn *conn);
/* Closes at once. Handlers are told later; their requests stay valid until answered. */
void conn_lose(struct conn *conn);
/* Moves replies whose turn has come to out. Calls nobody. */
void conn_advance(struct conn *conn);
/* Of a server that is draining: nothing is awaited of the client, and nothing of it is here. */
bool conn_is_over(const struct conn *conn);
void conn_on_deadline(struct wheel_entry *entry, struct mono now);
void conn_destroy(struct conn *conn); /* with everything it holds, telling nobody */
/* The one that has waited longest for its client gives its place up; false: none has for long. */
bool conn_evict(struct http_server *server);

/* conn_io.c: bytes in and out. */
/* Sends what is waiting, as far as the socket takes it. The connection may be dead after. */
void conn_flush(struct conn *conn);
size_t conn_out_len(const struct conn *conn);
/* One read into the server's buffer: false when there is nothing to parse. */
bool conn_fill(struct conn *conn, struct str *ret);
void conn_linger(struct conn *conn);
void conn_drain(struct conn *conn);

/* request.c */
struct http_request *request_new(struct conn *conn);
void request_free(struct http_request *req); /* takes it off its connection, back to the pool */
void request_pool_free(struct http_server *server);

/* reply.c */
/* Where the reply's bytes go: out, or the request's own buffer until its turn. */
struct buf *reply_target(struct http_request *req);
/* Status line, Date, length and the connection's fate. length -1: unknown; sets *ret_chunked. */
void reply_head(struct http_request *req, int status, const char *content_type, int64_t length,
		bool *ret_chunked);
/* A problem with these words; for what the table of errors has no line for. */
void reply_problem(struct http_request *req, int status, const char *code, const char *detail);

/* stream.c */
void http_stream_flushed(struct http_stream *stream); /* all that was written has been sent */
void http_stream_tell_gone(struct http_stream *stream);
void http_stream_forget(struct http_stream *stream);

/* listen.c */
/* take_fd: listening, non-blocking. */
struct listener *listener_new(struct http_server *server, int take_fd, bool local);
void listener_free(struct listener *listener);
/* A connection that another server accepted; take_fd: non-blocking. */
void listener_welcome(struct http_server *server, int take_fd, const struct sockaddr_storage *from);
/* bind.c */
unsigned listener_port(int fd);			      /* 0: it has none */
void listener_resume_all(struct http_server *server); /* a place or a descriptor came free */

#endif
