/* Requests: what a handler may ask of one; their pool. */
/* SPDX-License-Identifier: MIT */
#include "http/conn.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/digest.h"
#include "http/syntax.h"

enum { POOL_MAX = 256, POOL_KEEP = 4096 /* bytes of a buffer that goes back with its request */ };

static void
trim(struct buf *b)
{
	if (b->cap > POOL_KEEP)
		buf_fini(b);
	else
		buf_clear(b);
}

struct http_request *
request_new(struct conn *conn)
{
	struct http_server *server = conn->server;
	struct http_request *req = TAILQ_FIRST(&server->pool);
	if (req) {
		TAILQ_REMOVE(&server->pool, req, entry);
		server->pooled--;
	} else {
		req = mem_alloc(sizeof *req);
	}
	req->conn = conn;
	TAILQ_INSERT_TAIL(&conn->requests, req, entry);
	parse_reset(&req->parse, server->limits.max_header, server->limits.max_body);
	return req;
}

static void
request_destroy(struct http_request *req)
{
	parse_fini(&req->parse);
	buf_fini(&req->body);
	buf_fini(&req->extra);
	buf_fini(&req->reply);
	free(req);
}

/* Everything before the parser is as new; the buffers keep their memory. */
static void
request_clear(struct http_request *req)
{
	struct buf body = req->body, extra = req->extra, reply = req->reply;
	trim(&body);
	trim(&extra);
	trim(&reply);
	trim(&req->parse.arena);
	trim(&req->parse.line);
	memset(req, 0, offsetof(struct http_request, parse));
	req->body = body;
	req->extra = extra;
	req->reply = reply;
}

void
request_free(struct http_request *req)
{
	struct conn *conn = req->conn;
	struct http_server *server = conn->server;
	TAILQ_REMOVE(&conn->requests, req, entry);
	server->body_bytes -= req->body.len;
	if (req->state != REQ_READING)
		conn->in_flight--;
	else
		conn->reading = NULL;
	if (req->stream)
		http_stream_forget(req->stream);
	if (req->context && req->context_free)
		req->context_free(req->context);
	free(req->problem);
	if (server->pooled >= POOL_MAX) {
		request_destroy(req);
		return;
	}
	request_clear(req);
	TAILQ_INSERT_HEAD(&server->pool, req, entry);
	server->pooled++;
}

void
request_pool_free(struct http_server *server)
{
	struct http_request *req;
	while ((req = TAILQ_FIRST(&server->pool))) {
		TAILQ_REMOVE(&server->pool, req, entry);
		request_destroy(req);
	}
	server->pooled = 0;
}

struct str
http_method(const struct http_request *req)
{
	return parse_str(&req->parse, req->parse.method);
}

struct str
http_target(const struct http_request *req)
{
	return parse_str(&req->parse, req->parse.target);
}

struct str
http_path(const struct http_request *req)
{
	return parse_str(&req->parse, req->parse.path);
}

struct str
http_query(const struct http_request *req)
{
	return parse_str(&req->parse, req->parse.query);
}

struct str
http_host(const struct http_request *req)
{
	return parse_str(&req->parse, req->parse.host);
}

struct str
http_body(const struct http_request *req)
{
	return buf_str(&req->body);
}

const struct http_peer *
http_peer(const struct http_request *req)
{
	return &req->conn->peer;
}

bool
http_is_proxied(const struct http_request *req)
{
	return proxies_have(req->conn->server->proxies, req->conn->peer.address);
}

static struct str
forwarded_for(const void *req, size_t index)
{
	return http_header(req, "x-forwarded-for", index);
}

const char *
http_client(const struct http_request *req)
{
	/* Kept with the request, of which it is no part. */
	char *client = (char *)req->client;
	if (!req->conn->server->proxies)
		return req->conn->peer.address;
	if (!*client)
		proxies_client(req->conn->server->proxies, req->conn->peer.address, forwarded_for,
			       req, client);
	return client;
}

size_t
http_header_count(const struct http_request *req)
{
	return req->parse.field_count;
}

void
http_header_at(const struct http_request *req, size_t i, struct str *ret_name,
	       struct str *ret_value)
{
	const struct parse_field *field = &req->parse.fields[i];
	*ret_name = parse_str(&req->parse, field->name);
	*ret_value = parse_str(&req->parse, field->value);
}

struct str
http_header(const struct http_request *req, const char *lower_name, size_t index)
{
	struct str wanted = str_of(lower_name), name, value;
	for (size_t i = 0; i < req->parse.field_count; i++) {
		if (req->parse.fields[i].name.len != wanted.len)
			continue;
		http_header_at(req, i, &name, &value);
		if (str_eq(name, wanted) && index-- == 0)
			return value;
	}
	return STR_NONE;
}

struct str
http_idempotency_key(const struct http_request *req)
{
	struct str key = syntax_trim(http_header(req, "idempotency-key", 0));
	if (key.len >= 2 && key.p[0] == '"' && key.p[key.len - 1] == '"')
		key = str_make(key.p + 1, key.len - 2);
	return key.len ? key : STR_NONE;
}

char *
http_query_param(const struct http_request *req, const char *name)
{
	AUTO(buf_fini) struct buf got = BUF_INIT;
	struct str rest = http_query(req), pair, key;
	while (rest.p) {
		rest = str_split(rest, '&', &pair);
		struct str value = str_split(pair, '=', &key);
		buf_clear(&got);
		percent_decode(key, true, &got);
		if (!pair.len || !str_eq_cstr(buf_str(&got), name))
			continue;
		buf_clear(&got);
		if (value.p)
			percent_decode(value, true, &got);
		return buf_take(&got);
	}
	return NULL;
}

void
http_set_context(struct http_request *req, void *context)
{
	req->context = context;
}

void
http_set_context_free(struct http_request *req, void (*context_free)(void *context))
{
	req->context_free = context_free;
}

/* SO_PEERGROUPS, unix(7): the kernel's word, which asks no directory of users. */
bool
http_peer_has_group(const struct http_request *req, gid_t group)
{
	const struct conn *conn = req->conn;
	AUTO(auto_free) gid_t *groups = NULL;
	socklen_t len = 0;

	if (!conn->peer.local || conn->fd < 0)
		return false;
	if (conn->peer.gid == group)
		return true;
	getsockopt(conn->fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len);
	if (!len)
		return false;
	groups = mem_alloc(len);
	if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return false;
	for (size_t i = 0; i < len / sizeof(*groups); i++)
		if (groups[i] == group)
			return true;
	return false;
}

int
http_status(const struct http_request *req)
{
	return req->status;
}

bool
http_is_answered(const struct http_request *req)
{
	return req->state == REQ_ANSWERED;
}

const char *
http_problem(const struct http_request *req)
{
	return req->problem;
}

void *
http_context(const struct http_request *req)
{
	return req->context;
}

void
http_set_on_gone(struct http_request *req, http_on_gone *on_gone, void *arg)
{
	req->on_gone = on_gone;
	req->gone_arg = arg;
}

bool
http_is_gone(const struct http_request *req)
{
	return req->gone;
}
