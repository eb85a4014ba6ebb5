/* Source poll: its keys, checked, and what they make of a poll. */
/* SPDX-License-Identifier: MIT */
#include "triggers/poll/inside.h"

#include "base/digest.h"
#include "conf/secret.h"

#define HEADERS_MAX 32

static const struct conf_key keys[] = {
	{"url", CONF_STRING, .flags = CONF_REQUIRED, .help = "http or https; what is looked at"},
	{"interval", CONF_DURATION, "5m", .min = 1000, .max = 30LL * 86400000,
	 .help = "from one look to the next"},
	{"jitter", CONF_DURATION, .min = 0, .max = 86400000,
	 .help = "each look is put off by up to this; default a tenth of interval"},
	{"changed", CONF_ENUM, "etag", "etag|body|jq",
	 .help = "what tells a change: ETag, else Last-Modified, else the body; the body; the "
		 "value of a jq program"},
	{"value", CONF_JQ, .help = "changed = jq: the program, over the body as JSON"},
	{"initial", CONF_BOOL, "no", .help = "is the first look an event too?"},
	{"header.", CONF_STRING, .flags = CONF_PREFIX,
	 .help = "header.NAME = VALUE: sent with every request"},
	{"auth", CONF_SECRET, .help = "sent as Authorization: Bearer"},
	{"timeout", CONF_DURATION, "30s", .min = 100, .max = 600000,
	 .help = "of one request, from beginning to end"},
	{"max_body", CONF_SIZE, "1M", .min = 1, .max = 16777216, .help = "largest body"},
	{"max_redirects", CONF_INT, "5", .min = 0, .max = 20, .help = "so many are followed"},
	{"allow_private", CONF_BOOL, "no",
	 .help = "may the url lead to loopback or private addresses?"},
};

static void poll_check(const struct conf_section *section, struct conf_report *report);

static const struct conf_table table = {
	.section = "trigger",
	.named = true,
	.selector = "source",
	.value = "poll",
	.keys = keys,
	.count = ARRAY_LEN(keys),
	.check = poll_check,
	.help = "an HTTP resource that changed",
	.hint = "It wakes when what {url} answers is another than before."};
const struct conf_table *const poll_tables[] = {&table, NULL};

static bool
url_is_plain(const char *text)
{
	const char *host = strncmp(text, "https://", 8) == 0  ? text + 8
			   : strncmp(text, "http://", 7) == 0 ? text + 7
							      : NULL;
	size_t len = host ? strcspn(host, "/?#") : 0;

	return host && len && !memchr(host, '@', len);
}

static void
poll_check(const struct conf_section *section, struct conf_report *report)
{
	const char *url = conf_str(section, "url");
	bool is_jq = !strcmp(conf_str(section, "changed"), "jq");

	if (url && !url_is_plain(url))
		conf_complain(report, section, "url",
			      "expected http:// or https:// and a host; a password belongs into "
			      "auth");
	if (is_jq && !conf_str(section, "value"))
		conf_complain(report, section, "value",
			      "changed = jq needs the program whose value is compared");
	if (!is_jq && conf_str(section, "value"))
		conf_complain(report, section, "value", "it is for changed = jq only");
}

/* name: with what separates it from the value. */
static void
header_add(struct poll *poll, size_t *count, const char *name, struct str value)
{
	struct buf line = BUF_INIT;

	buf_puts(&line, name);
	buf_add_str(&line, value);
	poll->headers[(*count)++] = buf_take(&line);
}

static bool
headers_configure(struct poll *poll, const struct conf_section *section, struct err *err)
{
	struct secrets secrets = SECRETS_INIT;
	const char *name, *value;
	size_t count = 0;

	poll->headers = mem_alloc_array(HEADERS_MAX + 2, sizeof(*poll->headers));
	for (size_t i = 0; conf_below(section, "header.", i, &name, &value); i++) {
		if (count == HEADERS_MAX)
			return err_set(err, E_CONFIG, "more than %d headers", HEADERS_MAX);
		AUTO(buf_fini) struct buf start = BUF_INIT;

		buf_cat(&start, name, ": ");
		header_add(poll, &count, buf_cstr(&start), str_of(value));
	}
	if (!conf_is_set(section, "auth"))
		return true;
	if (!secrets_resolve(section, "auth", &secrets, err))
		return false;
	header_add(poll, &count, "Authorization: Bearer ", secrets.items[0]);
	secrets_fini(&secrets);
	return true;
}

/* Other settings, and what was known says nothing. */
static void
settings_print(struct poll *poll, const struct conf_section *section)
{
	AUTO(buf_fini) struct buf text = BUF_INIT, hex = BUF_INIT;
	struct digest digest;

	buf_cat(&text, poll->url, "\n", conf_str(section, "changed"), "\n",
		poll->value ? poll->value : "");
	digest = digest_of(DIGEST_SHA256, buf_str(&text));
	hex_encode(&hex, str_make(digest.bytes, 8));
	memcpy(poll->print, buf_cstr(&hex), sizeof(poll->print));
}

bool
poll_configure(struct poll *poll, const struct conf_section *section, struct err *err)
{
	const char *changed = conf_str(section, "changed");

	poll->url = mem_strdup(conf_str(section, "url"));
	poll->value = mem_strdup(conf_str(section, "value"));
	poll->changed = !strcmp(changed, "jq")	   ? CHANGED_JQ
			: !strcmp(changed, "body") ? CHANGED_BODY
						   : CHANGED_ETAG;
	poll->interval_ms = conf_ms(section, "interval");
	poll->jitter_ms = conf_is_set(section, "jitter") ? conf_ms(section, "jitter")
							 : poll->interval_ms / 10;
	poll->timeout_ms = conf_ms(section, "timeout");
	poll->max_body = conf_int(section, "max_body");
	poll->max_redirects = (int)conf_int(section, "max_redirects");
	poll->initial = conf_bool(section, "initial");
	poll->allow_private = conf_bool(section, "allow_private");
	settings_print(poll, section);
	return headers_configure(poll, section, err);
}

void
poll_unconfigure(struct poll *poll)
{
	for (size_t i = 0; poll->headers && poll->headers[i]; i++) {
		explicit_bzero(poll->headers[i], strlen(poll->headers[i]));
		free(poll->headers[i]);
	}
	free(poll->headers);
	free(poll->url);
	free(poll->value);
}
