/* Dead letters over HTTP: listed, run again, given up; one, or many in one turn. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "core/run.h"
#include "store/runs.h"

/* Of one request, and so of one turn: a few milliseconds of the loop. */
#define IDS_MAX 200

static void
on_list(void *arg, struct http_request *req, const struct route_match *match)
{
	static const char *const columns[] = {"agent",	"trigger", "reason",
					      "tenant", "entity",  NULL};

	(void)match;
	api_runs_list(arg, req, columns, true);
}

/* {"payload": …}: another one; NULL: the same. */
static const char *
payload_of(const json_t *body, struct buf *out)
{
	const json_t *payload = json_object_get(body, "payload");

	if (payload)
		json_write(out, payload);
	return payload ? buf_cstr(out) : NULL;
}

/* A request that is sent twice, or by two people, runs nothing twice. */
static bool
replay(struct api *api, const struct http_request *req, const char *id, const char *payload,
       char **ret_run_id, struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};

	if (!runs_get(api->core->store, id, &run, err))
		return false;
	if (strcmp(run.status, "failed"))
		return err_set(err, E_STATE, "run %s is %s, not failed; it is no dead letter",
			       run.id, run.status);
	if (run.dropped)
		return err_set(err, E_STATE,
			       "run %s is no dead letter any more; it was dropped or replayed "
			       "before (rouse run retry runs it once more)",
			       run.id);
	return run_replay(api->core, run.id, payload, api_by(req), ret_run_id, err);
}

static void
on_replay(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(auto_free) char *run_id = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(json_auto_decref) json_t *body = NULL;
	AUTO(buf_fini) struct buf payload = BUF_INIT;

	if (api_body(req, &body, &err) &&
	    replay(api, req, id, payload_of(body, &payload), &run_id, &err))
		api_reply_object_after(api, req, 202, api_make_run_id, run_id);
	else
		http_reply_error(req, &err);
}

static void
on_drop(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(json_auto_decref) json_t *body = NULL;

	if (api_body(req, &body, &err) &&
	    run_drop(api->core, id, api_by(req), json_str(body, "reason"), &err))
		api_reply_object_after(api, req, 200, api_make_run, id);
	else
		http_reply_error(req, &err);
}

/* --- many ---------------------------------------------------------------------------------- */

static bool
ids_of(const json_t *body, const json_t **ret, struct err *err)
{
	const json_t *ids = json_object_get(body, "ids"), *id;
	size_t i;

	if (!json_is_array(ids) || !json_array_size(ids) || json_array_size(ids) > IDS_MAX)
		return err_set(
			err, E_INVALID,
			"ids: expected an array of 1 to %d ids of runs; send more in further "
			"requests",
			IDS_MAX);
	json_array_foreach (ids, i, id)
		if (!json_is_string(id))
			return err_set(err, E_INVALID,
				       "ids: number %zu is no text; expected the "
				       "id of a run",
				       i + 1);
	*ret = ids;
	return true;
}

static json_t *
make_many(struct core *core, void *arg, int *ret_status, struct err *err)
{
	json_t *answer = NULL;

	(void)core;
	(void)ret_status;
	json_read(str_of(arg), &answer, err);
	return answer;
}

/* One of many: it is done, or it is not and says why; the others go on. */
static void
do_one(struct api *api, const struct http_request *req, const json_t *body, const char *payload,
       const char *id, bool again, json_t *done, json_t *failed)
{
	AUTO(auto_free) char *run_id = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;
	json_t *item = json_object();

	json_put_str(item, "id", id);
	if (again ? replay(api, req, id, payload, &run_id, &err)
		  : run_drop(api->core, id, api_by(req), json_str(body, "reason"), &err)) {
		json_put_str(item, "run_id", run_id);
		json_array_append_new(done, item);
	} else {
		json_put_str(item, "error", err_text(&err));
		json_array_append_new(failed, item);
	}
}

static void
many(struct api *api, struct http_request *req, bool again)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(json_auto_decref) json_t *body = NULL;
	AUTO(json_auto_decref) json_t *answer = json_object();
	AUTO(buf_fini) struct buf payload_text = BUF_INIT;
	json_t *done = json_array(), *failed = json_array();
	const json_t *ids, *id;
	const char *payload;
	struct buf text = BUF_INIT;
	size_t i;

	json_object_set_new(answer, "done", done);
	json_object_set_new(answer, "failed", failed);
	if (!api_body(req, &body, &err) || !ids_of(body, &ids, &err)) {
		http_reply_error(req, &err);
		return;
	}
	payload = payload_of(body, &payload_text);
	json_array_foreach (ids, i, id)
		do_one(api, req, body, payload, json_string_value(id), again, done, failed);
	json_write(&text, answer);
	api_reply_after(api, req, make_many, buf_take(&text));
}

static void
on_replay_many(void *arg, struct http_request *req, const struct route_match *match)
{
	(void)match;
	many(arg, req, true);
}

static void
on_drop_many(void *arg, struct http_request *req, const struct route_match *match)
{
	(void)match;
	many(arg, req, false);
}

static const struct route routes[] = {
	{"GET", "/v1/dlq", "read", "dead letters", on_list},
	{"POST", "/v1/dlq/replay", "invoke", "run many dead letters again: {\"ids\": […]}",
	 on_replay_many},
	{"POST", "/v1/dlq/drop", "invoke", "give many dead letters up: {\"ids\": […]}",
	 on_drop_many},
	{"POST", "/v1/dlq/{id}/replay", "invoke", "run a dead letter again", on_replay},
	{"POST", "/v1/dlq/{id}/drop", "invoke", "give a dead letter up", on_drop},
};

void
api_dlq_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
