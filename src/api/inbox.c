/* The inbox: all that waits for a person, the most urgent first. SPEC 12. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"

#include "base/json.h"
#include "core/batch.h"
#include "core/change.h"
#include "core/gate.h"
#include "core/put.h"
#include "store/changes.h"
#include "store/inbox.h"
#include "store/runs.h"

/* Of each sort; how many there are is said beside. */
#define SHOWN_MOST 200

struct inbox {
	struct core *core;
	json_t *items;
};

static void
put_command(json_t *item, const char *verb, const char *id)
{
	AUTO(buf_fini) struct buf command = BUF_INIT;

	buf_cat(&command, "rouse ", verb, id ? " " : "", id);
	json_put_str(item, "command", buf_cstr(&command));
}

static bool
gate_add(void *arg, const struct gate_row *gate)
{
	struct inbox *inbox = arg;
	AUTO(run_row_fini) struct run_row run = {0};
	json_t *item = gate_object(inbox->core, gate);
	bool ask = !strcmp(gate->kind, "ask");

	if (runs_get_seq(inbox->core->store, gate->run, &run, NULL)) {
		json_put_str(item, "agent", run.agent);
		put_or_null(item, "trigger", run.trigger);
		put_or_null(item, "tenant", run.tenant);
	}
	json_put_str(item, "about", gate->step);
	json_put_wall(item, "since", gate->created.ms);
	put_command(item, ask ? "gate respond" : "gate show", gate->id);
	json_array_append_new(inbox->items, item);
	return true;
}

static bool
batches_add(struct inbox *inbox, struct err *err)
{
	int64_t seqs[SHOWN_MOST];
	size_t count = 0;

	if (!batches_in_state(inbox->core->store, "review", 0, seqs, SHOWN_MOST, &count, err))
		return false;
	for (size_t i = 0; i < count; i++) {
		AUTO(batch_row_fini) struct batch_row batch = {0};
		AUTO(buf_fini) struct buf about = BUF_INIT;
		json_t *item;

		if (!batches_get_seq(inbox->core->store, seqs[i], &batch, err))
			return false;
		item = json_object();
		buf_printf(&about, "%lld entities, %lld skipped or failed", (long long)batch.items,
			   (long long)(batch.skipped + batch.failed));
		json_put_str(item, "kind", "batch");
		json_put_str(item, "id", batch.id);
		json_put_str(item, "batch", batch.id);
		json_put_str(item, "agent", batch.agent);
		json_put_str(item, "about", buf_cstr(&about));
		json_put_wall(item, "expires", WALL_NONE.ms);
		json_put_wall(item, "since", batch.started.ms);
		put_command(item, "diff", batch.id);
		json_array_append_new(inbox->items, item);
	}
	return true;
}

static bool
run_add(void *arg, const struct inbox_run *run)
{
	struct inbox *inbox = arg;
	AUTO(auto_free) char *id = str_dup(run->run_id);
	AUTO(auto_free) char *target = str_dup(run->target);
	AUTO(auto_free) char *agent = str_dup(run->agent);
	AUTO(buf_fini) struct buf about = BUF_INIT;
	json_t *item = json_object();

	buf_printf(&about, "%lld change%s of %s", (long long)run->changes,
		   run->changes == 1 ? "" : "s", target);
	json_put_str(item, "kind", "proposed");
	json_put_str(item, "id", id);
	json_put_str(item, "run", id);
	json_put_str(item, "agent", agent);
	json_put_str(item, "target", target);
	json_object_set_new(item, "changes", json_integer(run->changes));
	json_put_str(item, "about", buf_cstr(&about));
	json_put_wall(item, "expires", WALL_NONE.ms);
	json_put_wall(item, "since", run->created.ms);
	put_command(item, "diff", id);
	json_array_append_new(inbox->items, item);
	return true;
}

