/* Source webhook: HTTP deliveries, verified over their raw bytes. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#include "triggers/webhook/webhook.h"

#include "base/digest.h"
#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "core/run.h"
#include "core/stream.h"
#include "store/runs.h"

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
	{"dedupe_window", CONF_DURATION, "24h", .min = 1000,
	 .help = "how long a delivery without an id of its own is known by its bytes"},
	{"max_body", CONF_SIZE, .min = 1, .max = 1073741824,
	 .help = "largest body; default http.max_body"},
	{"header", CONF_STRING, .help = "hmac: header of the signature"},
	{"algorithm", CONF_ENUM, .choices = "sha1|sha256|sha512", .help = "hmac: hash"},
	{"encoding", CONF_ENUM, .choices = "hex|base64",
	 .help = "hmac: how the signature is written"},
	{"prefix", CONF_STRING, .help = "hmac: what stands before the signature"},
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

/* One delivery, from its request to its answer. */
struct delivery {
	struct core *core;
	struct http_request *req;
	int ack;
	int64_t wait_ms;
	/* respond = wait: until the run ends or time is up. */
	struct subscriber *subscriber;
	struct core_timer *timer;
	char run_id[40];
};

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
	return true;
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
	hook->max_body =
		conf_is_set(section, "max_body") ? conf_int(section, "max_body") : INT64_MAX;
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

/* --- the answer ---------------------------------------------------------------------------- */

static void
delivery_free(struct delivery *delivery)
{
	stream_unsubscribe(delivery->subscriber);
	core_timer_free(delivery->timer);
	free(delivery);
}

static void
answer_run(struct http_request *req, int status, const struct admission_result *result)
{
	AUTO(buf_fini) struct buf json = BUF_INIT;
	AUTO(buf_fini) struct buf location = BUF_INIT;

	buf_reserve(&json, 192);
	buf_cat(&json, "{\"run_id\":\"", result->run_id, "\",\"event_id\":\"", result->event_id,
		"\",\"status\":\"", result->run_status, "\"",
		result->replayed ? ",\"replayed\":true}" : "}");
	buf_cat(&location, "/v1/runs/", result->run_id);
	http_add_header(req, "Location", buf_cstr(&location));
	if (result->replayed)
		http_add_header(req, "Idempotency-Replayed", "true");
	http_reply_json(req, status, buf_str(&json));
}

static void
answer_outcome(struct http_request *req, int status, const struct admission_result *result)
{
	AUTO(buf_fini) struct buf json = BUF_INIT;

	buf_printf(&json, "{\"event_id\":\"%s\",\"outcome\":\"%s\",\"rule\":", result->event_id,
		   result->outcome);
	buf_json_cstr(&json, result->rule);
	buf_putc(&json, '}');
	http_reply_json(req, status, buf_str(&json));
}

/* The run ended, or time is up: what it is now. */
static void
delivery_finish(void *arg)
{
	struct delivery *delivery = arg;
	AUTO(run_row_fini) struct run_row run = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf json = BUF_INIT;
	AUTO(json_auto_decref) json_t *object = NULL;
	bool final;

	if (!runs_get(delivery->core->store, delivery->run_id, &run, &err)) {
		http_reply_error(delivery->req, &err);
		delivery_free(delivery);
		return;
	}
	final = run_is_final(run_state_of(run.status));
	object = run_object(delivery->core, &run, false);
	json_object_set_new(object, "run_id", json_string(run.id));
	json_write(&json, object);
	http_reply_json(delivery->req, final ? 200 : 202, buf_str(&json));
	delivery_free(delivery);
}

static void
on_run_event(void *arg, const struct stream_event *event)
{
	struct delivery *delivery = arg;

	if (!strcmp(event->kind, "run") && run_is_final(run_state_of(event->type)))
		core_timer_arm(delivery->core, &delivery->timer, 0, delivery_finish, delivery);
}

static void
delivery_wait(struct delivery *delivery, const struct admission_result *result)
{
	memcpy(delivery->run_id, result->run_id, sizeof(delivery->run_id));
	delivery->subscriber =
		stream_subscribe(delivery->core->stream, result->run_id, on_run_event, delivery);
	core_timer_arm(delivery->core, &delivery->timer,
		       run_is_final(run_state_of(result->run_status)) ? 0 : delivery->wait_ms,
		       delivery_finish, delivery);
}

static void
webhook_on_admitted(void *arg, const struct admission_result *result, const struct err *err)
{
	struct delivery *delivery = arg;

	if (err->code != E_OK)
		http_reply_error(delivery->req, err);
	else if (!result->run_id[0])
		answer_outcome(delivery->req, delivery->ack, result);
	else if (delivery->wait_ms) {
		delivery_wait(delivery, result);
		return;
	} else
		answer_run(delivery->req, result->replayed ? 200 : delivery->ack, result);
	delivery_free(delivery);
}

/* --- the request --------------------------------------------------------------------------- */

static struct str
request_header(void *arg, const char *name, size_t index)
{
	return http_header(arg, name, index);
}

