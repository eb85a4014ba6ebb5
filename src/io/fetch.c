/* HTTP out: libcurl's multi interface on the loop, with limits on time, size and where to. */
/* SPDX-License-Identifier: MIT */
#include "io/fetch.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/list.h"
#include "io/address.h"
#include "io/curl_loop.h"

enum {
	TIMEOUT_MS = 30000,
	CONNECT_TIMEOUT_MS = 10000,
	MAX_BODY = 1 << 20,
	HEADERS_MAX = 64 << 10, /* of all answers to one request: endless 100s count as well */
	URL_MAX = 8192,
	CONNECTIONS_KEPT = 64,
	SILENT_S = 30, /* a body that has begun may not pause longer; before, silence may be work */
};

/* Two worlds that share no connection: one open to a private address must not serve a fetch that
 * may not go there. */
enum { PUBLIC, PRIVATE, WORLDS };

struct world {
	struct fetch_pool *pool;
	struct curl_loop loop; /* opened by its first fetch */
};

struct fetch_pool {
	struct event_base *base;
	struct world worlds[WORLDS];
	LIST_HEAD(, fetch) all;
	bool telling;
};

struct fetch {
	LIST_ENTRY(fetch) link;
	struct world *world;
	CURL *easy;
	struct curl_slist *headers;
	fetch_on_part *on_part; /* NULL */
	fetch_on_done *on_done;
	void *arg;
	struct buf body;
	size_t max_body, header_bytes;
	int64_t silent_s;
	bool begun; /* its body */
	bool private_addresses, unix_socket;
	bool opened, too_large, headers_too_large, no_memory;
	char *where;		 /* scheme://host:port: what is behind it may hold secrets */
	char denied[NI_MAXHOST]; /* the address; of several the last */
	char why[CURL_ERROR_SIZE];
};

/* --- what is let through --- */

/* The address itself, after every name, number and alias has been resolved. */
static curl_socket_t
socket_open(void *arg, curlsocktype purpose UNUSED, struct curl_sockaddr *to)
{
	struct fetch *fetch = arg;
	bool allowed = to->family == AF_UNIX
			       ? fetch->unix_socket
			       : fetch->private_addresses || address_is_public(&to->addr);
	if (allowed) {
		fetch->opened = true;
		return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
	}
	if (getnameinfo(&to->addr, to->addrlen, fetch->denied, sizeof(fetch->denied), NULL, 0,
			NI_NUMERICHOST))
		snprintf(fetch->denied, sizeof(fetch->denied), "a socket of family %d", to->family);
	return CURL_SOCKET_BAD;
}

