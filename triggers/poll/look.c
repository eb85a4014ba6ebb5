/* One look at a resource: asked, redirected, compared, and where it changed made an event of. */
/* SPDX-License-Identifier: MIT */
#include "triggers/poll/inside.h"

#include "base/digest.h"
#include "base/json.h"
#include "core/admit.h"
#include "io/fetch.h"
#include "io/jail.h"
#include "pure/http_date.h"
#include "store/state.h"

/* Nobody is believed to want to be left alone for longer. */
#define RETRY_AFTER_CAP_MS 86400000
/* An ETag or date that is longer is known by its digest. */
#define VALIDATOR_MAX 512

struct look {
	struct poll *poll; /* NULL: it is gone, and so is what this was for */
	struct core *core;
	struct fetch *fetch; /* NULL: not under way */
	char *url;	     /* where redirects have led */
	int hops, status;
	struct known seen; /* what becomes of known */
	struct buf body, value;
	char *content_type;
};

static void
look_free(struct look *look)
{
	if (look->poll)
		look->poll->look = NULL;
	known_fini(&look->seen);
	buf_fini(&look->body);
	buf_fini(&look->value);
	free(look->content_type);
	free(look->url);
	free(look);
}

void
look_abandon(struct look *look)
{
	if (!look)
		return;
	if (look->fetch) {
		fetch_cancel(look->fetch);
		look_free(look);
		return;
	}
	/* An answer is still to come, and frees it. */
	look->poll = NULL;
}

static void
look_fails(struct look *look, int64_t wait_ms, const char *why)
{
	struct poll *poll = look->poll;

	look_free(look);
	if (poll)
		poll_has_failed(poll, wait_ms, why);
}

static void
look_ends(struct look *look)
{
	struct poll *poll = look->poll;

	look_free(look);
	if (poll)
		poll_is_fine(poll);
}

/* --- what changed -------------------------------------------------------------------------- */

static void
body_put(const struct look *look, struct buf *out)
{
	struct str body = buf_str(&look->body);
	const char *type = look->content_type;

	if ((!type || strstr(type, "json")) && json_check(body, NULL)) {
		buf_puts(out, ",\"body\":");
		buf_add_str(out, str_trim(body));
	} else if (str_is_utf8(body) && !memchr(body.len ? body.p : "", '\0', body.len)) {
		buf_puts(out, ",\"text\":");
		buf_json_str(out, body);
	} else {
		buf_puts(out, ",\"base64\":\"");
		base64_encode(out, body);
		buf_puts(out, "\"");
	}
}

static void
validators_put(const struct known *known, struct buf *out)
{
	AUTO(json_auto_decref) json_t *object = json_object();

	json_put_str(object, "etag", known->etag);
	json_put_str(object, "last_modified", known->modified);
	json_put_str(object, "sha256", known->sha256);
	json_write(out, object);
}

static void
event_data(const struct look *look, struct buf *out)
{
	buf_puts(out, "{\"url\":");
	buf_json_cstr(out, look->poll->url);
	if (strcmp(look->url, look->poll->url)) {
		buf_puts(out, ",\"redirected_to\":");
		buf_json_cstr(out, look->url);
	}
	buf_printf(out, ",\"status\":%d,\"bytes\":%zu", look->status, look->body.len);
	if (look->content_type) {
		buf_puts(out, ",\"content_type\":");
		buf_json_cstr(out, look->content_type);
	}
	buf_puts(out, ",\"new\":");
	validators_put(&look->seen, out);
	buf_puts(out, ",\"old\":");
	if (look->poll->known.is)
		validators_put(&look->poll->known, out);
	else
		buf_puts(out, "null");
	if (look->poll->changed == CHANGED_JQ) {
		buf_puts(out, ",\"value\":");
		buf_add_str(out, look->value.len ? buf_str(&look->value) : STR("null"));
	}
	body_put(look, out);
	buf_putc(out, '}');
}

static void
on_admitted(void *arg, const struct admission_result *result, const struct err *err)
{
	struct look *look = arg;

	if (!result) {
		look_fails(look, 0, err_text(err));
		return;
	}
	if (look->poll)
		known_copy(&look->poll->known, &look->seen);
	look_ends(look);
}

