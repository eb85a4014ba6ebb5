/* Sessions: one connection to a mail server, logged in by libcurl, then spoken to in IMAP. */
/* SPDX-License-Identifier: MIT */
#include "triggers/imap/session.h"

#include <assert.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "io/curl_loop.h"

enum {
	CONNECT_MS = 60000, /* name, TCP, TLS and login together */
	ANSWER_MS = 30000,  /* for what is answered at once */
	READ_BYTES = 32768,
	READS = 16,		 /* of these in a row, then others have their turn */
	LOGIN_BYTES = 256 << 10, /* of all lines until logged in */
	LOGIN_NOTES = 2000,	 /* of libcurl's remarks until then */
	TEXT_MAX = 1 << 20,
	COMMAND_BYTES = 32 << 20, /* of answers to one command, beside what it asked for */
	SAID_MAX = 200,
};

struct session {
	struct event_base *base;
	const struct session_calls *calls;
	void *arg;
	struct curl_loop loop;
	CURL *easy;
	int fd; /* -1: none; libcurl closes it */
	bool connected, busy, idle, idling, over;
	struct event *read, *write, *limit;
	struct event *tell; /* that it is ready, or over */
	struct imap_reader reader;
	struct buf out;
	size_t sent;
	unsigned tag;
	size_t login_bytes, login_notes;
	size_t answered, answered_max; /* bytes, of this command */
	struct buf said;	       /* the last line before it was logged in; BYE's words */
	struct err err;		       /* why it is over */
	char why[CURL_ERROR_SIZE];
	int depth; /* of calls; freed at 0 */
	bool freed;
};

/* --- life ------------------------------------------------------------------------------------- */

static void
session_destroy(struct session *s)
{
	if (s->read)
		event_free(s->read);
	if (s->write)
		event_free(s->write);
	event_free(s->limit);
	event_free(s->tell);
	/* So that libcurl's goodbye waits for nobody. */
	if (s->fd >= 0)
		shutdown(s->fd, SHUT_RDWR);
	if (s->easy)
		curl.curl_multi_remove_handle(s->loop.multi, s->easy);
	curl.curl_easy_cleanup(s->easy);
	curl_loop_close(&s->loop);
	imap_reader_fini(&s->reader);
	buf_fini(&s->out);
	buf_fini(&s->said);
	err_fini(&s->err);
	free(s);
}

void
session_free(struct session *s)
{
	size_t sent;

	if (!s || s->freed)
		return;
	if (s->connected && !s->over && !s->busy)
		curl.curl_easy_send(s->easy, "RL LOGOUT\r\n", 11, &sent);
	s->freed = true;
	s->over = true;
	if (!s->depth)
		session_destroy(s);
}

/* Around every call out: who frees the session meanwhile frees it behind it. True: it is gone. */
static bool
call_end(struct session *s)
{
	if (--s->depth || !s->freed)
		return s->freed;
	session_destroy(s);
	return true;
}

/* Told in a turn of its own. */
static void
session_fail(struct session *s)
{
	if (s->over)
		return;
	s->over = true;
	event_active(s->tell, EV_TIMEOUT, 0);
}

static void
on_tell(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct session *s = arg;

	if (s->freed)
		return;
	s->depth++;
	if (!s->over) {
		s->calls->ready(s->arg);
	} else {
		if (s->read)
			event_del(s->read);
		if (s->write)
			event_del(s->write);
		event_del(s->limit);
		s->calls->closed(s->arg, &s->err);
	}
	call_end(s);
}

static void
on_limit(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct session *s = arg;

	err_set(&s->err, E_TIMEOUT,
		s->connected ? "the mail server does not answer in time"
			     : "the mail server does not let us in in time");
	session_fail(s);
}

static void
limit_arm(struct session *s, int64_t ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	event_add(s->limit, &tv);
}

/* --- writing -----------------------------------------------------------------------------------
 */

static void
lost(struct session *s, CURLcode code)
{
	if (s->said.len)
		err_set(&s->err, E_UNAVAILABLE, "the mail server ends the connection: %s",
			buf_cstr(&s->said));
	else
		err_set(&s->err, E_UNAVAILABLE, "the connection to the mail server is lost%s%s",
			code ? ": " : "", code ? curl.curl_easy_strerror(code) : "");
	session_fail(s);
}

static void
flush(struct session *s)
{
	while (!s->over && s->sent < s->out.len) {
		size_t n = 0;
		CURLcode code = curl.curl_easy_send(s->easy, s->out.data + s->sent,
						    s->out.len - s->sent, &n);

		s->sent += n;
		if (code == CURLE_AGAIN) {
			event_add(s->write, NULL);
			return;
		}
		if (code)
			lost(s, code);
	}
	buf_clear(&s->out);
	s->sent = 0;
}

static void
on_writable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	flush(arg);
}

static void
put(struct session *s, const char *command, int64_t limit_ms, size_t bytes)
{
	assert(s->connected && !s->busy);
	if (s->over)
		return;
	buf_printf(&s->out, "R%u %s\r\n", ++s->tag, command);
	s->busy = true;
	s->answered = 0;
	s->answered_max = COMMAND_BYTES + bytes;
	limit_arm(s, limit_ms);
	flush(s);
}