static struct str
header_of(struct fetch *fetch, const char *name)
{
	struct curl_header *header;
	if (curl.curl_easy_header(fetch->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return STR_NONE;
	return str_of(header->value);
}

struct str
fetch_header(const struct fetch_answer *answer, const char *name)
{
	return header_of(answer->from, name);
}

static struct fetch_answer
answer_of(struct fetch *fetch)
{
	struct fetch_answer answer = {.from = fetch};
	char *redirect = NULL;
	long status = 0;
	curl.curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
	answer.status = (int)status;
	answer.body = buf_str(&fetch->body);
	answer.etag = header_of(fetch, "ETag");
	answer.content_type = header_of(fetch, "Content-Type");
	answer.location = header_of(fetch, "Location");
	answer.retry_after = header_of(fetch, "Retry-After");
	answer.link = header_of(fetch, "Link");
	answer.last_modified = header_of(fetch, "Last-Modified");
	answer.content_encoding = header_of(fetch, "Content-Encoding");
	curl.curl_easy_getinfo(fetch->easy, CURLINFO_REDIRECT_URL, &redirect);
	answer.redirect = str_of(redirect);
	return answer;
}

/* From now on it may not fall silent for long. */
static void
body_begin(struct fetch *fetch)
{
	if (fetch->begun)
		return;
	fetch->begun = true;
	curl.curl_easy_setopt(fetch->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl.curl_easy_setopt(fetch->easy, CURLOPT_LOW_SPEED_TIME, (long)fetch->silent_s);
}

/* libcurl's own size limit trusts what the server declares. */
static size_t
body_take(char *data, size_t size, size_t count, void *arg)
{
	struct fetch *fetch = arg;
	size_t len = size * count;
	enum fetch_part part = FETCH_KEEP;
	body_begin(fetch);
	if (fetch->on_part) {
		struct fetch_answer head = answer_of(fetch);
		head.body = STR_NONE;
		part = fetch->on_part(fetch->arg, &head, str_make(data, len));
	}
	if (part != FETCH_KEEP)
		return part == FETCH_TOOK    ? len
		       : part == FETCH_PAUSE ? CURL_WRITEFUNC_PAUSE
					     : CURL_WRITEFUNC_ERROR;
	fetch->too_large |= len > fetch->max_body - fetch->body.len;
	if (fetch->too_large)
		return CURL_WRITEFUNC_ERROR;
	if (!buf_try_reserve(&fetch->body, len)) {
		fetch->no_memory = true;
		return CURL_WRITEFUNC_ERROR;
	}
	buf_add(&fetch->body, data, len);
	return len;
}

static size_t
header_take(char *data UNUSED, size_t size, size_t count, void *arg)
{
	struct fetch *fetch = arg;
	fetch->header_bytes += size * count;
	fetch->headers_too_large = fetch->header_bytes > HEADERS_MAX;
	return fetch->headers_too_large ? CURL_WRITEFUNC_ERROR : size * count;
}

/* --- the end --- */

static void
fetch_free(struct fetch *fetch)
{
	LIST_REMOVE(fetch, link);
	if (fetch->easy)
		curl.curl_multi_remove_handle(fetch->world->loop.multi, fetch->easy);
	curl.curl_easy_cleanup(fetch->easy);
	/* They may hold a key. */
	for (struct curl_slist *header = fetch->headers; header; header = header->next)
		mem_zero(header->data, strlen(header->data));
	curl.curl_slist_free_all(fetch->headers);
	buf_fini(&fetch->body);
	free(fetch->where);
	free(fetch);
}

static void
fail(const struct fetch *fetch, CURLcode code, struct err *err)
{
	static const struct {
		CURLcode code;
		enum err_code to;
	} codes[] = {
		{CURLE_OPERATION_TIMEDOUT, E_TIMEOUT},

		{CURLE_URL_MALFORMAT, E_INVALID},
		{CURLE_OUT_OF_MEMORY, E_FULL},
	};
	enum err_code to = E_UNAVAILABLE;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].code == code)
			to = codes[i].to;
	if (fetch->too_large)
		err_set(err, E_TOO_LARGE, "the answer is larger than %zu bytes", fetch->max_body);
	else if (fetch->headers_too_large)
		err_set(err, E_TOO_LARGE, "the answer has more than %d KiB of headers",
			HEADERS_MAX >> 10);
	else if (fetch->no_memory)
		err_set(err, E_FULL, "no memory for the answer");
	else if (fetch->denied[0] && !fetch->opened)
		err_set(err, E_DENIED,
			"the address %s is this machine's or a private network's, which may not be "
			"reached",
			fetch->denied);
	else
		err_set(err, to, "%s", fetch->why[0] ? fetch->why : curl.curl_easy_strerror(code));
	err_prefix(err, "%s", fetch->where);
}

/* The handle is forgotten first: on_done may start others. */
static void
finish(struct fetch *fetch, CURLcode code)
{
	struct fetch_pool *pool = fetch->world->pool;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct fetch_answer answer = {0};
	if (code == CURLE_OK)
		answer = answer_of(fetch);
	else
		fail(fetch, code, &err);
	pool->telling = true;
	fetch->on_done(fetch->arg, code == CURLE_OK ? &answer : NULL, &err);
	pool->telling = false;
	fetch_free(fetch);
}

static void
on_transfer_done(void *arg UNUSED, CURL *easy, CURLcode code)
{
	struct fetch *fetch = NULL;
	curl.curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&fetch);
	finish(fetch, code);
}

