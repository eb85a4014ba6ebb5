/* Source webhook: HTTP deliveries, verified over their raw bytes. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#include "triggers/webhook/webhook.h"

#include "base/log.h"
#include "io/jail.h"

#define PREFIX "/hooks/"

static const struct conf_key keys[] = {
	{"path", CONF_STRING, .help = "where it is reached; default /hooks/NAME"},
	{"methods", CONF_ENUM_LIST, "POST", "POST|PUT|PATCH|GET|DELETE",
	 .help = "HTTP methods that it takes"},
	{"verify", CONF_STRING, "none",
	 .help = "how the sender proves itself: github, standard, stripe, hmac, bearer, ... none"},
	{"secret", CONF_SECRET, .flags = CONF_MANY,
	 .help = "what the sender proves itself with; several while one is rotated"},
	{"tolerance", CONF_DURATION, .min = 1000, .max = 86400000,
	 .help = "how old a signed timestamp may be; default 5m, or the provider's own"},
	{"respond", CONF_STRING, "accepted",
	 .help = "accepted: at once; wait=DURATION: with the run's result where it comes in time"},
	{"ack", CONF_INT, "202", .min = 200, .max = 299,
	 .help = "status of the answer to a delivery that is new"},
	{"split", CONF_JQ,
	 .help = "jq over the event: its parts, each an event of its own with a run of its own"},
	{"verify_token", CONF_SECRET, .flags = CONF_MANY,
	 .help = "meta: the token of hub.challenge; default: the secret"},
	{"dedupe_window", CONF_DURATION, "24h", .min = 0, .max = 31622400000,
	 .help = "how long a delivery without an id of its own is known by its bytes; 0s: never"},
	{"max_body", CONF_SIZE, .min = 1, .max = 1073741824,
	 .help = "largest body; default http.max_body"},
	{"header", CONF_STRING, .help = "hmac, token: header of the signature"},
	{"algorithm", CONF_ENUM, .choices = "sha1|sha256|sha512", .help = "hmac: hash"},
	{"encoding", CONF_ENUM, .choices = "hex|base64",
	 .help = "hmac: how the signature is written"},
	{"prefix", CONF_STRING, .help = "hmac: what stands before the signature"},
	{"prefix_optional", CONF_BOOL, "no",
	 .help = "hmac: a signature that stands alone may come without the prefix"},
	{"separator", CONF_STRING,
	 .help = "hmac: the character between several signatures, of which one has to hold"},
	{"signed", CONF_STRING, .help = "hmac: what is signed; {body}, {timestamp}, {id}"},
	{"timestamp_header", CONF_STRING, .help = "hmac: header of {timestamp}"},
	{"id_header", CONF_STRING, .help = "hmac: header of {id}"},
};

static void webhook_check(const struct conf_section *section, struct conf_report *report);

static const struct conf_table table = {.section = "trigger",
					.named = true,
					.selector = "source",
					.value = "webhook",
					.keys = keys,
					.count = ARRAY_LEN(keys),
					.check = webhook_check,
					.help = "HTTP deliveries"};
static const struct conf_table *const tables[] = {&table, NULL};

/* The live hooks of this process by path. */
static struct hook *hooks;

/* --- configuration ------------------------------------------------------------------------ */

static struct str
option(const struct conf_section *section, const char *key)
{
	return str_of(conf_str(section, key));
}

static bool
signature_of(const struct conf_section *section, struct signature **ret, struct err *err)
{
	const char *name = conf_str(section, "verify");
	const struct signature_scheme *scheme = signature_find(str_of(name));
	struct signature_options options = {
		.tolerance_ms =
			conf_is_set(section, "tolerance") ? conf_ms(section, "tolerance") : 0,
		.header = option(section, "header"),
		.algorithm = option(section, "algorithm"),
		.encoding = option(section, "encoding"),
		.prefix = option(section, "prefix"),
		.signed_text = option(section, "signed"),
		.separator = option(section, "separator"),
		.prefix_optional = conf_bool(section, "prefix_optional"),
		.timestamp_header = option(section, "timestamp_header"),
		.id_header = option(section, "id_header"),
	};
	AUTO(buf_fini) struct buf known = BUF_INIT;

	if (scheme)
		return signature_new(scheme, &options, ret, err);
	for (size_t i = 0; signature_at(i); i++)
		buf_printf(&known, "%s%s", i ? " " : "", signature_at(i)->name);
	return err_set(err, E_CONFIG, "%s is no way to verify; expected one of %s", name,
		       buf_cstr(&known));
}