static void
change_admit(struct look *look)
{
	struct poll *poll = look->poll;
	AUTO(buf_fini) struct buf data = BUF_INIT, key = BUF_INIT, cursor = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct happening happening = {.trigger = source_trigger(&poll->source)};

	look->seen.count++;
	event_data(look, &data);
	known_print(&look->seen, poll->print, &cursor);
	/* A resource may go back to what it was: that is a change of its own. */
	buf_printf(&key, "%s %lld %s", poll->print, (long long)look->seen.count,
		   look->seen.identity);
	happening.data = buf_str(&data);
	happening.natural_key = buf_str(&key);
	happening.cursor = buf_str(&cursor);
	source_set_backlog(&poll->source, 1, WALL_NONE);
	if (!happening.trigger || !admit_event(look->core, &happening, on_admitted, look, &err))
		look_fails(look, 0, err_text(&err));
}

static bool
same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Remembered without waking anybody. */
static void
known_keep(struct look *look)
{
	struct poll *poll = look->poll;
	AUTO(buf_fini) struct buf cursor = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	known_print(&look->seen, poll->print, &cursor);
	if (!cursors_set(look->core->store, poll->source.name, buf_str(&cursor), &err)) {
		look_fails(look, 0, err_text(&err));
		return;
	}
	known_copy(&poll->known, &look->seen);
	look_ends(look);
}

static void
look_judge(struct look *look)
{
	struct poll *poll = look->poll;
	const struct known *known = &poll->known, *seen = &look->seen;

	if (known->is ? strcmp(known->identity, seen->identity) != 0 : poll->initial)
		change_admit(look);
	else if (!known->is || !same_text(known->etag, seen->etag) ||
		 !same_text(known->modified, seen->modified) ||
		 !same_text(known->sha256, seen->sha256))
		known_keep(look);
	else
		look_ends(look);
}

/* --- what is there ------------------------------------------------------------------------- */

static char *
digest_text(const char *prefix, struct str bytes)
{
	struct buf text = BUF_INIT;
	struct digest digest = digest_of(DIGEST_SHA256, bytes);

	buf_puts(&text, prefix);
	hex_encode(&text, str_make(digest.bytes, digest.len));
	return buf_take(&text);
}

/* Fit to be sent back, and to be kept as text. */
static bool
is_plain(struct str value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.p[i] < ' ' || value.p[i] > '~')
			return false;
	return value.len && value.len <= VALIDATOR_MAX;
}

static char *
validator_text(const char *prefix, struct str value)
{
	struct buf text = BUF_INIT;

	/* Weak or strong, it names the same content here. */
	if (str_starts(value, STR("W/")))
		value = str_make(value.p + 2, value.len - 2);
	if (!is_plain(value))
		return digest_text(prefix, value);
	buf_puts(&text, prefix);
	buf_add_str(&text, value);
	return buf_take(&text);
}

static void
on_value(void *arg, const struct str *outputs, size_t count, struct err *err)
{
	struct look *look = arg;
	AUTO(buf_fini) struct buf all = BUF_INIT;

	if (!look->poll) {
		look_free(look);
		return;
	}
	if (err->code != E_OK) {
		err_prefix(err, "value");
		look_fails(look, 0, err_text(err));
		return;
	}
	for (size_t i = 0; i < count; i++) {
		buf_add_str(&all, outputs[i]);
		buf_putc(&all, '\n');
	}
	if (count)
		buf_add_str(&look->value, outputs[0]);
	look->seen.identity = digest_text("jq:", buf_str(&all));
	look_judge(look);
}

static void
look_identify(struct look *look, const struct fetch_answer *answer)
{
	struct known *seen = &look->seen;
	struct poll *poll = look->poll;
	AUTO(err_fini) struct err err = ERR_INIT;

	seen->is = true;
	seen->count = poll->known.count;
	seen->sha256 = digest_text("", answer->body);
	if (is_plain(answer->etag))
		seen->etag = str_dup(answer->etag);
	if (is_plain(answer->last_modified))
		seen->modified = str_dup(answer->last_modified);
	if (poll->changed == CHANGED_JQ) {
		if (!jail_run(look->core->jail, poll->value, answer->body, on_value, look, &err))
			look_fails(look, 0, err_text(&err));
		return;
	}
	if (poll->changed == CHANGED_ETAG && answer->etag.len)
		seen->identity = validator_text("etag:", answer->etag);
	else if (poll->changed == CHANGED_ETAG && answer->last_modified.len)
		seen->identity = validator_text("modified:", answer->last_modified);
	else
		seen->identity = digest_text("sha256:", answer->body);
	look_judge(look);
}