void
session_command(struct session *s, int64_t limit_ms, size_t bytes, const char *command)
{
	put(s, command, limit_ms, bytes);
}

void
session_idle(struct session *s)
{
	s->idle = true;
	s->idling = false;
	put(s, "IDLE", ANSWER_MS, 0);
}

void
session_wake(struct session *s)
{
	if (!s->idling || s->over)
		return;
	s->idling = false;
	buf_puts(&s->out, "DONE\r\n");
	limit_arm(s, ANSWER_MS);
	flush(s);
}

bool
session_is_busy(const struct session *s)
{
	return s->busy || !s->connected;
}

void
session_limit(struct session *s, size_t text_max, size_t literal_max)
{
	s->reader.text_max = text_max;
	s->reader.literal_max = literal_max;
}

/* --- reading -----------------------------------------------------------------------------------
 */

/* A server's words, as far as they can be shown. */
static void
said_note(struct session *s, struct str text)
{
	buf_clear(&s->said);
	text = str_trim(text);
	for (size_t i = 0; i < text.len && i < SAID_MAX; i++)
		buf_putc(&s->said, text.p[i] < ' ' || text.p[i] > '~' ? '?' : text.p[i]);
}

static bool
is_ours(const struct session *s, struct str tag)
{
	uint64_t number;

	return tag.len > 1 && tag.p[0] == 'R' &&
	       str_to_u64(str_make(tag.p + 1, tag.len - 1), &number) && number == s->tag && s->busy;
}

static void
tagged(struct session *s, const struct imap_response *r)
{
	if (!is_ours(s, r->tag)) {
		err_set(&s->err, E_INVALID,
			"the mail server answers a command that nobody gave (%.*s)",
			r->tag.len < 20 ? (int)r->tag.len : 20, r->tag.p);
		session_fail(s);
		return;
	}
	s->busy = s->idle = s->idling = false;
	event_del(s->limit);
	s->calls->done(s->arg, r);
}

static void
dispatch(struct session *s, const struct imap_response *r)
{
	if (r->kind == IMAP_TAGGED) {
		tagged(s, r);
	} else if (r->kind == IMAP_UNTAGGED) {
		if (r->status == IMAP_BYE)
			said_note(s, r->text.len ? r->text : STR("BYE"));
		s->calls->data(s->arg, r);
	} else if (s->idle && !s->idling) {
		s->idling = true;
		event_del(s->limit);
		s->calls->idling(s->arg);
	}
}

/* All whole responses that are there. */
static void
take(struct session *s, struct str bytes)
{
	struct imap_response response;
	enum imap_read read = IMAP_READ_MORE;

	s->answered += bytes.len;
	if (s->answered > s->answered_max) {
		err_set(&s->err, E_TOO_LARGE,
			"the mail server answers one command by more than %zu MiB",
			s->answered_max >> 20);
		session_fail(s);
		return;
	}
	if (!imap_reader_feed(&s->reader, bytes, &s->err)) {
		session_fail(s);
		return;
	}
	while (!s->over &&
	       (read = imap_reader_next(&s->reader, &response, &s->err)) == IMAP_READ_RESPONSE)
		dispatch(s, &response);
	if (!s->over && read == IMAP_READ_BROKEN)
		session_fail(s);
}

static void
on_readable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	static char bytes[READ_BYTES];
	struct session *s = arg;
	CURLcode code = CURLE_OK;
	int reads = 0;
	size_t n;

	s->depth++;
	for (; !s->over && reads < READS; reads++) {
		n = 0;
		code = curl.curl_easy_recv(s->easy, bytes, sizeof(bytes), &n);
		if (code || !n)
			break;
		take(s, str_make(bytes, n));
	}
	if (!s->over && reads < READS && code != CURLE_AGAIN)
		lost(s, code);
	if (call_end(s))
		return;
	/* What TLS has decrypted already makes no socket readable. */
	if (!s->over && reads == READS)
		event_active(s->read, EV_READ, 0);
}

/* --- connecting --------------------------------------------------------------------------------
 */

static curl_socket_t
socket_open(void *arg, curlsocktype purpose UNUSED, struct curl_sockaddr *to)
{
	struct session *s = arg;

	s->fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
	return s->fd < 0 ? CURL_SOCKET_BAD : s->fd;
}

static int
socket_close(void *arg, curl_socket_t fd)
{
	struct session *s = arg;

	if (s->fd == fd)
		s->fd = -1;
	return close(fd);
}

static size_t
line_take(char *data, size_t size, size_t count, void *arg)
{
	struct session *s = arg;

	s->login_bytes += size * count;
	if (s->login_bytes > LOGIN_BYTES)
		return CURL_WRITEFUNC_ERROR;
	said_note(s, str_make(data, size * count));
	return size * count;
}

/* libcurl reads an endless line for as long as there is more of it, and says so each time: that is
 * where it can be stopped. */
