/* Notifications by HTTP: a request, signed as Standard Webhooks has it. */
/* SPDX-License-Identifier: MIT */
#include "conf/secret.h"
#include "io/fetch.h"
#include "plugins/notify/notify.h"
#include "plugins/targets/http.h"
#include "pure/signature.h"
#include "pure/template.h"

#define ANSWER_BYTES (1 << 20)
#define SENTENCE_BYTES 200

static void http_check(const struct conf_section *section, struct conf_report *report);

static const struct conf_key keys[] = {
	{"url", CONF_STRING, .flags = CONF_REQUIRED, .help = "where it is sent"},
	{"method", CONF_ENUM, "POST", "POST|PUT", .help = "how"},
	{"header.", CONF_STRING, .flags = CONF_PREFIX,
	 .help = "header.NAME = VALUE: sent with every message"},
	{"auth", CONF_SECRET, .help = "sent as Authorization: Bearer"},
	{"body", CONF_STRING,
	 .help = "what is sent, with {subject} {text} {event} {id} {notify} in it, and {{ }} for "
		 "braces; values are escaped for JSON; default: all of it as JSON: {type, "
		 "timestamp, data}"},
	{"content_type", CONF_STRING, "application/json",
	 .help = "of the body; where it is no JSON, values are not escaped"},
	{"secret", CONF_SECRET, .flags = CONF_MANY,
	 .help = "signs each message by Standard Webhooks (webhook-id, webhook-timestamp, "
		 "webhook-signature); whsec_ and base64; several sign side by side"},
	{"allow_private", CONF_BOOL, "no",
	 .help = "may the url lead to loopback or private addresses?"},
};

static const struct conf_table table = {
	.section = "notify",
	.named = true,
	.selector = "kind",
	.value = "http",
	.keys = keys,
	.count = ARRAY_LEN(keys),
	.check = http_check,
	.help = "told by an HTTP request",
};

/* --- at load ------------------------------------------------------------------------------- */

struct filling {
	const struct notify_message *message;
	bool json;
};

static bool
fill(void *arg, struct str name, struct buf *ret, struct err *err)
{
	const struct filling *filling = arg;
	const struct notify_message *m = filling->message;
	const struct {
		const char *name;
		struct str value;
	} values[] = {{"subject", str_of(m->subject)},
		      {"text", m->text},
		      {"event", str_of(m->event)},
		      {"id", str_of(m->id)},
		      {"notify", str_of(m->notify)}};
	AUTO(buf_fini) struct buf quoted = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		if (!str_eq_cstr(name, values[i].name))
			continue;
		if (!filling->json) {
			buf_add_str(ret, values[i].value);
			return true;
		}
		buf_json_str(&quoted, values[i].value);
		buf_add(ret, quoted.data + 1, quoted.len - 2);
		return true;
	}
	return err_set(err, E_CONFIG,
		       "{%.*s} is unknown; expected {subject}, {text}, {event}, {id} or {notify}",
		       STR_ARG(name));
}

static bool
body_make(const struct conf_section *section, const struct notify_message *message, struct buf *out,
	  struct err *err)
{
	AUTO(template_auto_free) struct template *body = NULL;
	const char *text = conf_str(section, "body");
	struct filling filling = {message, strstr(conf_str(section, "content_type"), "json")};

	if (!text) {
		buf_add_str(out, message->json);
		return true;
	}
	return template_parse(str_of(text), &body, err) &&
	       template_render(body, TEMPLATE_PLAIN, fill, &filling, out, err);
}

static void
http_check(const struct conf_section *section, struct conf_report *report)
{
	const struct notify_message empty = {
		.id = "", .notify = "", .event = "", .subject = "", .text = STR("")};
	const char *url = conf_str(section, "url"), *type = conf_str(section, "content_type");
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf body = BUF_INIT;
	const char *name, *value;

	if (!str_starts(str_of(url), STR("https://")) && !str_starts(str_of(url), STR("http://")))
		conf_complain(report, section, "url", "%s; expected https://HOST/PATH", url);
	for (const char *p = type; *p; p++)
		if ((unsigned char)*p < ' ') {
			conf_complain(report, section, "content_type",
				      "it has a control character");
			break;
		}
	for (size_t i = 0; conf_below(section, "header.", i, &name, &value); i++)
		if (strpbrk(value, "\r\n") || strpbrk(name, " :\t"))
			conf_complain(report, section, "header.", "%s is no header on one line",
				      name);
	if (!body_make(section, &empty, &body, &err))
		conf_complain(report, section, "body", "%s", err_text(&err));
}

