/* Agents and triggers over HTTP. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "api/objects.h"
#include "core/admit.h"
#include "core/agent.h"
#include "core/attempt.h"
#include "core/breakers.h"
#include "core/endpoint.h"
#include "core/halt.h"
#include "core/put.h"
#include "core/queue.h"
#include "core/source.h"
#include "store/events.h"
#include "store/runs.h"

/* state closed, open or half_open; how many failed of how many (that opened it, or within its
 * window now). */
static json_t *
breaker_object(struct core *core, enum breaker_scope scope, const char *name)
{
	json_t *object = json_object();
	struct breaker_view view;

	breakers_look(core, scope, name, &view);
	json_put_str(object, "state", breaker_state_name(view.state));
	json_object_set_new(object, "failed", json_integer(view.failed));
	json_object_set_new(object, "total", json_integer(view.total));
	json_put_wall(object, "opened", view.opened.ms);
	json_put_wall(object, "until", view.until.ms);
	put_or_null(object, "error", view.error);
	return object;
}

/* idle; processing; responding: one of its runs gives its answer. SPEC 14. */
static const char *
agent_state(struct core *core, const char *name, int running)
{
	const struct attempt *attempt;

	if (!running)
		return "idle";
	LIST_FOREACH (attempt, attempts_live(core), entry)
		if (attempt->now.responds && !attempt->ending && !strcmp(attempt->carrier, name))
			return "responding";
	return "processing";
}

/* Those that it asks through us, and which of them are left alone. */
static void
put_models(struct core *core, const struct agent *agent, json_t *object)
{
	json_t *models = json_array(), *resting = json_array();
	const struct conf_section *section;

	for (size_t i = 0; (section = endpoint_model_at(agent, registry_conf(core->registry), i));
	     i++) {
		const char *name = conf_section_name(section);
		json_t *model = json_object(), *breaker = breaker_object(core, BREAKER_MODEL, name);

		json_put_str(model, "name", name);
		json_object_set_new(model, "breaker", breaker);
		json_array_append_new(models, model);
		if (strcmp(json_str(breaker, "state"), breaker_state_name(BREAKER_CLOSED)))
			json_array_append_new(resting, json_string(name));
	}
	json_object_set_new(object, "models", models);
	json_object_set_new(object, "models_resting", resting);
}

json_t *
api_agent(struct core *core, const struct agent *agent)
{
	json_t *object = json_object(), *targets = json_array();
	int running = queue_in_flight(core->queue, agent->name);

	json_put_str(object, "name", agent->name);
	json_put_str(object, "kind", agent->kind->name);
	/* Of one run; null: no limit. */
	json_object_set_new(object, "max_cost_usd",
			    agent->limits.cost_uusd < 0
				    ? json_null()
				    : json_real((double)agent->limits.cost_uusd / 1e6));
	json_object_set_new(object, "concurrency", json_integer(agent->concurrency));
	json_object_set_new(object, "in_flight", json_integer(running));
	json_object_set_new(object, "queued", json_integer(queue_depth(core->queue, agent->name)));
	json_put_str(object, "state", agent_state(core, agent->name, running));
	json_object_set_new(object, "breaker", breaker_object(core, BREAKER_AGENT, agent->name));
	put_or_null(object, "fallback", agent->fallback);
	json_object_set_new(
		object, "paused",
		json_boolean(switch_is_on(core->switches, "agent", agent->name, "paused")));
	for (size_t i = 0; i < agent->target_count; i++)
		json_array_append_new(targets, json_string(agent->targets[i]));
	json_object_set_new(object, "targets", targets);
	if (agent->proxied)
		put_models(core, agent, object);
	return object;
}

