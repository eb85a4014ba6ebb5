/* Visits: who makes a request, what the audit log says of it, and when it must end. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "core/audit.h"

/* A timer is set for so long at most: the wall clock may be set meanwhile. */
#define EXPIRY_LOOK_MS 3600000

/* --- what the audit log says --------------------------------------------------------------- */

/* Text of an act, and what it borrows. */
struct words {
	struct buf via, act, object;
};

static void
words_fini(struct words *words)
{
	buf_fini(&words->via);
	buf_fini(&words->act);
	buf_fini(&words->object);
}

static void
act_of(const struct visit *visit, struct words *words, struct audit_act *ret)
{
	const struct http_peer *peer = http_peer(visit->req);
	const struct route_match *match = &visit->match;

	if (peer->local)
		buf_printf(&words->via, "socket, process %d", (int)peer->pid);
	else
		buf_puts(&words->via, http_client(visit->req));
	buf_cat(&words->act, visit->route->method, " ", visit->route->pattern);
	for (size_t i = 0; i < ROUTE_PARAMS && match->params[i].p; i++) {
		if (i)
			buf_putc(&words->object, '/');
		buf_add_str(&words->object, match->params[i]);
	}
	*ret = (struct audit_act){.who = visit->caller.by ? visit->caller.by : "nobody",
				  .via = buf_cstr(&words->via),
				  .act = buf_cstr(&words->act),
				  .object = words->object.len ? buf_cstr(&words->object) : NULL,
				  .scope = visit->route->scope};
}

void
api_record(struct http_request *req, const char *by)
{
	struct visit *visit = http_context(req);
	AUTO(words_fini) struct words words = {BUF_INIT, BUF_INIT, BUF_INIT};
	struct audit_act act;

	if (by) {
		free(visit->caller.by);
		visit->caller.by = mem_strdup(by);
	}
	act_of(visit, &words, &act);
	/* Of a link the path is its proof, and a form's body has little to say. */
	if (visit->route->scope)
		act.request = str_trim(http_body(req));
	else
		act.object = NULL;
	visit->audit = audit_begin(visit->api->core, &act);
	visit->recorded = true;
}

/* Strangers without a token are many, and say nothing of anybody. */
static void
refusal_record(struct visit *visit, const struct err *err)
{
	AUTO(words_fini) struct words words = {BUF_INIT, BUF_INIT, BUF_INIT};
	struct audit_act act;

	if (err->code != E_DENIED &&
	    (err->code != E_UNAUTHORIZED || !http_header(visit->req, "authorization", 0).p))
		return;
	act_of(visit, &words, &act);
	audit_refused(visit->api->core, &act, err_http(err->code), err_text(err));
}

bool
api_allowed(struct api *api, struct http_request *req, struct visit *visit, struct err *err)
{
	if (!visit->route->scope ||
	    auth_check(api->auth, req, visit->route->scope, &visit->caller, err))
		return true;
	refusal_record(visit, err);
	return false;
}

/* --- its life ------------------------------------------------------------------------------ */

void
visit_free(void *arg)
{
	struct visit *visit = arg;
	AUTO(words_fini) struct words words = {BUF_INIT, BUF_INIT, BUF_INIT};
	struct audit_act act;

	if (visit->when_barred)
		LIST_REMOVE(visit, entry);
	core_timer_free(visit->expiry);
	if (visit->when_over)
		visit->when_over(visit->over_arg);
	if (visit->recorded) {
		act_of(visit, &words, &act);
		if (!act.scope)
			act.object = NULL;
		audit_end(visit->api->core, visit->audit, &act, http_status(visit->req),
			  http_problem(visit->req));
	}
	caller_fini(&visit->caller);
	free(visit);
}

void
api_when_over(struct http_request *req, void (*fn)(void *arg), void *arg)
{
	struct visit *visit = http_context(req);

	visit->when_over = fn;
	visit->over_arg = arg;
}

const char *
api_by_agent(const struct http_request *req)
{
	const struct visit *visit = http_context(req);

	return visit ? visit->caller.agent : NULL;
}

const char *
api_by(const struct http_request *req)
{
	const struct visit *visit = http_context(req);

	return visit && visit->caller.by ? visit->caller.by : "nobody";
}

/* --- when its token ends ------------------------------------------------------------------- */

static void
visit_bar(struct visit *visit)
{
	void (*fn)(void *arg) = visit->when_barred;

	LIST_REMOVE(visit, entry);
	visit->when_barred = NULL;
	if (!http_is_answered(visit->req))
		fn(visit->barred_arg);
}

static void expiry_arm(struct visit *visit);

static void
on_expiry(void *arg)
{
	struct visit *visit = arg;

	if (core_wall(visit->api->core).ms >= visit->caller.expires.ms)
		visit_bar(visit);
	else
		expiry_arm(visit);
}

static void
expiry_arm(struct visit *visit)
{
	int64_t left = visit->caller.expires.ms - core_wall(visit->api->core).ms;

	core_timer_arm(visit->api->core, &visit->expiry,
		       left < 0		       ? 0
		       : left > EXPIRY_LOOK_MS ? EXPIRY_LOOK_MS
					       : left,
		       on_expiry, visit);
}

void
api_when_barred(struct http_request *req, void (*fn)(void *arg), void *arg)
{
	struct visit *visit = http_context(req);

	if (!visit->caller.token)
		return;
	visit->when_barred = fn;
	visit->barred_arg = arg;
	LIST_INSERT_HEAD(&visit->api->visits, visit, entry);
	if (wall_is_set(visit->caller.expires))
		expiry_arm(visit);
}

void
api_bar(struct api *api, const char *token)
{
	struct visit *visit;

	/* From the front each time: an end may take others along. */
	do {
		LIST_FOREACH (visit, &api->visits, entry)
			if (!strcmp(visit->caller.token, token))
				break;
		if (visit)
			visit_bar(visit);
	} while (visit);
}