static bool
wait_of(const struct conf_section *section, int64_t *ret_ms, struct err *err)
{
	struct str respond = option(section, "respond");

	*ret_ms = 0;
	if (str_eq_cstr(respond, "accepted"))
		return true;
	if (!str_starts(respond, STR("wait=")))
		return err_set(err, E_CONFIG, "%.*s; expected accepted or wait=DURATION (wait=5s)",
			       STR_ARG(respond));
	return duration_parse(str_make(respond.p + 5, respond.len - 5), ret_ms, err);
}

static void
webhook_check(const struct conf_section *section, struct conf_report *report)
{
	AUTO(signature_auto_free) struct signature *signature = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;
	const char *path = conf_str(section, "path");
	int64_t wait_ms;

	if (path && (!str_starts(str_of(path), STR(PREFIX)) || strpbrk(path, " ?#%") ||
		     strstr(path, "..") || strlen(path) == strlen(PREFIX)))
		conf_complain(report, section, "path",
			      "%s; expected a path below " PREFIX ", as " PREFIX "%s", path,
			      conf_section_name(section));
	if (!signature_of(section, &signature, &err))
		conf_complain(report, section, "verify", "%s", err_text(&err));
	else if (signature_scheme(signature)->method != SIGNATURE_NONE &&
		 !conf_is_set(section, "secret"))
		conf_complain(report, section, "secret",
			      "verify = %s needs one; put it into a file that only the service may "
			      "read, and say secret = file:PATH",
			      conf_str(section, "verify"));
	err_fini(&err);
	err = (struct err)ERR_INIT;
	if (!wait_of(section, &wait_ms, &err))
		conf_complain(report, section, "respond", "%s", err_text(&err));
}

static enum trust
webhook_trust(const struct conf_section *section)
{
	const struct signature_scheme *scheme = signature_find(option(section, "verify"));

	return scheme && scheme->method != SIGNATURE_NONE ? TRUST_AUTHENTICATED : TRUST_UNTRUSTED;
}

static char *
webhook_path(const struct trigger *trigger)
{
	const char *path = conf_str(trigger->section, "path");
	struct buf made = BUF_INIT;

	if (path)
		return mem_strdup(path);
	buf_printf(&made, PREFIX "%s", trigger->name);
	return buf_take(&made);
}

static void
webhook_check_all(const struct registry *registry, struct conf_report *report)
{
	struct seen {
		char *path;
		const struct conf_section *section;
		UT_hash_handle hh;
	} *paths = NULL, *seen, *next;

	for (size_t i = 0; i < registry_trigger_count(registry); i++) {
		const struct trigger *trigger = registry_trigger_at(registry, i);
		char *path;

		if (trigger->kind != &webhook_kind)
			continue;
		path = webhook_path(trigger);
		HASH_FIND_STR(paths, path, seen);
		if (seen) {
			conf_complain(report, trigger->section, "path",
				      "%s is the path of [trigger %s] (%s:%d) already; give one of "
				      "them another",
				      path, conf_section_name(seen->section),
				      conf_section_file(seen->section),
				      conf_section_line(seen->section));
			free(path);
			continue;
		}
		seen = mem_alloc(sizeof(*seen));
		seen->path = path;
		seen->section = trigger->section;
		HASH_ADD_KEYPTR(hh, paths, seen->path, strlen(seen->path), seen);
	}
	HASH_ITER (hh, paths, seen, next) {
		HASH_DEL(paths, seen);
		free(seen->path);
		free(seen);
	}
}

/* --- life ---------------------------------------------------------------------------------- */

static void
hook_free(struct hook *hook)
{
	free(hook->path);
	free(hook->methods);
	signature_free(hook->signature);
	secrets_fini(&hook->secrets);
	secrets_fini(&hook->verify_tokens);
	path_free(hook->split);
	source_fini(&hook->source);
	free(hook);
}

static bool
hook_secrets(struct hook *hook, const struct conf_section *section, struct err *err)
{
	if (signature_scheme(hook->signature)->method == SIGNATURE_NONE)
		return true;
	if (!secrets_resolve(section, "secret", &hook->secrets, err))
		return false;
	for (size_t i = 0; i < hook->secrets.count; i++)
		if (!signature_check_secret(hook->signature, hook->secrets.items[i], err))
			return err_prefix(err, "secret");
	return !conf_is_set(section, "verify_token") ||
	       secrets_resolve(section, "verify_token", &hook->verify_tokens, err);
}

