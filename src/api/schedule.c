/* What calendars name: when triggers fire next, or would have fired, over HTTP. No effects. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "api/inside.h"
#include "core/batch.h"
#include "core/batch_count.h"
#include "core/put.h"
#include "core/source.h"
#include "pure/cron_next.h"

#define TIMES_DEFAULT 10
#define TIMES_MAX 1000

/* What is asked for: after `from`, up to `to` included (WALL_NONE: no end). */
struct wanted {
	const struct trigger *trigger; /* NULL: all */
	struct wall from, to;
	size_t limit;
	bool batches; /* those that start by themselves as well */
};

/* A trigger and the first of its times that was not given yet. */
struct upcoming {
	struct source *source;
	const struct trigger *trigger;
	/* Or a batch, and its schedule; owned. */
	const struct batch_def *batch;
	struct cron *cron;
	size_t order; /* of the registry: of one instant, the first comes first */
	struct wall at;
	bool over;
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
	AUTO(auto_free) char *batches = http_query_param(req, "batches");

	ret->batches = batches && !strcmp(batches, "yes");
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
	bool is = upcoming->cron
			  ? cron_next(upcoming->cron, after, &upcoming->at)
			  : upcoming->source->kind->follows(upcoming->source, after, &upcoming->at);

	return is && (!wall_is_set(wanted->to) || upcoming->at.ms <= wanted->to.ms);
}

static bool
is_scheduled(const struct batch_def *batch)
{
	return conf_str(batch->section, "schedule") && conf_bool(batch->section, "enabled");
}

/* Behind the triggers. */
static size_t
batches_collect(struct core *core, const struct wanted *wanted, struct upcoming *all, size_t used)
{
	for (size_t i = 0; i < registry_batch_count(core->registry); i++) {
		const struct batch_def *batch = registry_batch_at(core->registry, i);
		struct upcoming one = {.batch = batch,
				       .order = registry_trigger_count(core->registry) + i};

		if (!is_scheduled(batch) || !cron_new(str_of(conf_str(batch->section, "schedule")),
						      str_of(conf_str(batch->section, "timezone")),
						      str_of(batch->name), &one.cron, NULL))
			continue;
		if (follow(wanted, &one, wanted->from))
			all[used++] = one;
		else
			cron_free(one.cron);
	}
	return used;
}

static void
upcoming_free(struct upcoming *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cron_free(all[i].cron);
	free(all);
}

/* Every trigger that fires at all, and every batch that starts, by its first time; of many, as many
 * as could have a place. */
static struct upcoming *
upcoming_collect(struct core *core, const struct wanted *wanted, size_t *ret_count)
{
	size_t count = registry_trigger_count(core->registry), used = 0;
	struct upcoming *all =
		mem_alloc_array(count + registry_batch_count(core->registry) + 1, sizeof(*all));

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
	if (wanted->batches && !wanted->trigger)
		used = batches_collect(core, wanted, all, used);
	qsort(all, used, sizeof(*all), by_time);
	*ret_count = used;
	return all;
}

static struct upcoming *
upcoming_first(struct upcoming *all, size_t count)
{
	struct upcoming *first = NULL;

	for (size_t i = 0; i < count; i++)
		if (!all[i].over && (!first || by_time(&all[i], first) < 0))
			first = &all[i];
	return first;
}

static json_t *
upcoming_json(const struct upcoming *upcoming)
{
	json_t *object = json_object();

	json_put_wall(object, "at", upcoming->at.ms);
	if (upcoming->batch) {
		json_object_set_new(object, "trigger", json_null());
		json_put_str(object, "batch", upcoming->batch->name);
		json_put_str(object, "source", "batch");
		json_put_str(object, "agent", conf_str(upcoming->batch->section, "agent"));
		/* One of a name at a time: a start meanwhile is passed over. */
		json_put_str(object, "overlap", "skip");
		return object;
	}
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
	struct upcoming *all;
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
			first->over = true;
	}
	json_object_set_new(answer, "items", items);
	/* Where to go on: from just before what comes next. */
	json_put_wall(answer, "next", first ? first->at.ms - 1 : WALL_NONE.ms);
	upcoming_free(all, count);
	api_reply(req, 200, answer);
}

