/* Mail out: SMTP by libcurl, on threads of its own, with limits on time. RFC 5321, 3207. */
/* SPDX-License-Identifier: MIT */
#include "io/smtp.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/list.h"
#include "io/curl.h"
#include "io/work.h"

#define THREADS 2
#define WAITING_MAX 100
#define CONNECT_MS 10000

struct smtp_pool {
	struct work_pool *work;
	atomic_bool stopping;
	LIST_HEAD(, mail) all;
};

/* Between its start and its end it is the thread's. */
struct mail {
	LIST_ENTRY(mail) link;
	struct smtp_pool *pool;
	CURL *easy;
	struct curl_slist *to;
	struct buf data;
	size_t sent;
	CURLcode code;
	smtp_on_done *on_done;
	void *arg;
	char *where;
	char why[CURL_ERROR_SIZE];
};

static void
mail_free(struct mail *mail)
{
	LIST_REMOVE(mail, link);
	curl.curl_easy_cleanup(mail->easy);
	curl.curl_slist_free_all(mail->to);
	buf_fini(&mail->data);
	free(mail->where);
	free(mail);
}

/* --- on the thread ------------------------------------------------------------------------- */

static size_t
data_give(char *to, size_t size, size_t count, void *arg)
{
	struct mail *mail = arg;
	size_t len = mail->data.len - mail->sent;

	if (len > size * count)
		len = size * count;
	memcpy(to, mail->data.data + mail->sent, len);
	mail->sent += len;
	return len;
}

static size_t
words_drop(char *data UNUSED, size_t size, size_t count, void *arg UNUSED)
{
	return size * count;
}

/* Asked about once a second, also while it waits for a reply. */
static int
is_over(void *arg, curl_off_t a UNUSED, curl_off_t b UNUSED, curl_off_t c UNUSED,
	curl_off_t d UNUSED)
{
	const struct mail *mail = arg;

	return atomic_load(&mail->pool->stopping);
}

static void
mail_run(void *arg)
{
	struct mail *mail = arg;

	mail->code = curl.curl_easy_perform(mail->easy);
	/* What TLS keeps for each thread: this one may end with the process, before its own turn.
	 */
	OPENSSL_thread_stop();
}

/* --- in the loop --------------------------------------------------------------------------- */

static void
mail_on_done(void *arg)
{
	struct mail *mail = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	long reply = 0;

	curl.curl_easy_getinfo(mail->easy, CURLINFO_RESPONSE_CODE, &reply);
	if (mail->code != CURLE_OK)
		err_set(&err, mail->code == CURLE_OPERATION_TIMEDOUT ? E_TIMEOUT : E_UNAVAILABLE,
			"%s: %s", mail->where,
			mail->why[0] ? mail->why : curl.curl_easy_strerror(mail->code));
	mail->on_done(mail->arg, (int)reply, &err);
	mail_free(mail);
}

struct smtp_pool *
smtp_pool_new(struct event_base *base)
{
	struct smtp_pool *pool = mem_alloc(sizeof(*pool));

	pool->work = work_pool_new(base, THREADS, WAITING_MAX);
	LIST_INIT(&pool->all);
	return pool;
}

void
smtp_pool_free(struct smtp_pool *pool)
{
	if (!pool)
		return;
	atomic_store(&pool->stopping, true);
	work_pool_free(pool->work);
	while (!LIST_EMPTY(&pool->all))
		mail_free(LIST_FIRST(&pool->all));
	free(pool);
}

static bool
recipients_add(struct mail *mail, const struct smtp_spec *spec)
{
	for (size_t i = 0; spec->to[i]; i++) {
		struct curl_slist *more = curl.curl_slist_append(mail->to, spec->to[i]);

		if (!more)
			return false;
		mail->to = more;
	}
	return true;
}

static bool
options_set(struct mail *mail, const struct smtp_spec *spec)
{
	static const long tls[] = {[SMTP_TLS_TRY] = CURLUSESSL_TRY,
				   [SMTP_TLS_MUST] = CURLUSESSL_ALL,
				   [SMTP_TLS_NEVER] = CURLUSESSL_NONE};
	CURL *easy = mail->easy;
	long connect = spec->timeout_ms < CONNECT_MS ? (long)spec->timeout_ms : CONNECT_MS;
	bool bad = curl.curl_easy_setopt(easy, CURLOPT_URL, spec->url);

	bad |= curl.curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	bad |= curl.curl_easy_setopt(easy, CURLOPT_PROXY, "");
	bad |= curl.curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)spec->timeout_ms);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect);
	/* The end of a mail, and QUIT, are waited for so long, whatever the other limits are. */
	bad |= curl.curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT,
				     (long)(spec->timeout_ms + 999) / 1000);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, is_over);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_XFERINFODATA, mail);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_USE_SSL, tls[spec->starttls]);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_MAIL_FROM, spec->from);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, mail->to);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_READFUNCTION, data_give);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_READDATA, mail);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, words_drop);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, mail->why);
	if (spec->user)
		bad |= curl.curl_easy_setopt(easy, CURLOPT_USERNAME, spec->user);
	if (spec->password)
		bad |= curl.curl_easy_setopt(easy, CURLOPT_PASSWORD, spec->password);
	if (spec->ca)
		bad |= curl.curl_easy_setopt(easy, CURLOPT_CAINFO, spec->ca);
	return !bad;
}

bool
smtp_send(struct smtp_pool *pool, const struct smtp_spec *spec, smtp_on_done *on_done, void *arg,
	  struct err *err)
{
	static bool prepared;
	struct mail *mail;
	bool ok;

	if (!curl_load(err))
		return false;
	/* Not by the first thread: it is not safe there. Never undone, as nobody unloads libcurl.
	 */
	if (!prepared && curl.curl_global_init(CURL_GLOBAL_DEFAULT))
		abort(); /* out of memory */
	prepared = true;
	mail = mem_alloc(sizeof(*mail));
	mail->pool = pool;
	mail->on_done = on_done;
	mail->arg = arg;
	mail->where = mem_strdup(spec->url);
	buf_add_str(&mail->data, spec->data);
	mail->easy = curl.curl_easy_init();
	LIST_INSERT_HEAD(&pool->all, mail, link);
	ok = (mail->easy && recipients_add(mail, spec) && options_set(mail, spec)) ||
	     err_set(err, E_FULL, "no memory to send mail, or libcurl lacks what is needed");
	if (ok && work_submit(pool->work, mail_run, mail_on_done, mail, err))
		return true;
	mail_free(mail);
	return false;
}
