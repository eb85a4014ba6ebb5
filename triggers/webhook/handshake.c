/* Handshakes: what providers ask before they send, and how each wants it answered. */
/* SPDX-License-Identifier: MIT */
#include "base/digest.h"
#include "base/json.h"
#include "triggers/webhook/webhook.h"

/* What a token may be made of. No ':' is among them: whoever may have this signed by Zoom's secret
 * could otherwise have the text of a delivery ("v0:TIME:BODY") signed. */
#define TOKEN_MAX 128

struct question {
	const struct hook *hook;
	struct http_request *req;
	size_t secret; /* that signed it */
	struct handshake_answer *answer;
};

static bool
answer_text(struct question *q, struct str text)
{
	q->answer->status = 200;
	q->answer->content_type = "text/plain";
	buf_add_str(&q->answer->body, text);
	/* It echoes what a stranger sent. */
	http_add_header(q->req, "X-Content-Type-Options", "nosniff");
	return true;
}

static bool
answer_json(struct question *q, json_t *take_json)
{
	q->answer->status = 200;
	q->answer->content_type = "application/json";
	json_write(&q->answer->body, take_json);
	json_decref(take_json);
	return true;
}

/* The body as a JSON object when it has this word in it; most deliveries are not read twice. */
static json_t *
body_with(const struct question *q, const char *word)
{
	struct str body = http_body(q->req);
	json_t *object = NULL;

	if (!memmem(body.p, body.len, word, strlen(word)) || !json_read(body, &object, NULL))
		return NULL;
	return object;
}

static bool
slack_url(struct question *q)
{
	AUTO(json_auto_decref) json_t *body = body_with(q, "url_verification");
	const char *type = json_str(body, "type"), *challenge = json_str(body, "challenge");

	if (!type || !challenge || strcmp(type, "url_verification"))
		return false;
	return answer_json(q, json_pack("{s:s}", "challenge", challenge));
}

static bool
is_plain_token(const json_t *value)
{
	const char *token = json_string_value(value);
	size_t len = json_string_length(value);

	return len && len <= TOKEN_MAX &&
	       strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
			     "-_+/=.") == len;
}

static bool
zoom_url(struct question *q)
{
	AUTO(json_auto_decref) json_t *body = body_with(q, "endpoint.url_validation");
	AUTO(buf_fini) struct buf hex = BUF_INIT;
	const char *event = json_str(body, "event");
	const json_t *token = json_object_get(json_object_get(body, "payload"), "plainToken");
	struct digest mac;
	struct str part;

	if (!event || strcmp(event, "endpoint.url_validation") || !is_plain_token(token) ||
	    !q->hook->secrets.count)
		return false;
	part = str_of(json_string_value(token));
	mac = digest_hmac(DIGEST_SHA256, q->hook->secrets.items[q->secret], &part, 1);
	hex_encode(&hex, str_make(mac.bytes, mac.len));
	return answer_json(
		q, json_pack("{s:s, s:s}", "plainToken", part.p, "encryptedToken", buf_cstr(&hex)));
}

/* It may come unsigned; what carries a signature has to have a good one. */
static bool
zoom_url_unsigned(struct question *q)
{
	return !http_header(q->req, "x-zm-signature", 0).p && zoom_url(q);
}

static bool
graph_token(struct question *q)
{
	AUTO(auto_free) char *token = http_query_param(q->req, "validationToken");

	return token && str_eq(http_method(q->req), STR("POST")) && answer_text(q, str_of(token));
}

/* Interactions ask with type 1, webhook events with type 0; a webhook event of type 1 is a real
 * one.
 */
static bool
discord_ping(struct question *q)
{
	AUTO(json_auto_decref) json_t *body = body_with(q, "\"type\"");
	int64_t type = json_int(body, "type", -1);

	if ((type != 0 && type != 1) || json_object_get(body, "event"))
		return false;
	q->answer->is_ping = true;
	if (type == 1)
		return answer_json(q, json_pack("{s:i}", "type", 1));
	q->answer->status = 204;
	http_add_header(q->req, "Content-Type", "application/json");
	return true;
}

