/* A curl line for a new webhook: signed by openssl as the provider would, or by rouse itself. */
/* SPDX-License-Identifier: MIT */
#include "cli/trigger_add.h"

#include <string.h>

#define UUID_WORD "$(cat /proc/sys/kernel/random/uuid)"

/* What a shell's double quotes or a format of printf would take for more than itself. */
static bool
is_plain(const char *text)
{
	return !strpbrk(text, "\"$`\\%'\n");
}

static const char *
set_or(const struct conf_pair *sets, size_t count, const char *key, const char *def)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(sets[i].key, key))
			return sets[i].value;
	return def;
}

/* What the command is made of: the scheme with hmac's options filled in. */
struct parts {
	const char *header, *prefix, *algorithm, *signed_text;
	bool base64;
	const char *timestamp, *id; /* headers, or NULL */
};

static struct parts
parts_of(const struct signature_scheme *scheme, const struct conf_pair *sets, size_t count)
{
	static const char *const algorithms[] = {"sha1", "sha256", "sha512"};
	const struct signature_headers *headers = &scheme->headers[0];
	bool free_form = !strcmp(scheme->name, "hmac") || !strcmp(scheme->name, "token");
	const struct conf_pair *own = free_form ? sets : NULL;
	size_t own_count = free_form ? count : 0;

	return (struct parts){
		.header = set_or(own, own_count, "header", headers->signature),
		.prefix = set_or(own, own_count, "prefix", scheme->prefix ? scheme->prefix : ""),
		.algorithm = set_or(own, own_count, "algorithm", algorithms[scheme->algorithm]),
		.signed_text = set_or(own, own_count, "signed", scheme->signed_text),
		.base64 = !strcmp(set_or(own, own_count, "encoding",
					 scheme->encoding == SIGNATURE_BASE64 ? "base64" : "hex"),
				  "base64"),
		.timestamp = set_or(own, own_count, "timestamp_header", headers->timestamp),
		.id = set_or(own, own_count, "id_header", headers->id),
	};
}

/* printf's format and arguments for the signed text; false when it has what a shell cannot know. */
static bool
signed_words(const char *text, struct buf *format, struct buf *words)
{
	static const struct {
		const char *name, *word;
	} known[] = {{"{timestamp}", " \"$ts\""}, {"{id}", " \"$id\""}, {"{body}", " \"$body\""}};

	while (*text) {
		size_t i = 0;

		while (i < ARRAY_LEN(known) && strncmp(text, known[i].name, strlen(known[i].name)))
			i++;
		if (i < ARRAY_LEN(known)) {
			buf_puts(format, "%s");
			buf_puts(words, known[i].word);
			text += strlen(known[i].name);
		} else if (*text == '{') {
			return false;
		} else {
			buf_putc(format, *text++);
		}
	}
	return true;
}

/* Headers that the scheme wants beside the signature, and the delivery's id. */
static void
put_companions(const struct signature_scheme *scheme, const struct parts *parts, struct buf *out)
{
	const struct signature_headers *headers = &scheme->headers[0];

	if (!strcmp(scheme->name, "github"))
		buf_puts(out, " -H 'X-GitHub-Event: push'");
	for (size_t i = 0; i < ARRAY_LEN(headers->required) && headers->required[i]; i++)
		if (!scheme->delivery[0] || strcmp(headers->required[i], scheme->delivery[0]))
			buf_printf(out, " -H '%s: test'", headers->required[i]);
	if (parts->timestamp && scheme->time != SIGNATURE_TIME_FIELD)
		buf_printf(out, " -H \"%s: $ts\"", parts->timestamp);
	if (parts->id)
		buf_printf(out, " -H \"%s: $id\"", parts->id);
	else if (scheme->delivery[0])
		buf_printf(out, " -H \"%s: " UUID_WORD "\"", scheme->delivery[0]);
}

