/* What waits for a person, and what a day may cost, over HTTP. SPEC 9, 12. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"

#include "core/gate.h"
#include "store/state.h"

/* --- gates --------------------------------------------------------------------------------- */

static bool
gate_add(void *arg, const struct gate_row *row)
{
	return api_list_add(arg, gate_object(row), row->seq);
}

static void
on_list(void *arg, struct http_request *req, const struct route_match *match)
{
	static const char *const columns[] = {"run", "status", "kind", NULL};
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct api_list list;

	(void)match;
	if (api_list_begin(req, columns, &list, &err))
		gates_list(api->core->store, &list.query, gate_add, &list, &err);
	api_list_reply(&list, req, &err);
}

static json_t *
make_gate(struct core *core, void *arg, int *ret_status, struct err *err)
{
	AUTO(gate_row_fini) struct gate_row gate = {0};

	(void)ret_status;
	return gates_get(core->store, arg, &gate, err) ? gate_object(&gate) : NULL;
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
	const char *decision;

	if (!api_body(req, &body, err))
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

/* --- the budget of today ------------------------------------------------------------------- */

/* The key of [budget] that bounds a scope; a name stands for every one of its kind. */
static const struct bound {
	const char *scope, *key;
} bounds[] = {
	{"all", "cost_per_day"},
	{"user", "cost_per_user_day"},
	{"tenant", "cost_per_tenant_day"},
};

struct ledger {
	const struct conf_section *budget;
	json_t *items;
	const char *day;
	bool has_all;
};

static json_t *
limit_json(const struct conf_section *budget, const char *scope)
{
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		int64_t limit;

		if (strcmp(bounds[i].scope, scope))
			continue;
		limit = conf_int(budget, bounds[i].key);
		return limit == INT64_MIN ? json_null() : json_real((double)limit / 1e6);
	}
	return json_null();
}

static bool
ledger_add(void *arg, const char *scope, const char *name, int64_t spent, int64_t reserved,
	   int64_t tokens)
{
	struct ledger *ledger = arg;
	json_t *item = json_object();

	ledger->has_all |= !strcmp(scope, "all");
	json_put_str(item, "scope", scope);
	json_put_str(item, "name", name);
	json_put_str(item, "day", ledger->day);
	json_object_set_new(item, "spent_usd", json_real((double)spent / 1e6));
	json_object_set_new(item, "reserved_usd", json_real((double)reserved / 1e6));
	json_object_set_new(item, "tokens", json_integer(tokens));
	json_object_set_new(item, "limit_usd", limit_json(ledger->budget, scope));
	json_array_append_new(ledger->items, item);
	return true;
}

static void
on_budget(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(auto_free) char *day = http_query_param(req, "day");
	AUTO(buf_fini) struct buf today = BUF_INIT;
	struct ledger ledger = {
		.budget = conf_section(registry_conf(api->core->registry), "budget", "")};
	struct wall asked;
	json_t *answer;

	(void)match;
	if (day && (strlen(day) != 10 || !wall_parse(str_of(day), &asked))) {
		err_set(&err, E_USAGE, "day=%s; expected a date as 2026-11-20", day);
		http_reply_error(req, &err);
		return;
	}
	wall_format(core_wall(api->core), &today);
	buf_truncate(&today, 10);
	ledger.day = day ? day : buf_cstr(&today);
	ledger.items = json_array();
	if (!budgets_list(api->core->store, ledger.day, ledger_add, &ledger, &err)) {
		json_decref(ledger.items);
		http_reply_error(req, &err);
		return;
	}
	/* A limit is worth a row before the first cent is spent. */
	if (!ledger.has_all && conf_int(ledger.budget, bounds[0].key) != INT64_MIN)
		ledger_add(&ledger, "all", "", 0, 0, 0);
	answer = json_object();
	json_object_set_new(answer, "items", ledger.items);
	json_object_set_new(answer, "next", json_null());
	api_reply(req, 200, answer);
}

static const struct route routes[] = {
	{"GET", "/v1/gates", "read", "questions to people", on_list},
	{"GET", "/v1/gates/{id}", "read", "one question", on_show},
	{"POST", "/v1/gates/{id}/decide", "review", "answer a question", on_decide},
	{"GET", "/v1/budget", "read", "what a day has cost, and may", on_budget},
};

void
api_gates_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
