/* The daemon over HTTP: status, health, metrics, switches, reload. */
/* SPDX-License-Identifier: MIT */
#include <pwd.h>
#include <unistd.h>

#include "api/inside.h"
#include "api/objects.h"
#include "core/bound.h"
#include "core/halt.h"
#include "core/metrics.h"
#include "core/queue.h"
#include "core/source.h"
#include "store/runs.h"

/* More are for GET /v1/triggers. */
#define STATUS_TRIGGERS 100

static void
means_add(struct core *core, json_t *object)
{
	json_t *means = registry_means(core);

	if (means)
		json_object_update(object, means);
	json_decref(means);
}

json_t *
api_health(struct core *core, bool *ret_ok)
{
	const struct conf_section *limits =
		conf_section(registry_conf(core->registry), "limits", "");
	struct wall oldest = WALL_NONE, now = core_wall(core);
	json_t *object = json_object();
	int64_t dead = 0;
	bool writable = store_is_writable(core->store);
	enum bound_level bound = bound_look(core);

	runs_oldest_queued(core->store, &oldest, NULL);
	runs_count_dead(core->store, &dead, NULL);
	*ret_ok = writable && bound != BOUND_FULL;
	json_object_set_new(object, "ok", json_boolean(*ret_ok));
	json_object_set_new(object, "in_flight", json_integer(queue_in_flight(core->queue, NULL)));
	json_object_set_new(object, "max_running", json_integer(conf_int(limits, "max_running")));
	json_object_set_new(object, "queue_depth", json_integer(queue_depth(core->queue, NULL)));
	json_object_set_new(
		object, "oldest_queued_ms",
		json_integer(wall_is_set(oldest) && now.ms > oldest.ms ? now.ms - oldest.ms : 0));
	json_object_set_new(object, "dlq", json_integer(dead));
	json_put_str(object, "store",
		     writable			     ? bound_name(bound)
		     : store_stats(core->store).full ? "full"
						     : "failing");
	if (bound_max(core)) {
		json_object_set_new(object, "store_bytes", json_integer(core->bound.used));
		json_object_set_new(object, "max_db_size", json_integer(bound_max(core)));
	}
	json_put_str(object, "version", core->version);
	means_add(core, object);
	return object;
}

static void
on_health(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	bool ok;
	json_t *object = api_health(api->core, &ok);

	(void)match;
	api_reply(req, ok ? 200 : 503, object);
}

static void
on_livez(void *arg, struct http_request *req, const struct route_match *match)
{
	(void)arg;
	(void)match;
	http_reply(req, 200, "text/plain", STR("ok\n"));
}

static void
on_readyz(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	bool ready = api->host->ready && !api->core->draining &&
		     store_is_writable(api->core->store) && bound_look(api->core) != BOUND_FULL;

	(void)match;
	http_reply(req, ready ? 200 : 503, "text/plain",
		   ready ? STR("ready\n") : STR("not ready\n"));
}

static void
on_metrics(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(buf_fini) struct buf text = BUF_INIT;

	(void)match;
	metrics_print(api->core, &text);
	http_reply(req, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&text));
}

/* All of them, or of many those that are not well, and then the first of the others. */
static void
triggers_add(struct core *core, json_t *triggers)
{
	size_t count = registry_trigger_count(core->registry);

	for (int round = count > STATUS_TRIGGERS ? 0 : 1; round < 2; round++)
		for (size_t i = 0; i < count; i++) {
			const struct trigger *trigger = registry_trigger_at(core->registry, i);
			enum source_health health = trigger_health(core, trigger);
			bool ill = health == HEALTH_FAILING || health == HEALTH_STALE;

			if (count > STATUS_TRIGGERS && ill != !round)
				continue;
			if (json_array_size(triggers) >= STATUS_TRIGGERS)
				return;
			json_array_append_new(triggers, api_trigger(core, trigger));
		}
}