static void
look_read(struct look *look, const struct fetch_answer *answer)
{
	if (answer->content_encoding.len &&
	    !str_eq_nocase(answer->content_encoding, STR("identity"))) {
		look_fails(look, 0,
			   "the body came encoded (Content-Encoding), which was not asked for");
		return;
	}
	look->status = answer->status;
	buf_add_str(&look->body, answer->body);
	if (answer->content_type.len && str_is_utf8(answer->content_type))
		look->content_type = str_dup(answer->content_type);
	look_identify(look, answer);
}

/* --- asking -------------------------------------------------------------------------------- */

static void look_ask(struct look *look);

/* scheme://host:port */
static struct str
origin_of(const char *url)
{
	const char *host = strstr(url, "://");

	return host ? str_make(url, (size_t)(host + 3 - url) + strcspn(host + 3, "/?#"))
		    : str_of(url);
}

static void
look_follow(struct look *look, const struct fetch_answer *answer)
{
	AUTO(buf_fini) struct buf why = BUF_INIT;

	if (!answer->redirect.len)
		buf_printf(&why, "it answers %d without a Location", answer->status);
	else if (++look->hops > look->poll->max_redirects)
		buf_printf(&why, "more than %d redirects (max_redirects)",
			   look->poll->max_redirects);
	else if (str_starts_nocase(str_of(look->url), STR("https://")) &&
		 !str_starts_nocase(answer->redirect, STR("https://")))
		buf_puts(&why, "it redirects from https to something less");
	if (why.len) {
		look_fails(look, 0, buf_cstr(&why));
		return;
	}
	free(look->url);
	look->url = str_dup(answer->redirect);
	look_ask(look);
}

static void
look_refused(struct look *look, const struct fetch_answer *answer)
{
	AUTO(buf_fini) struct buf why = BUF_INIT;
	int64_t wait_ms = 0;

	if (answer->retry_after.len)
		retry_after_parse(answer->retry_after, core_wall(look->core), RETRY_AFTER_CAP_MS,
				  &wait_ms);
	buf_printf(&why, "it answers %d", answer->status);
	if (wait_ms)
		buf_printf(&why, ", and wants to be left alone for %lld s",
			   (long long)wait_ms / 1000);
	look_fails(look, wait_ms, buf_cstr(&why));
}

static void
on_fetched(void *arg, const struct fetch_answer *answer, struct err *err)
{
	static const int redirects[] = {301, 302, 303, 307, 308};
	struct look *look = arg;
	bool asked = look->poll->known.etag || look->poll->known.modified;

	look->fetch = NULL;
	if (!answer) {
		look_fails(look, 0, err_text(err));
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(redirects); i++)
		if (answer->status == redirects[i]) {
			look_follow(look, answer);
			return;
		}
	if (answer->status == 304 && asked)
		look_ends(look);
	else if (answer->status == 200 || answer->status == 203)
		look_read(look, answer);
	else
		look_refused(look, answer);
}

static void
headers_fill(const struct look *look, const char **headers, struct buf *none, struct buf *since)
{
	const struct poll *poll = look->poll;
	size_t count = 0;

	/* What the configuration adds, secrets too, is for the place that it names. */
	if (str_eq_nocase(origin_of(look->url), origin_of(poll->url)))
		for (size_t i = 0; poll->headers[i]; i++)
			headers[count++] = poll->headers[i];
	if (poll->known.etag) {
		buf_cat(none, "If-None-Match: ", poll->known.etag);
		headers[count++] = buf_cstr(none);
	}
	if (poll->known.modified) {
		buf_cat(since, "If-Modified-Since: ", poll->known.modified);
		headers[count++] = buf_cstr(since);
	}
	headers[count] = NULL;
}

static void
look_ask(struct look *look)
{
	const struct poll *poll = look->poll;
	AUTO(buf_fini) struct buf none = BUF_INIT, since = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	const char *headers[40];
	struct fetch_spec spec = {.method = "GET",
				  .url = look->url,
				  .headers = headers,
				  .timeout_ms = poll->timeout_ms,
				  .max_body = (size_t)poll->max_body,
				  .private_addresses = poll->allow_private};

	headers_fill(look, headers, &none, &since);
	look->fetch = fetch_start(look->core->fetch, &spec, on_fetched, look, &err);
	if (!look->fetch)
		look_fails(look, 0, err_text(&err));
}

void
look_begin(struct poll *poll)
{
	struct look *look = mem_alloc(sizeof(*look));

	look->poll = poll;
	look->core = poll->source.core;
	look->url = mem_strdup(poll->url);
	poll->look = look;
	look_ask(look);
}