static int
note_take(CURL *easy UNUSED, curl_infotype type UNUSED, char *data UNUSED, size_t size UNUSED,
	  void *arg)
{
	struct session *s = arg;

	if (!s->connected && ++s->login_notes > LOGIN_NOTES && s->fd >= 0)
		shutdown(s->fd, SHUT_RDWR);
	return 0;
}

static void
refused(struct session *s, CURLcode code)
{
	const char *why = s->why[0] ? s->why : curl.curl_easy_strerror(code);
	struct str said = buf_str(&s->said), rest, word;

	if (s->login_bytes > LOGIN_BYTES || s->login_notes > LOGIN_NOTES) {
		err_set(&s->err, E_INVALID,
			"the mail server says too much before it lets us in; is there another "
			"service behind this port?");
		return;
	}
	if (code != CURLE_LOGIN_DENIED) {
		err_set(&s->err, code == CURLE_OPERATION_TIMEDOUT ? E_TIMEOUT : E_UNAVAILABLE, "%s",
			why);
		return;
	}
	rest = str_split(said, ' ', &word);
	if (str_starts_nocase(rest.p ? rest : STR(""), STR("NO [UNAVAILABLE]")) ||
	    str_starts_nocase(rest.p ? rest : STR(""), STR("NO [INUSE]")))
		err_set(&s->err, E_UNAVAILABLE, "the mail server cannot log us in now (%.*s)",
			STR_ARG(said));
	else
		err_set(&s->err, E_UNAUTHORIZED,
			"the mail server refuses the login (%.*s); check user and password or "
			"token",
			STR_ARG(said));
}

static void
on_connected(void *arg, CURL *easy, CURLcode code)
{
	struct session *s = arg;
	curl_socket_t fd = CURL_SOCKET_BAD;

	if (s->over)
		return;
	if (!code &&
	    (curl.curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd) || fd == CURL_SOCKET_BAD))
		code = CURLE_COULDNT_CONNECT;
	if (code) {
		refused(s, code);
		session_fail(s);
		return;
	}
	s->connected = true;
	buf_clear(&s->said);
	event_del(s->limit);
	s->read = event_new(s->base, fd, EV_READ | EV_PERSIST, on_readable, s);
	s->write = event_new(s->base, fd, EV_WRITE, on_writable, s);
	if (!s->read || !s->write || event_add(s->read, NULL))
		abort(); /* out of memory */
	s->answered_max = COMMAND_BYTES;
	event_active(s->tell, EV_TIMEOUT, 0);
}

static bool
options_set(struct session *s, const struct session_spec *spec)
{
	AUTO(buf_fini) struct buf url = BUF_INIT;
	CURL *easy = s->easy;
	bool bad;

	buf_printf(&url, "%s://%s:%d/", spec->url->tls ? "imaps" : "imap", spec->url->host,
		   spec->url->port);
	bad = curl.curl_easy_setopt(easy, CURLOPT_URL, buf_cstr(&url));
	bad |= curl.curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "imap,imaps");
	bad |= curl.curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_USE_SSL,
				     (long)(spec->clear ? CURLUSESSL_NONE : CURLUSESSL_ALL));
	bad |= curl.curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (spec->ca_file)
		bad |= curl.curl_easy_setopt(easy, CURLOPT_CAINFO, spec->ca_file);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_USERNAME, spec->user);
	if (spec->token.p) {
		/* Never LOGIN without a password, where the server can neither. */
		bad |= curl.curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS,
					     "AUTH=OAUTHBEARER;AUTH=XOAUTH2");
		bad |= curl.curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, spec->token.p);
	} else {
		bad |= curl.curl_easy_setopt(easy, CURLOPT_PASSWORD, spec->password.p);
	}
	bad |= curl.curl_easy_setopt(easy, CURLOPT_SASL_IR, 1L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_PROXY, "");
	bad |= curl.curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)CONNECT_MS);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, socket_open);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, s);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, socket_close);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, s);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, line_take);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_HEADERDATA, s);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, line_take);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_WRITEDATA, s);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, note_take);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_DEBUGDATA, s);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, s->why);
	return !bad;
}

struct session *
session_new(struct event_base *base, const struct session_spec *spec,
	    const struct session_calls *calls, void *arg, struct err *err)
{
	struct session *s;

	if (!curl_load(err))
		return NULL;
	s = mem_alloc(sizeof(*s));
	s->base = base;
	s->calls = calls;
	s->arg = arg;
	s->fd = -1;
	s->limit = evtimer_new(base, on_limit, s);
	s->tell = evtimer_new(base, on_tell, s);
	if (!s->limit || !s->tell)
		abort(); /* out of memory */
	imap_reader_init(&s->reader, TEXT_MAX, spec->literal_max);
	curl_loop_open(&s->loop, base, on_connected, s);
	s->easy = curl.curl_easy_init();
	limit_arm(s, CONNECT_MS);
	if (s->easy && options_set(s, spec) && !curl.curl_multi_add_handle(s->loop.multi, s->easy))
		return s;
	err_set(err, E_UNAVAILABLE, "no memory for a connection, or libcurl speaks no IMAP");
	session_destroy(s);
	return NULL;
}