static void
hook_methods(struct hook *hook, const struct conf_section *section)
{
	const char *const *items;
	struct buf joined = BUF_INIT;

	hook->method_count = conf_list(section, "methods", &items);
	for (size_t i = 0; i < hook->method_count; i++)
		buf_printf(&joined, "%s%s", i ? ", " : "", items[i]);
	hook->methods = buf_take(&joined);
}

static struct source *
webhook_start(struct core *core, const struct trigger *trigger, struct err *err)
{
	struct hook *hook = mem_alloc(sizeof(*hook));
	const struct conf_section *section = trigger->section;

	source_init(&hook->source, core, &webhook_kind, trigger->name);
	hook->path = webhook_path(trigger);
	hook_methods(hook, section);
	hook->ack = (int)conf_int(section, "ack");
	hook->dedupe_ms = conf_ms(section, "dedupe_window");
	hook->max_body = conf_is_set(section, "max_body") ? conf_int(section, "max_body") : 0;
	if (conf_str(section, "split"))
		path_compile(str_of(conf_str(section, "split")), &hook->split);
	if (!signature_of(section, &hook->signature, err) ||
	    !wait_of(section, &hook->wait_ms, err) || !hook_secrets(hook, section, err)) {
		hook_free(hook);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, hooks, hook->path, strlen(hook->path), hook);
	return &hook->source;
}

static void
webhook_stop(struct source *source)
{
	struct hook *hook = CONTAINER_OF(source, struct hook, source);

	HASH_DEL(hooks, hook);
	hook_free(hook);
}

const struct source_kind webhook_kind = {
	.name = "webhook",
	.tables = tables,
	.trust = TRUST_UNTRUSTED,
	.trust_of = webhook_trust,
	.start = webhook_start,
	.stop = webhook_stop,
	.check_all = webhook_check_all,
	.address = webhook_path,
};

/* --- the request --------------------------------------------------------------------------- */

static struct str
request_header(void *arg, const char *name, size_t index)
{
	return http_header(arg, name, index);
}

static struct hook *
hook_find(const struct http_request *req)
{
	struct str path = http_path(req);
	struct hook *hook;

	HASH_FIND(hh, hooks, path.p, path.len, hook);
	return hook && source_trigger(&hook->source) &&
			       trigger_is_enabled(hook->source.core, source_trigger(&hook->source))
		       ? hook
		       : NULL;
}

/* The word as a whole among "POST, PUT". */
static bool
method_is_taken(const struct hook *hook, struct str method)
{
	struct str rest = str_of(hook->methods), one;

	while (rest.p) {
		rest = str_split(rest, ',', &one);
		if (str_eq(str_trim(one), method))
			return true;
	}
	return false;
}

static bool
request_admissible(const struct hook *hook, struct http_request *req, struct err *err)
{
	struct str type = http_header(req, "content-type", 0);
	enum cloudevent_mode mode = cloudevent_mode(req);

	if (!method_is_taken(hook, http_method(req))) {
		http_add_header(req, "Allow", hook->methods);
		return err_set(err, E_METHOD, "%.*s is not taken here; use %s",
			       STR_ARG(http_method(req)), hook->methods);
	}
	if (mode == CLOUDEVENT_UNKNOWN || (mode == CLOUDEVENT_NONE && !hook_takes(type)))
		return err_set(err, E_MEDIA,
			       "content type %.*s is not taken; send application/json, "
			       "application/cloudevents+json, "
			       "application/x-www-form-urlencoded, text or "
			       "application/octet-stream",
			       STR_ARG(type));
	return true;
}

/* The first of a list, as the proxy that the client spoke to wrote it. */
static struct str
first_of(struct str list)
{
	struct str first;

	str_split(list, ',', &first);
	return str_trim(first);
}

void
hook_url(const struct hook *hook, const struct http_request *req, struct buf *out)
{
	const struct conf *conf = registry_conf(hook->source.core->registry);
	struct str url = str_of(conf_str(conf_section(conf, "http", ""), "public_url"));
	struct str scheme = http_peer(req)->tls ? STR("https") : STR("http");
	struct str host = http_host(req);

	while (url.len && url.p[url.len - 1] == '/')
		url.len--;
	if (!url.len && http_is_proxied(req)) {
		struct str proto = first_of(http_header(req, "x-forwarded-proto", 0));
		struct str name = first_of(http_header(req, "x-forwarded-host", 0));

		scheme = proto.len ? proto : scheme;
		host = name.len ? name : host;
	}
	if (url.len)
		buf_add_str(out, url);
	else
		buf_printf(out, "%.*s://%.*s", STR_ARG(scheme), STR_ARG(host));
	buf_add_str(out, http_target(req));
}

