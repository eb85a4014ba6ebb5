/* Client: asks the daemon over its socket or a URL, and waits for what it says. */
/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cli/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/sse.h"

#define CONNECT_MS 5000
#define BODY_MAX (128 << 20)
#define SILENCE_S 120 /* a stream says something (a comment at least) more often */
#define FOLLOW_AGAIN_MS 500
#define FOLLOW_TRIES 60

struct client {
	CURL *curl;
	char *socket, *url, *token;
	int64_t timeout_ms;
};

void
client_free(struct client *client)
{
	if (!client)
		return;
	if (client->curl)
		curl_easy_cleanup(client->curl);
	free(client->socket);
	free(client->url);
	if (client->token)
		mem_zero(client->token, strlen(client->token));
	free(client->token);
	free(client);
}

bool
client_new(const struct client_place *place, struct client **ret, struct err *err)
{
	struct client *client;
	struct str url = str_of(place->url);

	if (url.p && !str_starts(url, STR("http://")) && !str_starts(url, STR("https://")))
		return err_set(
			err, E_USAGE,
			"--url %s is no URL: http://HOST:PORT or https://HOST:PORT was expected",
			place->url);
	if (!url.p && strlen(place->socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return err_set(err, E_USAGE,
			       "--socket %s: longer than the %zu bytes of a socket's name",
			       place->socket, sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
	if (place->token && strpbrk(place->token, "\r\n"))
		return err_set(err, E_USAGE,
			       "the token has a line end in it; is it cut from a file?");
	while (url.len && url.p[url.len - 1] == '/')
		url.len--;
	client = mem_alloc(sizeof(*client));
	client->url = url.p ? str_dup(url) : NULL;
	client->socket = url.p ? NULL : mem_strdup(place->socket);
	client->token = mem_strdup(place->token);
	client->timeout_ms = place->timeout_ms;
	client->curl = curl_easy_init();
	if (!client->curl) {
		client_free(client);
		return err_set(err, E_INTERNAL, "libcurl does not start");
	}
	*ret = client;
	return true;
}

int64_t
client_timeout_ms(const struct client *client)
{
	return client->timeout_ms;
}

void
client_reply_fini(struct client_reply *reply)
{
	buf_fini(&reply->body);
	json_decref(reply->json);
	*reply = (struct client_reply)CLIENT_REPLY_INIT;
}

void
client_encode(struct buf *out, const char *value)
{
	static const char hex[] = "0123456789ABCDEF";

	for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
		bool plain = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
			     (*p >= 'A' && *p <= 'Z') || strchr("-._~", *p);

		if (plain) {
			buf_putc(out, (char)*p);
		} else {
			buf_putc(out, '%');
			buf_putc(out, hex[*p >> 4]);
			buf_putc(out, hex[*p & 15]);
		}
	}
}

/* What connect() itself says: libcurl keeps that to itself. 0 when it works now. */
static int
socket_errno(const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	AUTO(auto_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(name.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof(name)))
		return errno;
	return 0;
}

static bool
client_unreachable(const struct client *client, struct err *err)
{
	const struct passwd *me = getpwuid(geteuid());
	int why;

	if (client->url)
		return err_set(
			err, E_UNAVAILABLE,
			"no daemon answers at %s: is it running there (systemctl start roused), "
			"and does its http.listen name that address?",
			client->url);
	why = socket_errno(client->socket);
	if (why == EACCES || why == EPERM)
		return err_set(
			err, E_UNAVAILABLE,
			"you (%s) may not use the socket %s: become root or the daemon's user, or "
			"join the group that [daemon] group names",
			me ? me->pw_name : "this user", client->socket);
	return err_set(
		err, E_UNAVAILABLE,
		"no daemon answers at the socket %s (%s); start it: systemctl start roused, or "
		"roused -c %s/rouse/rouse.conf; or name another socket with --socket",
		client->socket, why ? strerror(why) : "the connection was refused", SYSCONFDIR);
}

static bool
client_curl_failed(const struct client *client, CURLcode code, int64_t timeout_ms, struct err *err)
{
	const char *where = client->url ? client->url : client->socket;
	curl_off_t connected = 0;

	curl_easy_getinfo(client->curl, CURLINFO_CONNECT_TIME_T, &connected);
	switch (code) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return client_unreachable(client, err);
	case CURLE_OPERATION_TIMEDOUT:
		if (!connected)
			return client_unreachable(client, err);
		return err_set(
			err, E_TIMEOUT,
			"%s did not answer within %lld ms; wait longer with --timeout, or look at "
			"the daemon's log",
			where, (long long)timeout_ms);
	case CURLE_WRITE_ERROR:
		return err_set(err, E_TOO_LARGE,
			       "the answer is larger than %d MiB; ask for less with --limit",
			       BODY_MAX >> 20);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_HTTP2:
		return err_set(err, E_CORRUPT,
			       "what answers at %s does not speak HTTP; is it roused?", where);
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_PARTIAL_FILE:
		return err_set(
			err, E_IO,
			"the daemon at %s closed the connection before it had answered; its log "
			"says why",
			where);
	default:
		return err_set(err, E_IO, "asking %s: %s", where, curl_easy_strerror(code));
	}
}

static size_t
body_on_data(char *bytes, size_t one, size_t count, void *arg)
{
	struct buf *body = arg;

	if (body->len + one * count > BODY_MAX || !buf_try_reserve(body, one * count + 1))
		return 0;
	buf_add(body, bytes, one * count);
	return one * count;
}

/* What is the same for each request. *ret_headers is to be freed after the transfer. */
static void
client_prepare(struct client *client, const struct client_request *request,
	       struct curl_slist **ret_headers)
{
	AUTO(buf_fini) struct buf url = BUF_INIT;
	AUTO(buf_fini) struct buf header = BUF_INIT;
	struct curl_slist *headers = NULL;
	CURL *curl = client->curl;

	curl_easy_reset(curl);
	buf_printf(&url, "%s%s", client->url ? client->url : "http://rouse", request->path);
	curl_easy_setopt(curl, CURLOPT_URL, buf_cstr(&url));
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "rouse/" PACKAGE_VERSION);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	if (client->socket) {
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket);
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	}
	if (!strcmp(request->method, "POST")) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.p ? request->body.p : "");
		headers = curl_slist_append(headers, "Expect:");
		headers = curl_slist_append(headers, request->body.p
							     ? "Content-Type: application/json"
							     : "Content-Type:");
	}
	buf_printf(&header, "Accept: %s", request->accept ? request->accept : "application/json");
	headers = curl_slist_append(headers, buf_cstr(&header));
	if (client->token) {
		buf_clear(&header);
		buf_printf(&header, "Authorization: Bearer %s", client->token);
		headers = curl_slist_append(headers, buf_cstr(&header));
		mem_zero(header.data, header.len);
	}
	for (size_t i = 0; request->headers && request->headers[i]; i++)
		headers = curl_slist_append(headers, request->headers[i]);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	*ret_headers = headers;
}