void
fetch_resume(struct fetch *fetch)
{
	curl.curl_easy_pause(fetch->easy, CURLPAUSE_CONT);
}

void
fetch_cancel(struct fetch *fetch)
{
	if (fetch)
		fetch_free(fetch);
}

/* --- the pool --- */

/* Who never fetches pays for no TLS and no descriptors. */
static void
world_open(struct world *world, struct fetch_pool *pool)
{
	if (world->loop.multi)
		return;
	world->pool = pool;
	curl_loop_open(&world->loop, pool->base, on_transfer_done, world);
	curl.curl_multi_setopt(world->loop.multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
}

struct fetch_pool *
fetch_pool_new(struct event_base *base)
{
	struct fetch_pool *pool = mem_alloc(sizeof(*pool));
	pool->base = base;
	LIST_INIT(&pool->all);
	return pool;
}

void
fetch_pool_free(struct fetch_pool *pool)
{
	if (!pool)
		return;
	assert(!pool->telling);
	while (!LIST_EMPTY(&pool->all))
		fetch_free(LIST_FIRST(&pool->all));
	for (int i = 0; i < WORLDS; i++)
		curl_loop_close(&pool->worlds[i].loop);
	free(pool);
}

/* --- the beginning --- */

static bool
has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

static bool
spec_check(const struct fetch_spec *spec, struct err *err)
{
	struct str url = str_of(spec->url);
	size_t method = strspn(spec->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");
	if (!method || spec->method[method])
		return err_set(err, E_INVALID,
			       "%.40s is no HTTP method; expected one like GET or POST",
			       spec->method);
	if (url.len > URL_MAX)
		return err_set(err, E_INVALID, "the URL has %zu bytes; expected at most %d",
			       url.len, URL_MAX);
	if (has_control(spec->url) || strchr(spec->url, ' '))
		return err_set(err, E_INVALID, "the URL has a blank or a control character");
	if (!str_starts_nocase(url, STR("http://")) && !str_starts_nocase(url, STR("https://")))
		return err_set(err, E_DENIED,
			       "%.100s is no URL that may be fetched; expected http:// or https://",
			       spec->url);
	for (size_t i = 0; spec->headers && spec->headers[i]; i++) {
		const char *colon = strchr(spec->headers[i], ':');
		if (!colon || colon == spec->headers[i] || has_control(spec->headers[i]))
			return err_set(err, E_INVALID,
				       "a header is not \"Name: value\" on one line");
	}
	return true;
}

static bool
headers_add(struct fetch *fetch, const struct fetch_spec *spec)
{
	/* Nobody waits for a "100 Continue"; curl invents no content type. */
	static const char *const unwanted[] = {"Expect:", "Content-Type:"};
	bool typed = false;
	for (size_t i = 0; spec->headers && spec->headers[i]; i++) {
		struct curl_slist *more = curl.curl_slist_append(fetch->headers, spec->headers[i]);
		if (!more)
			return false;
		fetch->headers = more;
		typed |= str_starts_nocase(str_of(spec->headers[i]), STR("Content-Type:"));
	}
	for (size_t i = 0; i < ARRAY_LEN(unwanted) - typed; i++) {
		struct curl_slist *more = curl.curl_slist_append(fetch->headers, unwanted[i]);
		if (!more)
			return false;
		fetch->headers = more;
	}
	return true;
}

static bool
method_set(CURL *easy, const struct fetch_spec *spec)
{
	bool ok = true;
	if (spec->body.len || (strcmp(spec->method, "GET") && strcmp(spec->method, "HEAD"))) {
		ok = !curl.curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
					    (curl_off_t)spec->body.len) &&
		     !curl.curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS,
					    spec->body.p ? spec->body.p : "");
	}
	if (!strcmp(spec->method, "HEAD"))
		return ok && !curl.curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	return ok && !curl.curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, spec->method);
}

