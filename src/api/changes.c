/* Changes over HTTP: shown, decided, applied, taken back. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "core/change.h"
#include "core/selection.h"
#include "store/changes.h"
#include "store/runs.h"

/* One action of a person on one change, by its word in the path. */
struct action {
	const char *word;
	bool (*act)(struct core *core, const char *id, const char *by, const char *reason,
		    const char *digest, struct err *err);
	/* Of a run's changes, those that it is about. */
	const char *const *from;
};

static bool
act_approve(struct core *core, const char *id, const char *by, const char *reason,
	    const char *digest, struct err *err)
{
	return change_decide(core, id, CHANGE_APPROVE, by, reason, digest, err);
}

static bool
act_reject(struct core *core, const char *id, const char *by, const char *reason,
	   const char *digest, struct err *err)
{
	return change_decide(core, id, CHANGE_REJECT, by, reason, digest, err);
}

static bool
act_reopen(struct core *core, const char *id, const char *by, const char *reason,
	   const char *digest, struct err *err)
{
	return change_decide(core, id, CHANGE_REOPEN, by, reason, digest, err);
}

static bool
act_apply(struct core *core, const char *id, const char *by, const char *reason, const char *digest,
	  struct err *err)
{
	(void)reason;
	(void)digest;
	return change_apply_again(core, id, by, err);
}

static bool
act_revert(struct core *core, const char *id, const char *by, const char *reason,
	   const char *digest, struct err *err)
{
	(void)digest;
	return change_revert(core, id, by, reason, err);
}

static const char *const from_open[] = {"proposed", NULL};
/* Not a conflict: that is looked at, and then applied by its name. */
static const char *const from_approved[] = {"approved", "failed", NULL};
static const char *const from_applied[] = {"applied", NULL};

static const struct action actions[] = {
	{"approve", act_approve, from_open},  {"reject", act_reject, from_open},
	{"reopen", act_reopen, from_open},    {"apply", act_apply, from_approved},
	{"revert", act_revert, from_applied},
};

/* The word is the last part of the path; the routes below have no other. */
static const struct action *
action_of(const struct http_request *req)
{
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (str_ends(http_path(req), str_of(actions[i].word)))
			return &actions[i];
	return NULL;
}

static bool
change_add(void *arg, const struct change_row *row)
{
	return api_list_add(arg, change_object(row), row->seq);
}

static void
on_list(void *arg, struct http_request *req, const struct route_match *match)
{
	static const char *const columns[] = {"run",	"batch", "target", "entity",
					      "status", "op",	 NULL};
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct api_list list;

	(void)match;
	if (api_list_begin(req, columns, &list, &err)) {
		api_list_batch(api, &list);
		changes_list(api->core->store, &list.query, change_add, &list, &err);
	}
	api_list_reply(&list, req, &err);
}

static void
on_show(void *arg, struct http_request *req, const struct route_match *match)
{
	api_show(arg, req, match, api_make_change);
}

static bool
change_is_others(struct api *api, const struct http_request *req, const char *id, struct err *err)
{
	AUTO(change_row_fini) struct change_row change = {0};

	return changes_get(api->core->store, id, &change, err) &&
	       api_not_own(api, req, change.run_id, err);
}

static void
on_action(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(json_auto_decref) json_t *body = NULL;
	const struct action *action = action_of(req);

	if (api_body(req, &body, &err) && change_is_others(api, req, id, &err) &&
	    action->act(api->core, id, api_by(req), json_str(body, "reason"),
			json_str(body, "digest"), &err))
		api_reply_object_after(api, req, 200, api_make_change, id);
	else
		http_reply_error(req, &err);
}

static void
on_edit(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(json_auto_decref) json_t *body = NULL;
	json_t *after;

	if (!api_body(req, &body, &err) || !change_is_others(api, req, id, &err)) {
		http_reply_error(req, &err);
		return;
	}
	after = json_object_get(body, "after");
	if (!after)
		err_set(&err, E_INVALID, "edit without after; expected {\"after\": {…}}");
	if (after && change_edit(api->core, id, after, api_by(req), json_str(body, "reason"), &err))
		api_reply_object_after(api, req, 200, api_make_change, id);
	else
		http_reply_error(req, &err);
}

/* --- all changes of a run ------------------------------------------------------------------ */

struct bulk {
	char *run_id;
	int64_t changed, skipped;
};

struct ids {
	char **items;
	size_t count;
	const char *const *from; /* NULL: all */
};

static bool
id_add(void *arg, const struct change_row *row)
{
	struct ids *ids = arg;
	bool wanted = !ids->from;

	for (size_t i = 0; !wanted && ids->from[i]; i++)
		wanted = !strcmp(ids->from[i], row->status);
	if (!wanted)
		return true;
	ids->items = mem_realloc(ids->items, (ids->count + 1) * sizeof(*ids->items));
	ids->items[ids->count++] = mem_strdup(row->id);
	return true;
}

static bool
object_add(void *arg, const struct change_row *row)
{
	json_array_append_new(arg, change_object(row));
	return true;
}

