/* Notifications by mail. RFC 5322, 2047, 3834. */
/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "base/digest.h"
#include "conf/secret.h"
#include "io/smtp.h"
#include "plugins/notify/notify.h"

#define TO_MAX 100
#define ADDRESS_MAX 254
/* Lines that every server takes as they are (RFC 5321, 4.5.3.1.6: 1000). */
#define LINE_MAX_PLAIN 900
#define BASE64_LINE 57
/* Of an encoded word, so that it is at most 75 characters. */
#define WORD_BYTES 42

static void smtp_check(const struct conf_section *section, struct conf_report *report);

static const struct conf_key keys[] = {
	{"url", CONF_STRING, .flags = CONF_REQUIRED,
	 .help = "smtp://HOST:PORT, or smtps://HOST:PORT where it begins with TLS"},
	{"from", CONF_STRING, .flags = CONF_REQUIRED,
	 .help = "address of the sender, as rouse@example.com"},
	{"to", CONF_LIST, .flags = CONF_REQUIRED, .help = "addresses that it is sent to"},
	{"user", CONF_STRING, .help = "name to log in with"},
	{"password", CONF_SECRET, .help = "its password"},
	{"starttls", CONF_ENUM, "auto", "auto|yes|no",
	 .help = "yes: nothing is sent without TLS; auto: with it where the server has it, and "
		 "nothing without it where there is a password"},
	{"tls_ca", CONF_PATH,
	 .help = "PEM file of those that may sign the server's certificate; default: the system's"},
};

static const struct conf_table table = {
	.section = "notify",
	.named = true,
	.selector = "kind",
	.value = "smtp",
	.keys = keys,
	.count = ARRAY_LEN(keys),
	.check = smtp_check,
	.help = "told by mail",
};

/* What a mailbox may be here: printable ASCII around one @, no brackets, nothing that would end a
 * line or begin another recipient. */
static bool
is_address(const char *s)
{
	const char *at = strchr(s, '@');

	if (!at || at == s || !at[1] || strchr(at + 1, '@') || strlen(s) > ADDRESS_MAX)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~' || strchr("<>,;:\"()[]\\", *s))
			return false;
	return true;
}

static void
smtp_check(const struct conf_section *section, struct conf_report *report)
{
	const char *url = conf_str(section, "url"), *from = conf_str(section, "from");
	const char *const *items;
	size_t count = conf_list(section, "to", &items);

	if ((!str_starts(str_of(url), STR("smtp://")) &&
	     !str_starts(str_of(url), STR("smtps://"))) ||
	    strpbrk(url, " @\t\r\n"))
		conf_complain(report, section, "url",
			      "%s; expected smtp://HOST:PORT or smtps://HOST:PORT, without a name "
			      "in it",
			      url);
	if (!is_address(from))
		conf_complain(report, section, "from", "%s is no address; expected NAME@HOST",
			      from);
	if (!count || count > TO_MAX)
		conf_complain(report, section, "to", "%zu addresses; expected 1 to %d", count,
			      TO_MAX);
	for (size_t i = 0; i < count; i++)
		if (!is_address(items[i]))
			conf_complain(report, section, "to", "%s is no address; expected NAME@HOST",
				      items[i]);
	if (conf_str(section, "password") && !conf_str(section, "user"))
		conf_complain(report, section, "password", "there is no user that it is of");
	if (conf_str(section, "password") && !strcmp(conf_str(section, "starttls"), "no") &&
	    str_starts(str_of(url), STR("smtp://")))
		conf_warn(report, section, "starttls",
			  "no: the password is sent for everybody on the way to read");
}

/* --- the mail ------------------------------------------------------------------------------ */

static bool
is_plain(struct str s)
{
	size_t line = 0;

	for (size_t i = 0; i < s.len; i++) {
		line = s.p[i] == '\n' ? 0 : line + 1;
		if (line > LINE_MAX_PLAIN || (unsigned char)s.p[i] > '~' ||
		    ((unsigned char)s.p[i] < ' ' && s.p[i] != '\n' && s.p[i] != '\t'))
			return false;
	}
	return true;
}

/* A header's text, in encoded words where it is not plain ASCII; never with a line end of its own.
 */
static void
header_text(struct buf *out, const char *name, const char *value)
{
	struct str rest = str_of(value);

	buf_cat(out, name, ": ");
	if (is_plain(rest) && !memchr(rest.p, '\n', rest.len) && rest.len < LINE_MAX_PLAIN) {
		buf_cat(out, value, "\r\n");
		return;
	}
	while (rest.len) {
		size_t len = 0, next;

		while (len < rest.len &&
		       (next = str_utf8_next(str_make(rest.p + len, rest.len - len), NULL)) &&
		       len + next <= WORD_BYTES)
			len += next;
		len = len ? len : 1;
		buf_puts(out, "=?UTF-8?B?");
		base64_encode(out, str_make(rest.p, len));
		rest = str_make(rest.p + len, rest.len - len);
		buf_puts(out, rest.len ? "?=\r\n " : "?=");
	}
	buf_puts(out, "\r\n");
}