/* --- sending ------------------------------------------------------------------------------- */

/* 410 is the word for: do not come back. What is wrong with this one message stays wrong. */
static bool
is_final(int status)
{
	return status == 400 || status == 410 || status == 413 || status == 415 || status == 422;
}

static void
on_answer(void *arg, const struct fetch_answer *answer, struct err *err)
{
	AUTO(err_fini) struct err why = ERR_INIT;
	struct notify_result result = {.sent = false};

	if (!answer) {
		notify_done(arg, &result, err);
		return;
	}
	result.sent = answer->status >= 200 && answer->status < 300;
	result.never = is_final(answer->status);
	result.retry_after_ms = http_retry_after(answer->retry_after, clock_wall(clock_system()));
	err_set(&why, E_UNAVAILABLE, "the receiver answered %d%s%.*s", answer->status,
		answer->body.len ? ": " : "",
		answer->body.len > SENTENCE_BYTES ? SENTENCE_BYTES : (int)answer->body.len,
		answer->body.p ? answer->body.p : "");
	notify_done(arg, &result, &why);
}

struct signing {
	struct http_request *request;
	struct buf signatures;
	bool first;
};

/* All secrets sign the same id and time: their signatures stand in one field. */
static void
on_signed(void *arg, const char *name, const char *value)
{
	struct signing *signing = arg;

	if (!strcmp(name, "webhook-signature"))
		buf_cat(&signing->signatures, signing->signatures.len ? " " : "", value);
	else if (signing->first)
		http_header_add(signing->request, name, value);
}

static bool
sign(const struct conf_section *section, const struct notify_message *message,
     struct http_request *request, struct err *err)
{
	AUTO(signature_auto_free) struct signature *scheme = NULL;
	struct signature_request what = {.method = str_of(request->method),
					 .url = buf_str(&request->url),
					 .body = buf_str(&request->body)};
	struct signing signing = {.request = request, .first = true};
	struct secrets secrets = SECRETS_INIT;
	bool ok = !conf_str(section, "secret") ||
		  ((secrets_resolve(section, "secret", &secrets, err) &&
		    signature_new(signature_find(STR("standard")), NULL, &scheme, err)) ||
		   err_prefix(err, "secret"));

	for (size_t i = 0; ok && i < secrets.count; i++) {
		ok = signature_sign(scheme, secrets.items[i], &what, str_of(message->id),
				    clock_wall(clock_system()), on_signed, &signing, err) ||
		     err_prefix(err, "secret");
		signing.first = false;
	}
	if (ok && signing.signatures.len)
		http_header_add(request, "webhook-signature", buf_cstr(&signing.signatures));
	else if (ok)
		http_header_add(request, "webhook-id", message->id);
	buf_fini(&signing.signatures);
	secrets_fini(&secrets);
	return ok;
}

static bool
http_send(struct core *core, const struct conf_section *section,
	  const struct notify_message *message, struct notify_job *job, struct err *err)
{
	AUTO(http_request_fini) struct http_request request = {0};
	const char *name, *value;

	request.method = conf_str(section, "method");
	buf_puts(&request.url, conf_str(section, "url"));
	if (!body_make(section, message, &request.body, err))
		return false;
	http_header_add(&request, "Content-Type", conf_str(section, "content_type"));
	for (size_t i = 0; conf_below(section, "header.", i, &name, &value); i++)
		http_header_add(&request, name, value);
	if (!http_bearer_add(section, &request, err) || !sign(section, message, &request, err))
		return false;
	return fetch_start(core->fetch,
			   &(struct fetch_spec){.method = request.method,
						.url = buf_cstr(&request.url),
						.headers = (const char *const *)request.headers,
						.body = buf_str(&request.body),
						.timeout_ms = message->timeout_ms,
						.max_body = ANSWER_BYTES,
						.private_addresses =
							conf_bool(section, "allow_private")},
			   on_answer, job, err) != NULL;
}

const struct notify_kind http_notify_kind = {.name = "http", .table = &table, .send = http_send};
