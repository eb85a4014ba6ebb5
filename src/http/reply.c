/* Replies: status line, fields, body; errors as problems (RFC 9457). */
/* SPDX-License-Identifier: MIT */
#include "http/conn.h"

#include <assert.h>
#include <time.h>

#define RETRY_AFTER_S "1"

static const struct {
	int status;
	const char *phrase;
} phrases[] = {
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{206, "Partial Content"},
	{301, "Moved Permanently"},
	{302, "Found"},
	{303, "See Other"},
	{304, "Not Modified"},
	{307, "Temporary Redirect"},
	{308, "Permanent Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{402, "Payment Required"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{411, "Length Required"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{416, "Range Not Satisfiable"},
	{417, "Expectation Failed"},
	{421, "Misdirected Request"},
	{422, "Unprocessable Content"},
	{425, "Too Early"},
	{428, "Precondition Required"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
	{507, "Insufficient Storage"},
};

static const char *
phrase_of(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Other";
}

/* RFC 9110 6.4.1: these have no body, whatever is given. */
static bool
has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

/* "Date: Fri, 20 Nov 2026 09:30:00 GMT", made once a second; in English, whatever the locale. */
static struct str
date_line(struct http_server *server)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t now_sec = clock_wall(clock_system()).ms / 1000;
	if (now_sec != server->date_sec || !server->date.len) {
		time_t t = (time_t)now_sec;
		struct tm tm;
		gmtime_r(&t, &tm);
		buf_clear(&server->date);
		buf_printf(&server->date, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
			   days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
			   tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
		server->date_sec = now_sec;
	}
	return buf_str(&server->date);
}

static void
put_number(struct buf *out, uint64_t number)
{
	char digits[20];
	size_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	buf_add(out, digits + at, sizeof digits - at);
}

struct buf *
reply_target(struct http_request *req)
{
	bool first = req == TAILQ_FIRST(&req->conn->requests);
	return first ? &req->conn->out : &req->reply;
}

/* A server that is to end keeps no connection beyond the last request it has taken. */
static void
decide_close(struct http_request *req)
{
	struct conn *conn = req->conn;
	if (conn->server->draining && !TAILQ_NEXT(req, entry))
		req->close_after = true;
	conn->closing |= req->close_after;
}

static void
put_connection(struct buf *out, const struct http_request *req)
{
	if (req->close_after)
		buf_add_str(out, STR("Connection: close\r\n"));
	else if (req->parse.http10)
		buf_add_str(out, STR("Connection: keep-alive\r\n"));
}

void
reply_head(struct http_request *req, int status, const char *content_type, int64_t length,
	   bool *ret_chunked)
{
	struct buf *out = reply_target(req);
	bool chunked = length < 0 && has_body(status) && !req->parse.http10;
	if (length < 0 && has_body(status) && !chunked)
		req->close_after = true; /* HTTP/1.0 knows the end by the close */
	decide_close(req);
	buf_reserve(out, 256 + req->extra.len);
	buf_add_str(out, STR("HTTP/1.1 "));
	put_number(out, (unsigned)status);
	buf_putc(out, ' ');
	buf_puts(out, phrase_of(status));
	buf_add_str(out, STR("\r\n"));
	buf_add_str(out, date_line(req->conn->server));
	if (content_type && has_body(status)) {
		buf_add_str(out, STR("Content-Type: "));
		buf_puts(out, content_type);
		buf_add_str(out, STR("\r\n"));
	}
	if (length >= 0 && has_body(status)) {
		buf_add_str(out, STR("Content-Length: "));
		put_number(out, (uint64_t)length);
		buf_add_str(out, STR("\r\n"));
	}
	if (chunked)
		buf_add_str(out, STR("Transfer-Encoding: chunked\r\n"));
	buf_add_str(out, buf_str(&req->extra));
	put_connection(out, req);
	buf_add_str(out, STR("\r\n"));
	if (ret_chunked)
		*ret_chunked = chunked;
}

void
http_add_header(struct http_request *req, const char *name, const char *value)
{
	struct buf *extra = &req->extra;
	struct str is = str_of(name);
	req->has_retry_after |= str_eq_nocase(is, STR("retry-after"));
	req->has_authenticate |= str_eq_nocase(is, STR("www-authenticate"));
	buf_puts(extra, name);
	buf_add_str(extra, STR(": "));
	/* A value made from what a stranger sent must not end the line. */
	for (const char *p = value; *p; p++)
		buf_putc(extra, (unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : *p);
	buf_add_str(extra, STR("\r\n"));
}

void
http_reply(struct http_request *req, int status, const char *content_type, struct str body)
{
	struct conn *conn = req->conn;
	assert(req->state == REQ_PENDING);
	conn->server->in_flight--;
	req->state = REQ_ANSWERED;
	req->status = status;
	if (conn->dead) {
		request_free(req);
		conn_later(conn);
		return;
	}
	reply_head(req, status, content_type, (int64_t)body.len, NULL);
	if (!req->head_only && has_body(status))
		buf_add_str(reply_target(req), body);
	if (req == TAILQ_FIRST(&conn->requests))
		conn_advance(conn);
	conn_later(conn);
}

void
http_reply_json(struct http_request *req, int status, struct str json)
{
	http_reply(req, status, "application/json", json);
}

void
reply_problem(struct http_request *req, int status, const char *code, const char *detail)
{
	AUTO(buf_fini) struct buf body = BUF_INIT;
	if (req->context && detail)
		req->problem = mem_strdup(detail);
	buf_puts(&body, "{\"type\":\"about:blank\",\"title\":");
	buf_json_cstr(&body, phrase_of(status));
	buf_printf(&body, ",\"status\":%d,\"detail\":", status);
	buf_json_cstr(&body, detail);
	buf_puts(&body, ",\"code\":");
	buf_json_cstr(&body, code);
	buf_puts(&body, "}\n");
	http_reply(req, status, "application/problem+json", buf_str(&body));
}

void
http_reply_error(struct http_request *req, const struct err *err)
{
	int status = err_http(err->code);
	AUTO(buf_fini) struct buf after = BUF_INIT;

	if (err->again_ms > 0)
		buf_printf(&after, "%lld", (long long)((err->again_ms + 999) / 1000));
	else if (err_again(err->code))
		buf_puts(&after, RETRY_AFTER_S);
	if (after.len && !req->has_retry_after)
		http_add_header(req, "Retry-After", buf_cstr(&after));
	if (status == 401 && !req->has_authenticate) /* RFC 9110 15.5.2 wants one */
		http_add_header(req, "WWW-Authenticate", "Bearer");
	reply_problem(req, status, err_name(err->code), err_text(err));
}
