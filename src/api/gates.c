/* What waits for a person, over HTTP. SPEC 12. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"

#include "core/gate.h"
#include "store/state.h"

struct gate_list {
	struct api_list list;
	struct core *core;
};

static bool
gate_add(void *arg, const struct gate_row *row)
{
	struct gate_list *list = arg;

	return api_list_add(&list->list, gate_object(list->core, row), row->seq);
}

static void
on_list(void *arg, struct http_request *req, const struct route_match *match)
{
	static const char *const columns[] = {"run", "status", "kind", NULL};
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct gate_list list = {.core = api->core};

	(void)match;
	if (api_list_begin(req, columns, &list.list, &err))
		gates_list(api->core->store, &list.list.query, gate_add, &list, &err);
	api_list_reply(&list.list, req, &err);
}

static json_t *
make_gate(struct core *core, void *arg, int *ret_status, struct err *err)
{
	AUTO(gate_row_fini) struct gate_row gate = {0};

	(void)ret_status;
	return gates_get(core->store, arg, &gate, err) ? gate_object(core, &gate) : NULL;
}

static void
on_show(void *arg, struct http_request *req, const struct route_match *match)
{
	api_show(arg, req, match, make_gate);
}

static bool
decide(struct api *api, struct http_request *req, const char *id, struct err *err)
{
	AUTO(json_auto_decref) json_t *body = NULL;
	AUTO(buf_fini) struct buf payload = BUF_INIT;
	AUTO(gate_row_fini) struct gate_row gate = {0};
	const char *decision;

	if (!api_body(req, &body, err) || !gates_get(api->core->store, id, &gate, err) ||
	    !api_not_own(api, req, gate.run_id, err))
		return false;
	decision = json_str(body, "decision");
	if (!decision)
		return err_set(
			err, E_INVALID,
			"no decision; expected {\"decision\": \"approved\"}, denied, edited, "
			"responded or ignored");
	/* A word for those that nobody answered, not for people. */
	if (!strcmp(decision, "timeout"))
		return err_set(err, E_INVALID,
			       "decision timeout is the daemon's own; expected approved, denied, "
			       "edited, responded or ignored");
	if (json_object_get(body, "payload"))
		json_write(&payload, json_object_get(body, "payload"));
	if (!payload.len && (!strcmp(decision, "edited") || !strcmp(decision, "responded")))
		return err_set(err, E_INVALID,
			       "%s without payload; expected what it should be instead, as JSON",
			       decision);
	return gate_decide(api->core, id, decision, payload.len ? buf_cstr(&payload) : NULL,
			   api_by(req), json_str(body, "reason"), err);
}

static void
on_decide(void *arg, struct http_request *req, const struct route_match *match)
{
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(err_fini) struct err err = ERR_INIT;

	if (decide(arg, req, id, &err))
		api_reply_object_after(arg, req, 200, make_gate, id);
	else
		http_reply_error(req, &err);
}

static const struct route routes[] = {
	{"GET", "/v1/gates", "read", "questions to people", on_list},
	{"GET", "/v1/gates/{id}", "read", "one question", on_show},
	{"POST", "/v1/gates/{id}/decide", "review", "answer a question", on_decide},
};

void
api_gates_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