static bool
change_add(void *arg, const struct change_row *change)
{
	struct inbox *inbox = arg;
	AUTO(buf_fini) struct buf about = BUF_INIT;
	json_t *item = json_object();

	buf_cat(&about, change->op, " ", change->entity ? change->entity : "", " on ",
		change->target, change->error ? ": " : "", change->error ? change->error : "");
	json_put_str(item, "kind", change->status);
	json_put_str(item, "id", change->id);
	json_put_str(item, "run", change->run_id);
	json_put_str(item, "target", change->target);
	put_or_null(item, "batch", change->batch);
	put_or_null(item, "error", change->error);
	json_put_str(item, "about", buf_cstr(&about));
	json_put_wall(item, "expires", WALL_NONE.ms);
	json_put_wall(item, "since", change->created.ms);
	put_command(item, "why", change->id);
	json_array_append_new(inbox->items, item);
	return true;
}

/* What was approved and did not get where it should. */
static bool
changes_add(struct inbox *inbox, const char *status, struct err *err)
{
	struct list_query query = {
		.filters = {{"status", status}}, .since = WALL_NONE, .limit = SHOWN_MOST};

	return changes_list(inbox->core->store, &query, change_add, inbox, err);
}

static bool
dead_add(struct inbox *inbox, json_t *counts, struct err *err)
{
	AUTO(buf_fini) struct buf about = BUF_INIT;
	int64_t dead = 0;
	json_t *item;

	if (!runs_count_dead(inbox->core->store, &dead, err))
		return false;
	json_object_set_new(counts, "dead_letters", json_integer(dead));
	if (!dead)
		return true;
	item = json_object();
	buf_printf(&about, "%lld failed run%s to replay or drop", (long long)dead,
		   dead == 1 ? "" : "s");
	json_put_str(item, "kind", "dead_letters");
	json_object_set_new(item, "count", json_integer(dead));
	json_put_str(item, "about", buf_cstr(&about));
	json_put_wall(item, "expires", WALL_NONE.ms);
	put_command(item, "dlq list", NULL);
	json_array_append_new(inbox->items, item);
	return true;
}

static bool
count_add(void *arg, const char *status, const char *target, int64_t n)
{
	static const char *const counted[] = {"proposed", "conflict", "failed"};
	json_t *counts = arg;

	(void)target;
	for (size_t i = 0; i < ARRAY_LEN(counted); i++)
		if (!strcmp(status, counted[i]))
			json_object_set_new(counts, status,
					    json_integer(json_int(counts, status, 0) + n));
	return true;
}

static bool
inbox_fill(struct inbox *inbox, json_t *counts, struct err *err)
{
	struct store *store = inbox->core->store;
	int64_t gates = 0;

	if (!inbox_gates_count(store, &gates, err))
		return false;
	json_object_set_new(counts, "gates", json_integer(gates));
	return inbox_gates(store, SHOWN_MOST, gate_add, inbox, err) && batches_add(inbox, err) &&
	       inbox_runs(store, SHOWN_MOST, run_add, inbox, err) &&
	       changes_add(inbox, "conflict", err) && changes_add(inbox, "failed", err) &&
	       changes_count(store, 0, count_add, counts, err) && dead_add(inbox, counts, err);
}

static void
on_inbox(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(json_auto_decref) json_t *items = json_array();
	struct inbox inbox = {api->core, items};
	AUTO(err_fini) struct err err = ERR_INIT;
	json_t *counts = json_object(), *answer;

	(void)match;
	if (!inbox_fill(&inbox, counts, &err)) {
		json_decref(counts);
		http_reply_error(req, &err);
		return;
	}
	answer = json_object();
	json_object_set(answer, "items", items);
	json_object_set_new(answer, "next", json_null());
	json_object_set_new(answer, "counts", counts);
	api_reply(req, 200, answer);
}

static const struct route routes[] = {
	{"GET", "/v1/inbox", "read", "all that waits for a person, the most urgent first",
	 on_inbox},
};

void
api_inbox_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