json_t *
api_trigger(struct core *core, const struct trigger *trigger)
{
	struct source *source = sources_find(core->sources, trigger->name);
	json_t *object = json_object();
	bool enabled = trigger_is_enabled(core, trigger);
	struct wall next = source && source->kind->next ? source->kind->next(source) : WALL_NONE;
	struct trigger_state state;

	trigger_state_get(core, trigger, &state);
	json_put_str(object, "name", trigger->name);
	json_put_str(object, "source", trigger->kind->name);
	json_put_str(object, "agent", trigger->agent);
	json_object_set_new(object, "enabled", json_boolean(enabled));
	json_put_str(object, "health", source_health_name(state.health));
	json_put_wall(object, "since", state.since.ms);
	json_put_wall(object, "last_event", state.last_event.ms);
	put_or_null(object, "last_outcome", state.last_outcome);
	put_or_null(object, "last_error", state.last_error);
	json_put_wall(object, "last_error_at", state.last_error_at.ms);
	json_put_wall(object, "next", enabled ? next.ms : WALL_NONE.ms);
	json_object_set_new(object, "backlog", json_integer(state.backlog));
	json_object_set_new(object, "lag_ms", json_integer(state.lag_ms));
	json_object_set_new(
		object, "paused",
		json_boolean(switch_is_on(core->switches, "trigger", trigger->name, "paused")));
	return object;
}

static void
on_agents(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	const struct registry *registry = api->core->registry;
	json_t *items = json_array();

	(void)match;
	for (size_t i = 0; i < registry_agent_count(registry); i++)
		json_array_append_new(items, api_agent(api->core, registry_agent_at(registry, i)));
	api_reply_items(req, items);
}

static json_t *
setting_value(const struct conf_setting *setting)
{
	json_t *items;

	if (setting->type == CONF_INT)
		return json_integer(setting->number);
	if (setting->type == CONF_BOOL)
		return json_boolean(setting->number);
	if (!setting->is_list)
		return json_string(setting->text);
	items = json_array();
	for (size_t i = 0; i < setting->count; i++)
		json_array_append_new(items, json_string(setting->items[i]));
	return items;
}

/* What is in effect, and which of it nobody has set. */
static void
settings_add(json_t *object, const struct conf_section *section)
{
	json_t *settings = json_object(), *defaults = json_array();
	struct conf_setting setting;

	for (size_t i = 0; conf_setting(section, i, &setting); i++) {
		json_object_set_new(settings, setting.name, setting_value(&setting));
		if (setting.is_default)
			json_array_append_new(defaults, json_string(setting.name));
	}
	json_object_set_new(object, "settings", settings);
	json_object_set_new(object, "defaults", defaults);
	json_put_str(object, "file", conf_section_file(section));
	json_object_set_new(object, "line", json_integer(conf_section_line(section)));
}

static void
on_agent(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *name = api_param(match, 0);
	const struct agent *agent = registry_agent(api->core->registry, name);
	AUTO(err_fini) struct err err = ERR_INIT;
	json_t *object;

	if (!agent) {
		err_set(&err, E_NOT_FOUND, "there is no agent %s", name);
		http_reply_error(req, &err);
		return;
	}
	object = api_agent(api->core, agent);
	settings_add(object, agent->section);
	api_reply(req, 200, object);
}

static bool
trigger_wanted(struct core *core, const struct trigger *trigger, const struct list_query *query,
	       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct list_filter *filter = &query->filters[i];
		const char *value = trigger->kind->name;

		if (!strcmp(filter->column, "agent"))
			value = trigger->agent;
		else if (!strcmp(filter->column, "health"))
			value = source_health_name(trigger_health(core, trigger));
		if (strcmp(filter->value, value))
			return false;
	}
	return true;
}

/* A page of triggers; the cursor is the place in the registry. */
static void
on_triggers(void *arg, struct http_request *req, const struct route_match *match)
{
	static const char *const columns[] = {"source", "agent", "health", NULL};
	struct api *api = arg;
	const struct registry *registry = api->core->registry;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct api_list list;

	(void)match;
	if (!api_list_begin(req, columns, &list, &err)) {
		api_list_reply(&list, req, &err);
		return;
	}
	for (size_t i = (size_t)list.query.before_seq; i < registry_trigger_count(registry); i++) {
		const struct trigger *trigger = registry_trigger_at(registry, i);

		if (trigger_wanted(api->core, trigger, &list.query, list.count) &&
		    !api_list_add(&list, api_trigger(api->core, trigger), (int64_t)i + 1))
			break;
	}
	api_list_reply(&list, req, &err);
}

