/* What calendars name: when triggers fire next, or would have fired, over HTTP. No effects. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "api/inside.h"
#include "core/put.h"
#include "core/source.h"

#define TIMES_DEFAULT 10
#define TIMES_MAX 1000

/* What is asked for: after `from`, up to `to` included (WALL_NONE: no end). */
struct wanted {
	const struct trigger *trigger; /* NULL: all */
	struct wall from, to;
	size_t limit;
};

/* A trigger and the first of its times that was not given yet. */
struct upcoming {
	struct source *source;
	const struct trigger *trigger;
	size_t order; /* of the registry: of one instant, the first comes first */
	struct wall at;
	uint64_t count;
};

static bool
time_param(const struct http_request *req, const char *name, struct wall def, struct wall *ret,
	   struct err *err)
{
	AUTO(auto_free) char *text = http_query_param(req, name);

	*ret = def;
	return !text || wall_parse(str_of(text), ret) ||
	       err_set(err, E_USAGE, "%s=%s; expected a time as 2026-11-20T09:30:00Z", name, text);
}

static bool
limit_param(const struct http_request *req, size_t *ret, struct err *err)
{
	AUTO(auto_free) char *text = http_query_param(req, "limit");
	uint64_t limit = TIMES_DEFAULT;

	if (text && (!str_to_u64(str_of(text), &limit) || !limit || limit > TIMES_MAX))
		return err_set(err, E_USAGE, "limit=%s; expected a number from 1 to %d", text,
			       TIMES_MAX);
	*ret = (size_t)limit;
	return true;
}

static bool
trigger_param(struct api *api, const struct http_request *req, const struct trigger **ret,
	      struct err *err)
{
	AUTO(auto_free) char *name = http_query_param(req, "trigger");
	const struct source *source;

	if (!name)
		return true;
	*ret = registry_trigger(api->core->registry, name);
	if (!*ret)
		return err_set(err, E_NOT_FOUND, "there is no trigger %s", name);
	source = sources_find(api->core->sources, name);
	if (!source)
		return err_set(err, E_STATE, "trigger %s did not start: %s", name,
			       sources_error(api->core->sources, name));
	return source->kind->follows ||
	       err_set(err, E_STATE,
		       "trigger %s (%s) follows no calendar: it fires when something happens", name,
		       source->kind->name);
}

static bool
wanted_read(struct api *api, const struct http_request *req, struct wanted *ret, struct err *err)
{
	if (!trigger_param(api, req, &ret->trigger, err) ||
	    !time_param(req, "from", core_wall(api->core), &ret->from, err) ||
	    !time_param(req, "to", WALL_NONE, &ret->to, err) || !limit_param(req, &ret->limit, err))
		return false;
	return !wall_is_set(ret->to) || ret->from.ms <= ret->to.ms ||
	       err_set(err, E_USAGE, "to lies before from");
}

static int
by_time(const void *pa, const void *pb)
{
	const struct upcoming *a = pa, *b = pb;

	if (a->at.ms != b->at.ms)
		return a->at.ms < b->at.ms ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static bool
follow(const struct wanted *wanted, struct upcoming *upcoming, struct wall after)
{
	return upcoming->source->kind->follows(upcoming->source, after, &upcoming->at) &&
	       (!wall_is_set(wanted->to) || upcoming->at.ms <= wanted->to.ms);
}

/* Every trigger that fires at all, by its first time; of many, as many as could have a place. */
static struct upcoming *
upcoming_collect(struct core *core, const struct wanted *wanted, size_t *ret_count)
{
	size_t count = registry_trigger_count(core->registry), used = 0;
	struct upcoming *all = mem_alloc_array(count + 1, sizeof(*all));

	for (size_t i = 0; i < count; i++) {
		const struct trigger *trigger = registry_trigger_at(core->registry, i);
		struct upcoming one = {.trigger = trigger,
				       .source = sources_find(core->sources, trigger->name),
				       .order = i};

		if ((wanted->trigger && wanted->trigger != trigger) || !one.source ||
		    !one.source->kind->follows ||
		    (!wanted->trigger && !trigger_is_enabled(core, trigger)))
			continue;
		if (follow(wanted, &one, wanted->from))
			all[used++] = one;
	}
	qsort(all, used, sizeof(*all), by_time);
	*ret_count = used < wanted->limit ? used : wanted->limit;
	return all;
}

static struct upcoming *
upcoming_first(struct upcoming *all, size_t count)
{
	struct upcoming *first = NULL;

	for (size_t i = 0; i < count; i++)
		if (all[i].source && (!first || by_time(&all[i], first) < 0))
			first = &all[i];
	return first;
}

static json_t *
upcoming_json(const struct upcoming *upcoming)
{
	json_t *object = json_object();

	json_put_wall(object, "at", upcoming->at.ms);
	json_put_str(object, "trigger", upcoming->trigger->name);
	json_put_str(object, "source", upcoming->trigger->kind->name);
	json_put_str(object, "agent", upcoming->trigger->agent);
	json_put_str(object, "overlap", overlap_name(upcoming->trigger->overlap));
	json_object_set_new(object, "deadline_ms",
			    json_integer(upcoming->trigger->limits.deadline_ms));
	json_object_set_new(object, "max_cost_usd",
			    json_real((double)upcoming->trigger->limits.cost_uusd / 1e6));
	return object;
}

static void
on_schedule(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(auto_free) struct upcoming *all = NULL;
	struct wanted wanted = {.trigger = NULL};
	struct upcoming *first;
	size_t count = 0, given = 0;
	json_t *answer, *items;

	(void)match;
	if (!wanted_read(api, req, &wanted, &err)) {
		http_reply_error(req, &err);
		return;
	}
	all = upcoming_collect(api->core, &wanted, &count);
	answer = json_object();
	items = json_array();
	while ((first = upcoming_first(all, count)) && given < wanted.limit) {
		json_array_append_new(items, upcoming_json(first));
		given++;
		if (!follow(&wanted, first, first->at))
			first->source = NULL;
	}
	json_object_set_new(answer, "items", items);
	/* Where to go on: from just before what comes next. */
	json_put_wall(answer, "next", first ? first->at.ms - 1 : WALL_NONE.ms);
	api_reply(req, 200, answer);
}

static const struct route routes[] = {
	{"GET", "/v1/schedule", "read",
	 "when triggers fire: ?trigger= &from= &to= &limit=", on_schedule},
};

void
api_schedule_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
