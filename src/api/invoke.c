/* Invocation of an agent by the API: Idempotency-Key, Prefer: wait. SPEC 5, 13. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "core/admit.h"
#include "core/run.h"
#include "core/session.h"
#include "core/stream.h"
#include "store/runs.h"

#define WAIT_MAX_S 300

struct invocation {
	LIST_ENTRY(invocation) entry; /* api->waiting, while subscriber is set */
	struct api *api;
	struct http_request *req;
	int64_t wait_ms;
	struct subscriber *subscriber;
	struct core_timer *timer;
	char run_id[40];
	bool replayed;
	bool follows; /* the answer is the run's stream */
};

static void
invocation_free(struct invocation *invocation)
{
	if (invocation->subscriber)
		LIST_REMOVE(invocation, entry);
	stream_unsubscribe(invocation->subscriber);
	core_timer_free(invocation->timer);
	free(invocation);
}

/* What the run is now: 200 when it has ended, 202 when it takes longer. */
static void
invocation_answer(void *arg)
{
	struct invocation *invocation = arg;
	struct core *core = invocation->api->core;
	AUTO(run_row_fini) struct run_row run = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf location = BUF_INIT;
	json_t *object;
	bool final;

	if (!runs_get(core->store, invocation->run_id, &run, &err)) {
		http_reply_error(invocation->req, &err);
		invocation_free(invocation);
		return;
	}
	final = run_is_final(run_state_of(run.status));
	object = run_object(core, &run, false);
	json_put_str(object, "run_id", run.id);
	json_put_str(object, "event_id", run.event_id);
	if (invocation->replayed)
		json_object_set_new(object, "replayed", json_true());
	buf_printf(&location, "/v1/runs/%s", run.id);
	http_add_header(invocation->req, "Location", buf_cstr(&location));
	if (invocation->replayed)
		http_add_header(invocation->req, "Idempotency-Replayed", "true");
	api_reply(invocation->req,
		  invocation->replayed || (final && invocation->wait_ms) ? 200 : 202, object);
	invocation_free(invocation);
}

static void
on_run_event(void *arg, const struct stream_event *event)
{
	struct invocation *invocation = arg;

	if (!strcmp(event->kind, "run") && run_is_final(run_state_of(event->type)))
		core_timer_arm(invocation->api->core, &invocation->timer, 0, invocation_answer,
			       invocation);
}

/* The run goes on; who began it is not told what becomes of it. */
static void
on_barred(void *arg)
{
	struct invocation *invocation = arg;
	AUTO(err_fini) struct err err = ERR_INIT;

	err_set(&err, E_UNAUTHORIZED, "the token was revoked, or has expired, meanwhile");
	http_reply_error(invocation->req, &err);
	invocation_free(invocation);
}

static void
on_admitted(void *arg, const struct admission_result *result, const struct err *err)
{
	struct invocation *invocation = arg;
	struct core *core = invocation->api->core;

	if (err->code != E_OK) {
		http_reply_error(invocation->req, err);
		invocation_free(invocation);
		return;
	}
	memcpy(invocation->run_id, result->run_id, sizeof(invocation->run_id));
	invocation->replayed = result->replayed;
	if (invocation->follows) {
		AUTO(err_fini) struct err failure = ERR_INIT;

		/* A run that somebody else began is not this client's to end. */
		if (!api_stream_run(invocation->api, invocation->req, result->run_id,
				    !result->replayed, &failure))
			http_reply_error(invocation->req, &failure);
		invocation_free(invocation);
		return;
	}
	if (!invocation->wait_ms || core->handing ||
	    run_is_final(run_state_of(result->run_status))) {
		invocation_answer(invocation);
		return;
	}
	api_when_barred(invocation->req, on_barred, invocation);
	invocation->subscriber =
		stream_subscribe(core->stream, result->run_id, on_run_event, invocation);
	LIST_INSERT_HEAD(&invocation->api->waiting, invocation, entry);
	core_timer_arm(core, &invocation->timer, invocation->wait_ms, invocation_answer,
		       invocation);
}

void
api_hurry(struct api *api)
{
	struct invocation *invocation;

	LIST_FOREACH (invocation, &api->waiting, entry)
		core_timer_arm(api->core, &invocation->timer, 0, invocation_answer, invocation);
}

/* Prefer: wait=10 (RFC 7240), among other preferences. */
static int64_t
wait_of(const struct http_request *req)
{
	struct str rest = http_header(req, "prefer", 0), one;
	uint64_t seconds;

	while (rest.p && rest.len) {
		rest = str_split(rest, ',', &one);
		one = str_trim(one);
		if (str_starts_nocase(one, STR("wait=")) &&
		    str_to_u64(str_make(one.p + 5, one.len - 5), &seconds))
			return (int64_t)(seconds > WAIT_MAX_S ? WAIT_MAX_S : seconds) * 1000;
	}
	return 0;
}

static bool
invoke(struct api *api, struct http_request *req, const struct agent *agent, struct err *err)
{
	AUTO(json_auto_decref) json_t *payload = NULL;
	struct str body = str_trim(http_body(req));
	struct happening happening = {.agent = agent,
				      .caller_waits = true,
				      .data = body.len ? body : STR("null"),
				      .natural_key = http_idempotency_key(req),
				      .correlation = http_header(req, "x-correlation-id", 0),
				      .cause = http_header(req, "rouse-cause", 0)};
	AUTO(buf_fini) struct buf extension = BUF_INIT;
	AUTO(auto_free) char *asked = http_query_param(req, "session");
	struct str header = http_header(req, "rouse-session", 0);
	struct invocation *invocation;

	if (!json_read(happening.data, &payload, err))
		return err_prefix(err, "body");
	if (!http_header(req, "traceparent", 1).p)
		happening.traceparent = http_header(req, "traceparent", 0);
	happening.session = header.p ? header : str_of(asked);
	if (happening.session.p && !session_name_check(happening.session, err))
		return err_prefix(err, header.p ? "Rouse-Session" : "session");
	happening.fingerprint = admit_fingerprint(payload);
	buf_puts(&extension, "\"invoked_by\":");
	buf_json_cstr(&extension, api_by(req));
	happening.extension = buf_str(&extension);
	invocation = mem_alloc(sizeof(*invocation));
	*invocation = (struct invocation){
		.api = api, .req = req, .wait_ms = wait_of(req), .follows = api_wants_stream(req)};
	if (admit_event(api->core, &happening, on_admitted, invocation, err))
		return true;
	invocation_free(invocation);
	return false;
}

static void
on_invoke(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *name = api_param(match, 0);
	const struct agent *agent = registry_agent(api->core->registry, name);
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!agent)
		err_set(&err, E_NOT_FOUND, "there is no agent %s; rouse agent list shows them",
			name);
	if (!agent || !invoke(api, req, agent, &err))
		http_reply_error(req, &err);
}

static const struct route routes[] = {
	{"POST", "/v1/agents/{a}/invoke", "invoke", "run an agent", on_invoke, .is_event = true},
};

void
api_invoke_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