/* --- what batches would cost --------------------------------------------------------------- */

/* Each batch that starts by itself, one after the other: counting reads. */
struct costing {
	struct api *api;
	struct http_request *req;
	struct registry *registry;
	json_t *items;
	size_t at;
};

static void costing_next(struct costing *costing);

/* a * b, INT64_MAX where that is more. */
static int64_t
times(int64_t a, int64_t b)
{
	int64_t product;

	return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

static void
put_dollars(json_t *object, const char *name, int64_t uusd)
{
	json_object_set_new(object, name,
			    uusd < 0 || uusd == INT64_MAX ? json_null()
							  : json_real((double)uusd / 1e6));
}

/* count: of all that there are; -1: nobody knows. */
static void
put_most(const struct batch_settings *settings, int64_t count, json_t *object)
{
	int64_t each = settings->limits.cost_uusd, all, ms = settings->limits.deadline_ms;
	int64_t limit = conf_is_set(settings->section, "batch_budget.cost")
				? conf_int(settings->section, "batch_budget.cost")
				: INT64_MAX;
	int64_t at_once = settings->concurrency < settings->agent->concurrency
				  ? settings->concurrency
				  : settings->agent->concurrency;

	all = count < 0 || each < 0 ? INT64_MAX : times(each, count);
	put_dollars(object, "each_cost_usd", each);
	put_dollars(object, "budget_usd", limit);
	put_dollars(object, "max_cost_usd", all < limit ? all : limit);
	/* One deadline after the other, so many at once. */
	all = count < 0 || ms < 0 ? INT64_MAX
				  : times(ms, (count + at_once - 1) / (at_once > 0 ? at_once : 1));
	if (settings->deadline_ms && settings->deadline_ms < all)
		all = settings->deadline_ms;
	json_object_set_new(object, "longest_ms",
			    all == INT64_MAX ? json_null() : json_integer(all));
}

static void
on_counted(void *arg, int64_t count, const char *why)
{
	struct costing *costing = arg;
	const struct batch_def *batch = registry_batch_at(costing->registry, costing->at++);
	struct batch_settings settings;
	json_t *object = json_object();

	json_put_str(object, "batch", batch->name);
	json_object_set_new(object, "entities", count < 0 ? json_null() : json_integer(count));
	put_or_null(object, "why", why);
	if (batch_settings_get(costing->registry, batch->name, &settings, NULL))
		put_most(&settings, why ? -1 : count, object);
	json_array_append_new(costing->items, object);
	costing_next(costing);
}

static void
costing_next(struct costing *costing)
{
	json_t *answer;

	for (; costing->at < registry_batch_count(costing->registry); costing->at++) {
		const struct batch_def *batch = registry_batch_at(costing->registry, costing->at);

		if (!is_scheduled(batch))
			continue;
		batch_count(costing->api->core, batch, on_counted, costing);
		return;
	}
	answer = json_object();
	json_object_set_new(answer, "items", costing->items);
	json_object_set_new(answer, "next", json_null());
	api_reply(costing->req, 200, answer);
	registry_unref(costing->registry);
	free(costing);
}

static void
on_batches(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	struct costing *costing = mem_alloc(sizeof(*costing));

	(void)match;
	*costing = (struct costing){api, req, registry_ref(api->core->registry), json_array(), 0};
	costing_next(costing);
}

static const struct route routes[] = {
	{"GET", "/v1/schedule", "read",
	 "when triggers fire: ?trigger= &from= &to= &limit= &batches=yes", on_schedule},
	{"GET", "/v1/schedule/batches", "read",
	 "what batches with a schedule would cost at most, by the entities that they have now",
	 on_batches},
};

void
api_schedule_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