/* The sentence and code of an answer that says no. */
static bool
client_refused(const struct client_reply *reply, struct err *err)
{
	const char *name = json_str(reply->json, "code");
	const char *detail = json_str(reply->json, "detail");
	const char *title = json_str(reply->json, "title");
	enum err_code code = err_from_http(reply->status);

	if (name && (err_from_name(name) != E_INTERNAL || !strcmp(name, "internal")))
		code = err_from_name(name);
	if (code == E_OK)
		code = E_INTERNAL;
	if (!detail || !*detail)
		detail = title;
	if (!detail || !*detail)
		return err_set(err, code,
			       "the daemon answered %d without saying why; look at its log",
			       reply->status);
	return err_set(err, code, "%s", detail);
}

static void
json_of_body(struct client_reply *reply)
{
	struct err ignored = ERR_INIT;

	if (!json_read(buf_str(&reply->body), &reply->json, &ignored))
		reply->json = NULL;
	err_fini(&ignored);
}

bool
client_send(struct client *client, const struct client_request *request, struct client_reply *ret,
	    struct err *err)
{
	int64_t timeout_ms = request->timeout_ms ? request->timeout_ms : client->timeout_ms;
	struct curl_slist *headers;
	CURLcode code;
	long status = 0;

	client_prepare(client, request, &headers);
	curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, body_on_data);
	curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &ret->body);
	code = curl_easy_perform(client->curl);
	curl_slist_free_all(headers);
	if (code != CURLE_OK)
		return client_curl_failed(client, code, timeout_ms, err);
	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	ret->status = (int)status;
	if (!request->accept || ret->status >= 400)
		json_of_body(ret);
	if (ret->status >= 400)
		return client_refused(ret, err);
	if (ret->status < 200 || ret->status >= 300)
		return err_set(err, E_CORRUPT,
			       "the daemon answered %d, which rouse does not expect", ret->status);
	return true;
}

static bool
client_object(struct client *client, const struct client_request *request, struct client_reply *ret,
	      struct err *err)
{
	if (!client_send(client, request, ret, err))
		return false;
	if (!json_is_object(ret->json))
		return err_set(
			err, E_CORRUPT,
			"%s at %s answered what is no JSON object; is it roused, in this version?",
			request->path, client->url ? client->url : client->socket);
	return true;
}