static const struct trigger *
trigger_of(struct api *api, struct http_request *req, const struct route_match *match)
{
	AUTO(auto_free) char *name = api_param(match, 0);
	const struct trigger *trigger = registry_trigger(api->core->registry, name);
	AUTO(err_fini) struct err err = ERR_INIT;

	if (trigger)
		return trigger;
	err_set(&err, E_NOT_FOUND, "there is no trigger %s", name);
	http_reply_error(req, &err);
	return NULL;
}

static void
on_trigger(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	const struct trigger *trigger = trigger_of(api, req, match);
	json_t *object;

	if (!trigger)
		return;
	object = api_trigger(api->core, trigger);
	settings_add(object, trigger->section);
	if (trigger->kind->address) {
		AUTO(auto_free) char *path = trigger->kind->address(trigger);
		AUTO(buf_fini) struct buf url = BUF_INIT;

		buf_printf(&url, "%s%s", api->core->public_url ? api->core->public_url : "", path);
		json_put_str(object, "url", buf_cstr(&url));
	}
	api_reply(req, 200, object);
}

/* --- fire, test ---------------------------------------------------------------------------- */

static void
on_fire(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	const struct trigger *trigger = trigger_of(api, req, match);
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf extension = BUF_INIT;
	struct happening happening = {
		.trigger = trigger, .data = str_trim(http_body(req)), .by_hand = true};

	if (!trigger)
		return;
	if (!happening.data.len)
		happening.data = STR("{}");
	buf_puts(&extension, "\"fired_by\":");
	buf_json_cstr(&extension, api_by(req));
	happening.extension = buf_str(&extension);
	if (!json_check(happening.data, &err) ||
	    !admit_event(api->core, &happening, api_on_admitted, req, &err))
		http_reply_error(req, &err);
}

/* --- backfill ------------------------------------------------------------------------------ */

static bool
backfill_read(const json_t *body, struct source_backfill *ret, struct err *err)
{
	const char *from = json_str(body, "from"), *to = json_str(body, "to"),
		   *overlap = json_str(body, "overlap");
	enum overlap known;

	if (!from || !wall_parse(str_of(from), &ret->from))
		return err_set(err, E_INVALID,
			       "from: expected a time as 2026-11-20T09:30:00Z (exclusive)");
	if (!to || !wall_parse(str_of(to), &ret->to))
		return err_set(err, E_INVALID,
			       "to: expected a time as 2026-11-20T09:30:00Z (inclusive)");
	ret->overlap = overlap ? overlap : "queue";
	if (!overlap_parse(ret->overlap, &known))
		return err_set(err, E_INVALID,
			       "overlap: expected queue, queue_one, skip, cancel_other or allow");
	ret->plan = json_bool(body, "plan", false);
	return true;
}

static bool
backfill_source(struct api *api, const struct trigger *trigger, struct source **ret,
		struct err *err)
{
	const char *why = sources_error(api->core->sources, trigger->name);

	*ret = sources_find(api->core->sources, trigger->name);
	if (!*ret)
		return err_set(err, E_STATE, "trigger %s did not start: %s", trigger->name,
			       why ? why : "");
	return (*ret)->kind->backfill ||
	       err_set(err, E_STATE, "trigger %s is no schedule: it has no times to fill in",
		       trigger->name);
}

static json_t *
make_answer(struct core *core, void *arg, int *ret_status, struct err *err)
{
	json_t *answer = NULL;

	(void)core;
	*ret_status = 202;
	json_read(str_of(arg), &answer, err);
	return answer;
}

/* Times of the past become events, as if the trigger had been there. */
static void
on_backfill(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	const struct trigger *trigger = trigger_of(api, req, match);
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(json_auto_decref) json_t *body = NULL;
	AUTO(json_auto_decref) json_t *answer = json_object();
	struct source_backfill wanted = {.by = api_by(req)};
	struct source *source = NULL;
	struct buf text = BUF_INIT;

	if (!trigger)
		return;
	json_put_str(answer, "trigger", trigger->name);
	if (!backfill_source(api, trigger, &source, &err) || !api_body(req, &body, &err) ||
	    !backfill_read(body, &wanted, &err)) {
		http_reply_error(req, &err);
		return;
	}
	json_put_wall(answer, "from", wanted.from.ms);
	json_put_wall(answer, "to", wanted.to.ms);
	if (!source->kind->backfill(source, &wanted, answer, &err)) {
		http_reply_error(req, &err);
		return;
	}
	json_write(&text, answer);
	api_reply_after(api, req, make_answer, buf_take(&text));
}