/* RFC 5322, 3.3, in UTC; the names are not those of a locale. */
static void
date_write(struct buf *out, struct wall at)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t seconds = (time_t)(at.ms / 1000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	buf_printf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday],
		   tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
		   tm.tm_sec);
}

static void
body_write(struct buf *out, struct str text)
{
	if (is_plain(text)) {
		buf_puts(out, "Content-Transfer-Encoding: 7bit\r\n\r\n");
		for (size_t i = 0; i < text.len; i++) {
			if (text.p[i] == '\n')
				buf_putc(out, '\r');
			buf_putc(out, text.p[i]);
		}
		return;
	}
	buf_puts(out, "Content-Transfer-Encoding: base64\r\n\r\n");
	for (size_t i = 0; i < text.len; i += BASE64_LINE) {
		size_t len = text.len - i < BASE64_LINE ? text.len - i : BASE64_LINE;

		base64_encode(out, str_make(text.p + i, len));
		buf_puts(out, "\r\n");
	}
}

static void
mail_write(const struct conf_section *section, const struct notify_message *message,
	   const char *const *to, struct buf *out)
{
	const char *from = conf_str(section, "from");

	buf_cat(out, "From: Rouse <", from, ">\r\nTo: ");
	for (size_t i = 0; to[i]; i++)
		buf_cat(out, i ? ",\r\n " : "", to[i]);
	buf_puts(out, "\r\n");
	header_text(out, "Subject", message->subject);
	date_write(out, message->at);
	buf_cat(out, "Message-ID: <", message->id, strchr(from, '@'), ">\r\n");
	/* So that no machine answers. */
	buf_puts(out, "Auto-Submitted: auto-generated\r\nPrecedence: bulk\r\n");
	buf_cat(out, "X-Rouse-Event: ", message->event, "\r\n");
	buf_puts(out, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n");
	body_write(out, message->text);
}

/* --- sending ------------------------------------------------------------------------------- */

static struct smtp_pool *pool;

void
smtp_notify_fini(void)
{
	smtp_pool_free(pool);
	pool = NULL;
}

/* What the server will not have is not had later either, but for a login that someone mends. */
static bool
is_final(int reply)
{
	return reply >= 550 && reply < 560;
}

static void
on_mailed(void *arg, int reply, const struct err *err)
{
	const struct notify_result result = {.sent = err->code == E_OK,
					     .never = err->code != E_OK && is_final(reply)};

	notify_done(arg, &result, err);
}

static enum smtp_tls
tls_of(const struct conf_section *section)
{
	const char *word = conf_str(section, "starttls");

	if (!strcmp(word, "no"))
		return SMTP_TLS_NEVER;
	return !strcmp(word, "yes") || conf_str(section, "password") ? SMTP_TLS_MUST : SMTP_TLS_TRY;
}

static bool
smtp_notify_send(struct core *core, const struct conf_section *section,
		 const struct notify_message *message, struct notify_job *job, struct err *err)
{
	const char *const *items;
	size_t count = conf_list(section, "to", &items);
	AUTO(auto_free) const char **to = mem_alloc_array(count + 1, sizeof(*to));
	AUTO(buf_fini) struct buf data = BUF_INIT;
	struct secrets secrets = SECRETS_INIT;
	AUTO(auto_free) char *password = NULL;
	bool ok;

	memcpy(to, items, count * sizeof(*to));
	mail_write(section, message, to, &data);
	if (conf_str(section, "password") && !secrets_resolve(section, "password", &secrets, err))
		return err_prefix(err, "password");
	if (secrets.count)
		password = str_dup(secrets.items[0]);
	if (!pool)
		pool = smtp_pool_new(core->base);
	ok = smtp_send(pool,
		       &(struct smtp_spec){.url = conf_str(section, "url"),
					   .from = conf_str(section, "from"),
					   .to = to,
					   .user = conf_str(section, "user"),
					   .password = password,
					   .starttls = tls_of(section),
					   .ca = conf_str(section, "tls_ca"),
					   .data = buf_str(&data),
					   .timeout_ms = message->timeout_ms},
		       on_mailed, job, err);
	if (password)
		mem_zero(password, strlen(password));
	secrets_fini(&secrets);
	return ok;
}

const struct notify_kind smtp_notify_kind = {
	.name = "smtp", .table = &table, .send = smtp_notify_send};