/* A digest over the digests of what is shown: an approval of the whole covers exactly that. */
static void
shown_digest(struct core *core, const char *run_id, const json_t *items, char ret[65])
{
	AUTO(buf_fini) struct buf policy = BUF_INIT;
	struct selection_chain chain;
	size_t i;
	json_t *item;

	api_review_policy(core, NULL, run_id, &policy);
	selection_chain_init(&chain, buf_cstr(&policy));
	json_array_foreach ((json_t *)items, i, item)
		selection_chain_add(&chain, json_str(item, "id"), json_str(item, "digest"));
	selection_chain_hex(&chain, ret);
}

static json_t *
run_changes(struct core *core, const char *run_id, struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};
	json_t *items = json_array();

	if (runs_get(core->store, run_id, &run, err) &&
	    changes_of_run(core->store, run.seq, object_add, items, err))
		return items;
	json_decref(items);
	return NULL;
}

static void
on_diff(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(err_fini) struct err err = ERR_INIT;
	json_t *items = run_changes(api->core, id, &err), *answer;
	char digest[65];

	if (!items) {
		http_reply_error(req, &err);
		return;
	}
	shown_digest(api->core, id, items, digest);
	answer = json_object();
	json_object_set_new(answer, "items", items);
	json_put_str(answer, "digest", digest);
	api_reply(req, 200, answer);
}

static json_t *
make_bulk(struct core *core, void *arg, int *ret_status, struct err *err)
{
	struct bulk *bulk = arg;
	json_t *items = run_changes(core, bulk->run_id, err), *answer = NULL;

	(void)ret_status;
	if (items) {
		answer = json_object();
		json_object_set_new(answer, "changed", json_integer(bulk->changed));
		json_object_set_new(answer, "skipped", json_integer(bulk->skipped));
		json_object_set_new(answer, "items", items);
	}
	free(bulk->run_id);
	return answer;
}

/* Each by itself: one that has moved on meanwhile is skipped, a store that fails undoes all. */
static bool
bulk_act(struct core *core, const struct action *action, const struct ids *ids, const char *by,
	 const char *reason, struct bulk *bulk, struct err *err)
{
	for (size_t i = 0; i < ids->count; i++) {
		AUTO(err_fini) struct err one = ERR_INIT;

		if (action->act(core, ids->items[i], by, reason, NULL, &one))
			bulk->changed++;
		else if (one.code == E_STATE || one.code == E_NOT_FOUND)
			bulk->skipped++;
		else
			return err_move(err, &one);
	}
	return true;
}

static bool
bulk_run(struct api *api, struct http_request *req, const char *id, struct bulk *bulk,
	 struct err *err)
{
	const struct action *action = action_of(req);
	AUTO(json_auto_decref) json_t *body = NULL;
	AUTO(run_row_fini) struct run_row run = {0};
	struct ids ids = {.from = action->from};
	bool done = false;

	if (!api_body(req, &body, err) || !runs_get(api->core->store, id, &run, err) ||
	    !api_not_own(api, req, run.id, err))
		return false;
	/* Deciding everything where somebody meant a part would be the worst answer. */
	if (json_object_get(body, "where"))
		return err_set(err, E_USAGE,
			       "where is not evaluated here; name the changes that are "
			       "meant");
	if (changes_of_run(api->core->store, run.seq, id_add, &ids, err) &&
	    turn_savepoint(api->core->store, err)) {
		done = bulk_act(api->core, action, &ids, api_by(req), json_str(body, "reason"),
				bulk, err);
		if (done)
			turn_release(api->core->store);
		else
			turn_undo(api->core->store);
	}
	for (size_t i = 0; i < ids.count; i++)
		free(ids.items[i]);
	free(ids.items);
	return done;
}

static void
on_bulk(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct bulk *bulk = mem_alloc(sizeof(*bulk));

	bulk->run_id = api_param(match, 0);
	if (bulk_run(api, req, bulk->run_id, bulk, &err)) {
		api_reply_after(api, req, make_bulk, bulk);
		return;
	}
	http_reply_error(req, &err);
	free(bulk->run_id);
	free(bulk);
}

static const struct route routes[] = {
	{"GET", "/v1/changes", "read", "changes, newest first", on_list},
	{"GET", "/v1/changes/{id}", "read", "one change", on_show},
	{"POST", "/v1/changes/{id}/approve", "review", "let it be applied", on_action},
	{"POST", "/v1/changes/{id}/reject", "review", "do not let it be applied", on_action},
	{"POST", "/v1/changes/{id}/reopen", "review", "take a decision back", on_action},
	{"POST", "/v1/changes/{id}/edit", "review", "change what it would write", on_edit},
	{"POST", "/v1/changes/{id}/apply", "apply", "ask the dispatcher again", on_action},
	{"POST", "/v1/changes/{id}/revert", "apply", "take it back", on_action},
	{"GET", "/v1/runs/{id}/diff", "read", "what a run proposes", on_diff},
	{"POST", "/v1/runs/{id}/apply", "apply", "apply what is approved", on_bulk},
	{"POST", "/v1/runs/{id}/revert", "apply", "take back what was applied", on_bulk},
};

void
api_changes_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