bool
client_get(struct client *client, const char *path, struct client_reply *ret, struct err *err)
{
	return client_object(client, &(struct client_request){.method = "GET", .path = path}, ret,
			     err);
}

bool
client_post(struct client *client, const char *path, const json_t *body, struct client_reply *ret,
	    struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct client_request request = {.method = "POST", .path = path};

	if (body)
		json_write(&text, body);
	else
		buf_puts(&text, "{}");
	request.body = buf_str(&text);
	return client_object(client, &request, ret, err);
}

struct follow {
	struct sse sse;
	CURL *curl;
	struct buf refusal; /* the body of an answer that is no stream */
	struct buf last;    /* id of the last event that came whole */
	client_on_event *on_event;
	void *arg;
	bool ended, progress;
};

static bool
follow_on_event(void *arg, struct str id, struct str event, struct str data)
{
	struct follow *follow = arg;

	follow->progress = true;
	buf_clear(&follow->last);
	buf_add_str(&follow->last, id);
	if (follow->on_event(follow->arg, id, event, data))
		return true;
	follow->ended = true;
	return false;
}

static size_t
follow_on_data(char *bytes, size_t one, size_t count, void *arg)
{
	struct follow *follow = arg;
	long status = 0;

	curl_easy_getinfo(follow->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return body_on_data(bytes, one, count, &follow->refusal);
	return sse_feed(&follow->sse, str_make(bytes, one * count)) ? one * count : 0;
}

/* One connection of a stream. */
static CURLcode
follow_once(struct client *client, struct follow *follow, const char *path, long *ret_status)
{
	AUTO(buf_fini) struct buf last = BUF_INIT;
	const char *more[] = {NULL, NULL};
	struct client_request request = {
		.method = "GET", .path = path, .accept = "text/event-stream"};
	struct curl_slist *headers;
	CURLcode code;

	if (follow->last.len) {
		buf_printf(&last, "Last-Event-ID: %s", buf_cstr(&follow->last));
		more[0] = buf_cstr(&last);
		request.headers = more;
	}
	client_prepare(client, &request, &headers);
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, follow_on_data);
	curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, follow);
	curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
	code = curl_easy_perform(client->curl);
	curl_slist_free_all(headers);
	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, ret_status);
	return code;
}

static bool
follow_refused(struct follow *follow, long status, struct err *err)
{
	struct client_reply reply = CLIENT_REPLY_INIT;

	reply.status = (int)status;
	reply.body = follow->refusal;
	follow->refusal = (struct buf)BUF_INIT;
	json_of_body(&reply);
	client_refused(&reply, err);
	client_reply_fini(&reply);
	return false;
}

static void
follow_fini(struct follow *follow)
{
	sse_fini(&follow->sse);
	buf_fini(&follow->refusal);
	buf_fini(&follow->last);
}

/* A connection that broke leaves a half event: it comes again behind the last id. */
static void
follow_rewind(struct follow *follow)
{
	buf_clear(&follow->sse.line);
	buf_clear(&follow->sse.data);
	buf_clear(&follow->sse.event);
	follow->sse.some = follow->sse.cr = false;
}

bool
client_follow(struct client *client, const char *path, const char *last_id,
	      client_on_event *on_event, void *arg, struct err *err)
{
	AUTO(follow_fini)
	struct follow follow = {.curl = client->curl, .on_event = on_event, .arg = arg};
	unsigned tries = 0;
	bool begun = false;

	follow.sse.on_event = follow_on_event;
	follow.sse.arg = &follow;
	if (last_id)
		buf_puts(&follow.last, last_id);
	for (;;) {
		long status = 0;
		CURLcode code;

		follow.progress = false;
		code = follow_once(client, &follow, path, &status);
		if (follow.ended)
			return true;
		if (status >= 400 && status != 503)
			return follow_refused(&follow, status, err);
		if (code == CURLE_OK && status == 204)
			return true;
		if (code == CURLE_WRITE_ERROR)
			return err_set(err, E_TOO_LARGE,
				       "an event of the stream is larger than %d MiB",
				       SSE_LINE_MAX >> 20);
		tries = follow.progress ? 1 : tries + 1;
		begun = begun || (code == CURLE_OK && status == 200) || follow.progress;
		if (!begun || tries > FOLLOW_TRIES) {
			if (code == CURLE_OK && status >= 400)
				return follow_refused(&follow, status, err);
			if (code == CURLE_OK)
				return err_set(
					err, E_IO,
					"the daemon ends the stream each time; its log says why");
			return client_curl_failed(client, code, SILENCE_S * 1000, err);
		}
		buf_clear(&follow.refusal);
		follow_rewind(&follow);
		usleep(FOLLOW_AGAIN_MS * 1000);
	}
}