/* libcurl sends a request again, without a word, when a kept connection ends before its answer:
 * RFC 9110, 9.2.2, has that only for methods that may be repeated. On a new connection it never
 * does. */
static bool
once_set(CURL *easy, const struct fetch_spec *spec)
{
	static const char *const repeatable[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};

	for (size_t i = 0; i < ARRAY_LEN(repeatable); i++)
		if (spec->repeatable || !strcmp(spec->method, repeatable[i]))
			return true;
	return !curl.curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
}

static char *
where_of(const struct fetch_spec *spec)
{
	AUTO(buf_fini) struct buf where = BUF_INIT;
	const char *host = strstr(spec->url, "://") + 3;
	size_t len = strcspn(host, "/?#\\");
	const char *at = memrchr(host, '@', len);
	const char *from = at ? at + 1 : host;

	if (spec->unix_socket)
		return mem_strdup(spec->unix_socket);
	buf_printf(&where, "%.*s%.*s", (int)(host - spec->url), spec->url,
		   (int)(len - (size_t)(from - host)), from);
	return buf_take(&where);
}

static int64_t
ms_or(int64_t ms, int64_t otherwise)
{
	return ms <= 0 ? otherwise : ms < INT_MAX ? ms : INT_MAX;
}

static bool
options_set(struct fetch *fetch, const struct fetch_spec *spec)
{
	CURL *easy = fetch->easy;
	int64_t timeout = ms_or(spec->timeout_ms, TIMEOUT_MS);
	int64_t connect = ms_or(spec->connect_timeout_ms, CONNECT_TIMEOUT_MS);
	bool bad = curl.curl_easy_setopt(easy, CURLOPT_URL, spec->url);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	bad |= curl.curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	bad |= curl.curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_PROXY, "");
	bad |= curl.curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_QUICK_EXIT,
				     1L); /* a resolver that hangs holds up nobody */
	bad |= curl.curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, socket_open);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, fetch);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_take);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_take);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_HEADERDATA, fetch);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fetch->headers);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_USERAGENT, "rouse");
	bad |= curl.curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->why);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_PRIVATE, fetch);
	if (spec->unix_socket)
		bad |= curl.curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, spec->unix_socket);
	return !bad && method_set(easy, spec) && once_set(easy, spec);
}

struct fetch *
fetch_start(struct fetch_pool *pool, const struct fetch_spec *spec, fetch_on_done *on_done,
	    void *arg, struct err *err)
{
	if (!spec_check(spec, err) || !curl_load(err))
		return NULL;
	struct fetch *fetch = mem_alloc(sizeof(*fetch));
	fetch->world = &pool->worlds[spec->private_addresses ? PRIVATE : PUBLIC];
	world_open(fetch->world, pool);
	fetch->where = where_of(spec);
	fetch->on_done = on_done;
	fetch->on_part = spec->on_part;
	fetch->silent_s = spec->silent_ms > 0 ? (spec->silent_ms + 999) / 1000 : SILENT_S;
	fetch->arg = arg;
	fetch->max_body = spec->max_body ? spec->max_body : MAX_BODY;
	fetch->private_addresses = spec->private_addresses;
	fetch->unix_socket = spec->unix_socket;
	fetch->easy = curl.curl_easy_init();
	LIST_INSERT_HEAD(&pool->all, fetch, link);
	if (fetch->easy && headers_add(fetch, spec) && options_set(fetch, spec) &&
	    !curl.curl_multi_add_handle(fetch->world->loop.multi, fetch->easy))
		return fetch;
	err_set(err, E_FULL, "no memory to fetch from %s, or libcurl lacks what is needed",
		fetch->where);
	fetch_free(fetch);
	return NULL;
}
