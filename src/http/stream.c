/* Streams: replies that are written piece by piece, and never waited for without bound. */
/* SPDX-License-Identifier: MIT */
#include "http/conn.h"

#include <assert.h>
#include <stdlib.h>

struct http_stream {
	struct http_request *req;
	size_t max_buffered;
	http_stream_on_gone *on_gone;
	void *gone_arg;
	http_stream_on_drain *on_drain;
	void *drain_arg;
	bool chunked;
	bool wrote; /* since on_drain was last called */
};

struct http_stream *
http_stream_begin(struct http_request *req, int status, const char *content_type,
		  size_t max_buffered, http_stream_on_gone *on_gone, void *arg)
{
	struct conn *conn = req->conn;
	assert(req->state == REQ_PENDING);
	struct http_stream *stream = mem_alloc(sizeof *stream);
	*stream = (struct http_stream){
		.req = req, .max_buffered = max_buffered, .on_gone = on_gone, .gone_arg = arg};
	req->state = REQ_STREAMING;
	req->stream = stream;
	req->status = status;
	req->told = false; /* what the request was told, the stream was not */
	conn->server->streams++;
	if (!conn->dead)
		reply_head(req, status, content_type, -1, &stream->chunked);
	conn_later(conn);
	return stream;
}

void
http_stream_set_on_drain(struct http_stream *stream, http_stream_on_drain *on_drain, void *arg)
{
	stream->on_drain = on_drain;
	stream->drain_arg = arg;
}

size_t
http_stream_buffered(const struct http_stream *stream)
{
	const struct http_request *req = stream->req;
	bool first = req == TAILQ_FIRST(&req->conn->requests);
	return first ? conn_out_len(req->conn) : req->reply.len;
}

void
http_stream_write(struct http_stream *stream, struct str data)
{
	struct http_request *req = stream->req;
	struct conn *conn = req->conn;
	if (req->gone || conn->dead || req->head_only || !data.len)
		return;
	struct buf *out = reply_target(req);
	if (stream->chunked)
		buf_printf(out, "%zx\r\n", data.len);
	buf_add_str(out, data);
	if (stream->chunked)
		buf_puts(out, "\r\n");
	stream->wrote = true;
	if (http_stream_buffered(stream) > stream->max_buffered && out == &conn->out)
		conn_flush(conn);
	if (!conn->dead && http_stream_buffered(stream) > stream->max_buffered)
		conn_lose(conn);
	conn_later(conn);
}

void
http_stream_end(struct http_stream *stream)
{
	struct http_request *req = stream->req;
	struct conn *conn = req->conn;
	conn->server->in_flight--;
	req->state = REQ_ANSWERED;
	if (conn->dead) {
		request_free(req);
	} else {
		if (stream->chunked && !req->head_only)
			buf_puts(reply_target(req), "0\r\n\r\n");
		req->stream = NULL;
		http_stream_forget(stream);
		if (req == TAILQ_FIRST(&conn->requests))
			conn_advance(conn);
	}
	conn_later(conn);
}

void
http_stream_flushed(struct http_stream *stream)
{
	if (!stream->wrote || stream->req->gone)
		return;
	stream->wrote = false;
	if (stream->on_drain)
		stream->on_drain(stream->drain_arg, stream);
}

void
http_stream_tell_gone(struct http_stream *stream)
{
	if (stream->on_gone)
		stream->on_gone(stream->gone_arg, stream);
}

void
http_stream_forget(struct http_stream *stream)
{
	stream->req->conn->server->streams--;
	free(stream);
}