static void
handshake_log(const struct hook *hook, const struct http_request *req,
	      const struct handshake_answer *answer)
{
	log_info("handshake answered", "trigger", hook->source.name, "handshake", answer->name,
		 "remote", http_client(req));
}

/* Whether it was one: then it is answered. */
static bool
handshake_was(const struct hook *hook, struct http_request *req, bool found,
	      struct handshake_answer *answer)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!found)
		return false;
	handshake_log(hook, req, answer);
	if (answer->status == 403) {
		err_set(&err, E_DENIED, "the token of the %s is not the configured one",
			answer->name);
		http_reply_error(req, &err);
	} else {
		http_reply(req, answer->status, answer->content_type, buf_str(&answer->body));
	}
	return true;
}

/* Verifies, then parses, then admits. */
static bool
request_take(struct hook *hook, struct http_request *req, struct handshake_answer *answer,
	     struct err *err)
{
	AUTO(buf_fini) struct buf url = BUF_INIT;
	struct signature_request signed_request = {.method = http_method(req),
						   .body = http_body(req),
						   .header = request_header,
						   .arg = req};
	size_t secret;
	bool asked;

	if (signature_needs_url(hook->signature))
		hook_url(hook, req, &url);
	signed_request.url = buf_str(&url);
	if (!signature_verify(hook->signature, hook->secrets.items, hook->secrets.count,
			      &signed_request, core_wall(hook->source.core), &secret, err))
		return false;
	asked = handshake_signed(hook, req, secret, answer);
	if (asked && !answer->is_ping)
		return handshake_was(hook, req, true, answer);
	return delivery_begin(hook, req, &signed_request, asked ? answer : NULL, err);
}

static void
webhook_on_request(void *arg, struct http_request *req, const struct route_match *match)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct handshake_answer answer = {.body = BUF_INIT};
	struct hook *hook = hook_find(req);

	(void)arg;
	(void)match;
	if (!hook) {
		err_set(&err, E_NOT_FOUND, "no webhook at %.*s", STR_ARG(http_path(req)));
		http_reply_error(req, &err);
		return;
	}
	if (handshake_was(hook, req, handshake_unsigned(hook, req, &answer), &answer)) {
		buf_fini(&answer.body);
		return;
	}
	if (!request_admissible(hook, req, &err) || !request_take(hook, req, &answer, &err)) {
		if (err.code == E_UNAUTHORIZED)
			log_info("delivery refused", "trigger", hook->source.name, "remote",
				 http_client(req), "error", err_text(&err));
		http_reply_error(req, &err);
	}
	buf_fini(&answer.body);
}

/* Before a byte of the body is read: does it say how long it is, and how long may it be? */
static bool
webhook_on_head(void *arg, struct http_request *req, size_t *ret_max_body, struct err *err)
{
	static const struct str with_body[] = {STR("POST"), STR("PUT"), STR("PATCH")};
	const struct hook *hook = hook_find(req);

	(void)arg;
	if (hook && hook->max_body)
		*ret_max_body = (size_t)hook->max_body;
	for (size_t i = 0; i < ARRAY_LEN(with_body); i++)
		if (str_eq(http_method(req), with_body[i]) &&
		    !http_header(req, "content-length", 0).p &&
		    !http_header(req, "transfer-encoding", 0).p)
			return err_set(err, E_LENGTH,
				       "neither Content-Length nor Transfer-Encoding: chunked; "
				       "say how long the body is, Content-Length: 0 where there "
				       "is none");
	return true;
}

#define HOOK_ROUTE(method)                                                                         \
	{                                                                                          \
		method, PREFIX "{path...}", NULL,                                                  \
			"a delivery for the webhook trigger of this path", webhook_on_request,     \
			webhook_on_head                                                            \
	}
static const struct route routes[] = {HOOK_ROUTE("POST"),   HOOK_ROUTE("PUT"),
				      HOOK_ROUTE("PATCH"),  HOOK_ROUTE("GET"),
				      HOOK_ROUTE("DELETE"), HOOK_ROUTE("OPTIONS")};

void
webhook_add_routes(struct core *core, struct router *router)
{
	router_add(router, routes, ARRAY_LEN(routes), core);
}