static void
on_tested(void *arg, json_t *take_answer)
{
	api_reply(arg, 200, take_answer);
}

/* {"data": …} as the source would give it, or {"document": {event}} as it was recorded. */
static void
on_test(void *arg, struct http_request *req, const struct route_match *match)
{
	static const struct json_step data_step = {.name = {"data", 4}},
				      document_step = {.name = {"document", 8}};
	struct api *api = arg;
	const struct trigger *trigger = trigger_of(api, req, match);
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf extension = BUF_INIT;
	struct happening happening = {.trigger = trigger, .data = STR("null")};
	struct str body = str_trim(http_body(req)), raw;

	if (!trigger)
		return;
	if (!json_check(body, &err)) {
		http_reply_error(req, &err);
		return;
	}
	if (json_raw_find(body, &document_step, 1, &raw)) {
		static const struct json_step rouse_step = {.name = {"rouse", 5}};
		struct str own;

		json_raw_find(raw, &data_step, 1, &happening.data);
		if (json_raw_find(raw, &rouse_step, 1, &own) && own.len > 2 && own.p[0] == '{') {
			AUTO(json_auto_decref) json_t *object = NULL;

			if (json_read(own, &object, NULL)) {
				json_object_del(object, "trigger");
				json_write(&extension, object);
				happening.extension =
					str_make(extension.data + 1, extension.len - 2);
			}
		}
	} else {
		json_raw_find(body, &data_step, 1, &happening.data);
	}
	if (!admit_test(api->core, &happening, on_tested, req, &err))
		http_reply_error(req, &err);
}

static json_t *
make_trigger(struct core *core, void *arg, int *ret_status, struct err *err)
{
	const struct trigger *trigger = registry_trigger(core->registry, arg);

	(void)ret_status;
	if (trigger)
		return api_trigger(core, trigger);
	err_set(err, E_NOT_FOUND, "there is no trigger %s", (const char *)arg);
	return NULL;
}

static void
enable(struct api *api, struct http_request *req, const struct route_match *match, bool on)
{
	const struct trigger *trigger = trigger_of(api, req, match);
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!trigger)
		return;
	if (on && !trigger->enabled)
		err_set(&err, E_STATE, "trigger %s says enabled = no in %s; change it there",
			trigger->name, conf_section_file(trigger->section));
	if (err.code == E_OK &&
	    switch_turn(api->core, "trigger", trigger->name, "disabled", !on, api_by(req), &err))
		api_reply_object_after(api, req, 200, make_trigger, trigger->name);
	else
		http_reply_error(req, &err);
}

static void
on_enable(void *arg, struct http_request *req, const struct route_match *match)
{
	enable(arg, req, match, true);
}

static void
on_disable(void *arg, struct http_request *req, const struct route_match *match)
{
	enable(arg, req, match, false);
}

static const struct route routes[] = {
	{"GET", "/v1/agents", "read", "agents", on_agents},
	{"GET", "/v1/agents/{a}", "read", "one agent with its settings", on_agent},
	{"GET", "/v1/triggers", "read", "triggers", on_triggers},
	{"GET", "/v1/triggers/{t}", "read", "one trigger with its settings", on_trigger},
	{"POST", "/v1/triggers/{t}/fire", "invoke", "fire it by hand", on_fire},
	{"POST", "/v1/triggers/{t}/backfill", "invoke", "make events of past times", on_backfill},
	{"POST", "/v1/triggers/{t}/test", "read", "what it would do, without effect", on_test},
	{"POST", "/v1/triggers/{t}/enable", "admin", "let it fire", on_enable},
	{"POST", "/v1/triggers/{t}/disable", "admin", "do not let it fire", on_disable},
};

void
api_registry_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