static void
on_status(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	struct core *core = api->core;
	const struct conf *conf = registry_conf(core->registry);
	const struct passwd *user = getpwuid(geteuid());
	json_t *object = json_object(), *agents = json_array(), *triggers = json_array();
	bool ok;

	(void)match;
	json_put_str(object, "version", core->version);
	json_object_set_new(object, "pid", json_integer(getpid()));
	json_put_wall(object, "started", core->started.ms);
	json_put_str(object, "config", conf_path(conf));
	json_put_str(object, "config_dir", conf_dir(conf));
	json_put_str(object, "state_dir", core->state_dir);
	json_put_str(object, "socket", api->host->socket);
	json_object_set(object, "listen", api->host->listen);
	json_put_str(object, "public_url", core->public_url);
	json_put_str(object, "user", user ? user->pw_name : "");
	json_object_set_new(object, "uid", json_integer(geteuid()));
	json_object_set_new(object, "generation", json_integer((json_int_t)conf_generation(conf)));
	json_put_str(object, "commit", conf_commit(conf));
	json_object_set_new(object, "ready", json_boolean(api->host->ready));
	json_object_set_new(object, "paused", switches_json(core->switches));
	json_object_set_new(object, "halted", json_boolean(core_is_halted(core)));
	json_object_set_new(object, "health", api_health(core, &ok));
	for (size_t i = 0; i < registry_agent_count(core->registry); i++)
		json_array_append_new(agents,
				      api_agent(core, registry_agent_at(core->registry, i)));
	triggers_add(core, triggers);
	json_object_set_new(object, "agents", agents);
	json_object_set_new(object, "trigger_count",
			    json_integer((json_int_t)registry_trigger_count(core->registry)));
	json_object_set_new(object, "triggers", triggers);
	means_add(core, object);
	api_reply(req, 200, object);
}

static json_t *
make_switches(struct core *core, void *arg, int *ret_status, struct err *err)
{
	json_t *object = json_object();

	(void)arg;
	(void)ret_status;
	(void)err;
	json_object_set_new(object, "paused", switches_json(core->switches));
	json_object_set_new(object, "halted", json_boolean(core_is_halted(core)));
	return object;
}

/* {"agent": NAME}, {"trigger": NAME}, {"tenant": NAME}, or nothing: all. */
static bool
scope_of(struct core *core, const json_t *body, const char **ret_scope, const char **ret_name,
	 struct err *err)
{
	static const char *const scopes[] = {"agent", "trigger", "tenant"};

	*ret_scope = "all";
	*ret_name = "";
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
		if (!json_str(body, scopes[i]))
			continue;
		*ret_scope = scopes[i];
		*ret_name = json_str(body, scopes[i]);
	}
	if (!strcmp(*ret_scope, "agent") && !registry_agent(core->registry, *ret_name))
		return err_set(err, E_NOT_FOUND, "there is no agent %s", *ret_name);
	if (!strcmp(*ret_scope, "trigger") && !registry_trigger(core->registry, *ret_name))
		return err_set(err, E_NOT_FOUND, "there is no trigger %s", *ret_name);
	return true;
}

static void
switch_answer(struct api *api, struct http_request *req, const char *kind, bool on)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(json_auto_decref) json_t *body = NULL;
	const char *scope, *name;
	bool done = api_body(req, &body, &err) && scope_of(api->core, body, &scope, &name, &err) &&
		    switch_turn(api->core, scope, name, kind, on, api_by(req), &err);

	/* resume of everything ends a halt too. */
	if (done && !on && !strcmp(scope, "all"))
		done = switch_turn(api->core, "all", "", "halted", false, api_by(req), &err);
	if (done)
		api_reply_after(api, req, make_switches, NULL);
	else
		http_reply_error(req, &err);
}

static void
on_pause(void *arg, struct http_request *req, const struct route_match *match)
{
	(void)match;
	switch_answer(arg, req, "paused", true);
}

static void
on_resume(void *arg, struct http_request *req, const struct route_match *match)
{
	(void)match;
	switch_answer(arg, req, "paused", false);
}

static void
on_halt(void *arg, struct http_request *req, const struct route_match *match)
{
	(void)match;
	switch_answer(arg, req, "halted", true);
}

static void
on_reload(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	json_t *answer = json_object();
	AUTO(json_auto_decref) json_t *problem = NULL;
	AUTO(buf_fini) struct buf text = BUF_INIT;

	(void)match;
	if (api->host->reload(api->host->arg, answer, &err)) {
		api_reply(req, 200, answer);
		return;
	}
	problem = answer;
	json_put_str(problem, "type", "about:blank");
	json_put_str(problem, "title", "Bad Request");
	json_object_set_new(problem, "status", json_integer(400));
	json_put_str(problem, "detail", err_text(&err));
	json_put_str(problem, "code", err_name(err.code));
	json_write(&text, problem);
	http_reply(req, 400, "application/problem+json", buf_str(&text));
}

static const struct route routes[] = {
	{"GET", "/livez", NULL, "does the loop run", on_livez},
	{"GET", "/readyz", NULL, "can it take events", on_readyz},
	{"GET", "/health", "read", "how it is", on_health},
	{"GET", "/metrics", "read", "Prometheus metrics", on_metrics},
	{"GET", "/v1/status", "read", "the daemon", on_status},
	{"POST", "/v1/pause", "admin", "start nothing new", on_pause},
	{"POST", "/v1/resume", "admin", "go on", on_resume},
	{"POST", "/v1/halt", "admin", "start nothing, stop what runs", on_halt},
	{"POST", "/v1/reload", "admin", "read the configuration again", on_reload},
};

void
api_admin_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