static bool
put_hmac(const struct signature_scheme *scheme, const struct parts *parts, const char *url,
	 const char *file, struct buf *out)
{
	AUTO(buf_fini) struct buf format = BUF_INIT, words = BUF_INIT;
	bool keyed = scheme->key == SIGNATURE_KEY_BASE64;

	if (scheme->time == SIGNATURE_TIME_BODY || !is_plain(parts->header) ||
	    !is_plain(parts->prefix) || !is_plain(parts->signed_text) ||
	    !is_plain(parts->algorithm) || !signed_words(parts->signed_text, &format, &words))
		return false;
	buf_puts(out, "body='{\"hello\":\"world\"}'; ");
	if (strstr(parts->signed_text, "{timestamp}"))
		buf_puts(out, "ts=$(date +%s); ");
	if (strstr(parts->signed_text, "{id}"))
		buf_puts(out, "id=msg_" UUID_WORD "; ");
	if (keyed)
		buf_printf(
			out,
			"key=$(sed 's/^%s//' '%s' | base64 -d | od -An -v -tx1 | tr -d ' \\n'); ",
			scheme->key_prefix ? scheme->key_prefix : "", file);
	buf_printf(out, "sig=$(printf '%s'%s | openssl dgst -%s ", buf_cstr(&format),
		   buf_cstr(&words), parts->algorithm);
	if (keyed)
		buf_puts(out, "-mac HMAC -macopt hexkey:\"$key\"");
	else
		buf_printf(out, "-hmac \"$(cat '%s')\"", file);
	buf_puts(out, parts->base64 ? " -binary | base64 -w0)" : " -hex | sed 's/^.* //')");
	buf_printf(out, "; curl -sS '%s' -H \"%s: %s%s$sig\"", url, parts->header,
		   scheme->time == SIGNATURE_TIME_FIELD ? "t=$ts," : "", parts->prefix);
	put_companions(scheme, parts, out);
	buf_puts(out, " -H 'Content-Type: application/json' -d \"$body\"");
	return true;
}

/* What no short command of openssl signs, rouse does. */
static void
put_own(const struct signature_scheme *scheme, const struct conf_pair *sets, size_t count,
	const char *url, const char *file, struct buf *out)
{
	buf_puts(out, "body=$(mktemp); printf %s ");
	if (scheme->time == SIGNATURE_TIME_BODY)
		buf_puts(out, "\"{\\\"hello\\\":\\\"world\\\",\\\"webhookTimestamp\\\":$(date "
			      "+%s000)}\"");
	else
		buf_puts(out, "'{\"hello\":\"world\"}'");
	buf_printf(out, " >\"$body\"; eval \"$(rouse webhook sign --scheme %s --secret 'file:%s'",
		   scheme->name, file);
	for (size_t i = 0; i < count && !strcmp(scheme->name, "hmac"); i++)
		if (strcmp(sets[i].key, "secret") && is_plain(sets[i].value))
			buf_printf(out, " --set '%s=%s'", sets[i].key, sets[i].value);
	buf_printf(out, " --body \"$body\" --curl '%s')\"", url);
}

void
trigger_curl(const struct signature_scheme *scheme, const struct conf_pair *sets, size_t count,
	     const char *url, const char *file, struct buf *out)
{
	struct parts parts = parts_of(scheme, sets, count);
	const char *tail = " -H 'Content-Type: application/json' -d '{\"hello\":\"world\"}'";
	struct buf signed_by = BUF_INIT;

	if (scheme->method == SIGNATURE_NONE || !file)
		buf_printf(out, "curl -sS '%s'%s", url, tail);
	else if (scheme->method == SIGNATURE_TOKEN)
		buf_printf(out, "curl -sS '%s' -H \"%s: %s$(cat '%s')\"%s", url, parts.header,
			   parts.prefix, file, tail);
	else if (scheme->method == SIGNATURE_BASIC)
		buf_printf(out, "curl -sS '%s' -u \"$(cat '%s')\"%s", url, file, tail);
	else if (scheme->method == SIGNATURE_BODY_TOKEN)
		buf_printf(out,
			   "curl -sS '%s' -H 'Content-Type: application/json' -d "
			   "'{\"value\":[{\"clientState\":\"'\"$(cat '%s')\"'\"}]}'",
			   url, file);
	else if (scheme->method == SIGNATURE_HMAC &&
		 put_hmac(scheme, &parts, url, file, &signed_by))
		buf_add_str(out, buf_str(&signed_by));
	else
		put_own(scheme, sets, count, url, file, out);
	buf_fini(&signed_by);
}