static bool
request_admissible(const struct hook *hook, struct http_request *req, struct err *err)
{
	struct str type = http_header(req, "content-type", 0);

	if (!hook || !source_trigger(&hook->source) ||
	    !trigger_is_enabled(hook->source.core, source_trigger(&hook->source)))
		return err_set(err, E_NOT_FOUND, "no webhook at %.*s", STR_ARG(http_path(req)));
	if (!memmem(hook->methods, strlen(hook->methods), http_method(req).p,
		    http_method(req).len)) {
		http_add_header(req, "Allow", hook->methods);
		return err_set(err, E_METHOD, "%.*s is not taken here; use %s",
			       STR_ARG(http_method(req)), hook->methods);
	}
	if ((int64_t)http_body(req).len > hook->max_body)
		return err_set(err, E_TOO_LARGE,
			       "body of %zu bytes; this hook takes at most %lld (max_body)",
			       http_body(req).len, (long long)hook->max_body);
	if (!hook_takes(type))
		return err_set(err, E_MEDIA,
			       "content type %.*s is not taken; send application/json, a form, "
			       "text or application/octet-stream",
			       STR_ARG(type));
	return true;
}

/* The key of a delivery that has no id of its own: its bytes, within a window of time. */
static void
key_of_bytes(const struct hook *hook, const struct http_request *req, struct buf *out)
{
	struct str parts[] = {http_method(req), STR("\n"), http_target(req), STR("\n"),
			      http_body(req)};
	struct digest digest = digest_of_parts(DIGEST_SHA256, parts, ARRAY_LEN(parts));

	buf_puts(out, "sha256:");
	hex_encode(out, str_make(digest.bytes, digest.len));
	buf_printf(out, ":%lld", (long long)(core_wall(hook->source.core).ms / hook->dedupe_ms));
}

static void
natural_key(const struct hook *hook, const struct http_request *req,
	    const struct signature_request *signed_request, struct happening *happening,
	    struct buf *made)
{
	happening->natural_key = signature_delivery_id(hook->signature, signed_request);
	if (happening->natural_key.len) {
		happening->id = happening->id.len ? happening->id : happening->natural_key;
		return;
	}
	happening->natural_key = http_idempotency_key(req);
	if (happening->natural_key.len)
		return;
	if (happening->id.len) {
		buf_add_str(made, happening->source);
		buf_putc(made, ' ');
		buf_add_str(made, happening->id);
	} else {
		key_of_bytes(hook, req, made);
	}
	happening->natural_key = buf_str(made);
}

/* Verifies, then parses, then admits. */
static bool
delivery_admit(struct hook *hook, struct http_request *req, struct err *err)
{
	struct core *core = hook->source.core;
	AUTO(buf_fini) struct buf data = BUF_INIT;
	AUTO(buf_fini) struct buf extension = BUF_INIT;
	AUTO(buf_fini) struct buf made = BUF_INIT;
	AUTO(buf_fini) struct buf key = BUF_INIT;
	AUTO(buf_fini) struct buf url = BUF_INIT;
	struct signature_request signed_request = {.method = http_method(req),
						   .body = http_body(req),
						   .header = request_header,
						   .arg = req};
	struct happening happening = {.trigger = source_trigger(&hook->source)};
	struct delivery *delivery;

	buf_puts(&url, core->public_url ? core->public_url : "");
	buf_add_str(&url, http_target(req));
	signed_request.url = buf_str(&url);
	if (!signature_verify(hook->signature, hook->secrets.items, hook->secrets.count,
			      &signed_request, core_wall(core), NULL, err))
		return false;
	if (!hook_body(http_header(req, "content-type", 0), http_body(req), &data, &happening.data,
		       err) ||
	    !hook_cloudevent(req, &happening, &made, err))
		return false;
	if (signature_is_ping(hook->signature, &signed_request))
		happening.refused = STR("a ping of the provider");
	hook_extension(req, &extension);
	happening.extension = buf_str(&extension);
	natural_key(hook, req, &signed_request, &happening, &key);
	happening.correlation = http_header(req, "x-correlation-id", 0);
	if (!http_header(req, "traceparent", 1).p)
		happening.traceparent = http_header(req, "traceparent", 0);
	happening.cause = http_header(req, "rouse-cause", 0);
	delivery = mem_alloc(sizeof(*delivery));
	*delivery = (struct delivery){
		.core = core, .req = req, .ack = hook->ack, .wait_ms = hook->wait_ms};
	if (admit_event(core, &happening, webhook_on_admitted, delivery, err))
		return true;
	delivery_free(delivery);
	return false;
}

static void
webhook_on_request(void *arg, struct http_request *req, const struct route_match *match)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct str path = http_path(req);
	struct hook *hook;

	(void)arg;
	(void)match;
	HASH_FIND(hh, hooks, path.p, path.len, hook);
	if (!request_admissible(hook, req, &err) || !delivery_admit(hook, req, &err)) {
		if (err.code == E_UNAUTHORIZED)
			log_info("delivery refused", "trigger", hook->source.name, "remote",
				 http_peer(req)->address, "error", err_text(&err));
		http_reply_error(req, &err);
	}
}

#define HOOK_ROUTE(method)                                                                         \
	{                                                                                          \
		method, PREFIX "{path...}", NULL,                                                  \
			"a delivery for the webhook trigger of this path", webhook_on_request      \
	}
static const struct route routes[] = {HOOK_ROUTE("POST"), HOOK_ROUTE("PUT"), HOOK_ROUTE("PATCH"),
				      HOOK_ROUTE("GET"), HOOK_ROUTE("DELETE")};

void
webhook_add_routes(struct core *core, struct router *router)
{
	router_add(router, routes, ARRAY_LEN(routes), core);
}
