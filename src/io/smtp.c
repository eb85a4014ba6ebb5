/* Mail out: SMTP by libcurl on the loop, with limits on time. RFC 5321, 3207. */
/* SPDX-License-Identifier: MIT */
#include "io/smtp.h"

#include <stdlib.h>

#include "base/list.h"
#include "io/curl_loop.h"

#define CONNECT_MS 10000

struct smtp_pool {
	struct event_base *base;
	struct curl_loop loop; /* opened by the first mail */
	LIST_HEAD(, mail) all;
};

struct mail {
	LIST_ENTRY(mail) link;
	struct smtp_pool *pool;
	CURL *easy;
	struct curl_slist *to;
	struct buf data;
	size_t sent;
	smtp_on_done *on_done;
	void *arg;
	char *where;
	char why[CURL_ERROR_SIZE];
};

static void
mail_free(struct mail *mail)
{
	LIST_REMOVE(mail, link);
	if (mail->easy)
		curl.curl_multi_remove_handle(mail->pool->loop.multi, mail->easy);
	curl.curl_easy_cleanup(mail->easy);
	curl.curl_slist_free_all(mail->to);
	buf_fini(&mail->data);
	free(mail->where);
	free(mail);
}

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

static void
on_transfer_done(void *arg UNUSED, CURL *easy, CURLcode code)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct mail *mail = NULL;
	long reply = 0;

	curl.curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&mail);
	curl.curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &reply);
	if (code != CURLE_OK)
		err_set(&err, code == CURLE_OPERATION_TIMEDOUT ? E_TIMEOUT : E_UNAVAILABLE,
			"%s: %s", mail->where,
			mail->why[0] ? mail->why : curl.curl_easy_strerror(code));
	mail->on_done(mail->arg, (int)reply, &err);
	mail_free(mail);
}

struct smtp_pool *
smtp_pool_new(struct event_base *base)
{
	struct smtp_pool *pool = mem_alloc(sizeof(*pool));

	pool->base = base;
	LIST_INIT(&pool->all);
	return pool;
}

void
smtp_pool_free(struct smtp_pool *pool)
{
	if (!pool)
		return;
	while (!LIST_EMPTY(&pool->all))
		mail_free(LIST_FIRST(&pool->all));
	curl_loop_close(&pool->loop);
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
	bad |= curl.curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)spec->timeout_ms);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_USE_SSL, tls[spec->starttls]);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_MAIL_FROM, spec->from);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, mail->to);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_READFUNCTION, data_give);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_READDATA, mail);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, words_drop);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, mail->why);
	bad |= curl.curl_easy_setopt(easy, CURLOPT_PRIVATE, mail);
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
	struct mail *mail;

	if (!curl_load(err))
		return false;
	curl_loop_open(&pool->loop, pool->base, on_transfer_done, pool);
	mail = mem_alloc(sizeof(*mail));
	mail->pool = pool;
	mail->on_done = on_done;
	mail->arg = arg;
	mail->where = mem_strdup(spec->url);
	buf_add_str(&mail->data, spec->data);
	mail->easy = curl.curl_easy_init();
	LIST_INSERT_HEAD(&pool->all, mail, link);
	if (mail->easy && recipients_add(mail, spec) && options_set(mail, spec) &&
	    !curl.curl_multi_add_handle(pool->loop.multi, mail->easy))
		return true;
	mail_free(mail);
	return err_set(err, E_FULL, "no memory to send mail, or libcurl lacks what is needed");
}