static bool
tokens_have(const struct hook *hook, struct str token)
{
	const struct secrets *known =
		hook->verify_tokens.count ? &hook->verify_tokens : &hook->secrets;
	bool found = false;

	for (size_t i = 0; i < known->count; i++)
		found |= digest_equal(token.p, token.len, known->items[i].p, known->items[i].len);
	return found;
}

/* Meta, and every other hub of WebSub. */
static bool
hub_challenge(struct question *q)
{
	AUTO(auto_free) char *mode = http_query_param(q->req, "hub.mode");
	AUTO(auto_free) char *token = http_query_param(q->req, "hub.verify_token");
	AUTO(auto_free) char *challenge = http_query_param(q->req, "hub.challenge");

	if (!mode || !str_eq(http_method(q->req), STR("GET")))
		return false;
	if (strcmp(mode, "subscribe") || !token || !challenge ||
	    !tokens_have(q->hook, str_of(token))) {
		q->answer->status = 403;
		return true;
	}
	return answer_text(q, str_of(challenge));
}

/* The consent is the configured hook. CloudEvents http-webhook 4. */
static bool
cloudevents_options(struct question *q)
{
	struct str origin = http_header(q->req, "webhook-request-origin", 0);
	struct str rate = http_header(q->req, "webhook-request-rate", 0);
	const struct trigger *trigger = source_trigger(&q->hook->source);
	AUTO(buf_fini) struct buf text = BUF_INIT;
	uint64_t wanted;
	int64_t most = 0;

	if (!str_eq(http_method(q->req), STR("OPTIONS")))
		return false;
	http_add_header(q->req, "Allow", q->hook->methods);
	q->answer->status = origin.len ? 200 : 204;
	if (!origin.len)
		return true;
	buf_add_str(&text, origin);
	http_add_header(q->req, "WebHook-Allowed-Origin", buf_cstr(&text));
	if (!rate.p)
		return true;
	if (trigger && trigger->rate_count)
		most = trigger->rate_count * 60000 / trigger->rate_per_ms;
	buf_clear(&text);
	/* Requests a minute. */
	if (!str_to_u64(rate, &wanted) || !wanted)
		buf_puts(&text, most ? "" : "*");
	else if (!most || wanted < (uint64_t)most)
		buf_add_str(&text, rate);
	if (!text.len)
		buf_printf(&text, "%lld", (long long)(most ? most : 1));
	http_add_header(q->req, "WebHook-Allowed-Rate", buf_cstr(&text));
	return true;
}

/* scheme NULL: of every hook. */
static const struct handshake {
	const char *scheme, *name;
	bool is_signed;
	bool (*ask)(struct question *q);
} handshakes[] = {
	{"slack", "url_verification", true, slack_url},
	{"zoom", "endpoint.url_validation", true, zoom_url},
	{"zoom", "endpoint.url_validation", false, zoom_url_unsigned},
	{"msgraph", "validationToken", false, graph_token},
	{"discord", "ping", true, discord_ping},
	{"meta", "hub.challenge", false, hub_challenge},
	{NULL, "OPTIONS", false, cloudevents_options},
};

static bool
handshake_find(const struct hook *hook, struct http_request *req, bool is_signed, size_t secret,
	       struct handshake_answer *ret)
{
	const char *scheme = signature_scheme(hook->signature)->name;

	for (size_t i = 0; i < ARRAY_LEN(handshakes); i++) {
		const struct handshake *row = &handshakes[i];
		struct question q = {hook, req, secret, ret};

		if (row->is_signed != is_signed || (row->scheme && strcmp(row->scheme, scheme)) ||
		    !row->ask(&q))
			continue;
		ret->name = row->name;
		return true;
	}
	return false;
}

bool
handshake_unsigned(const struct hook *hook, struct http_request *req, struct handshake_answer *ret)
{
	return handshake_find(hook, req, false, 0, ret);
}

bool
handshake_signed(const struct hook *hook, struct http_request *req, size_t secret,
		 struct handshake_answer *ret)
{
	return handshake_find(hook, req, true, secret, ret);
}
