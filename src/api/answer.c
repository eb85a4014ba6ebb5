/* Requests and answers: what the body says, replies after the commit. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "core/admit.h"
#include "core/change.h"
#include "core/put.h"
#include "core/run.h"
#include "store/changes.h"
#include "store/runs.h"

/* A string with a NUL inside would be taken for its beginning. */
static bool
members_check(const json_t *body, struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)body, key, value)
		if (json_is_string(value) &&
		    strlen(json_string_value(value)) != json_string_length(value))
			return err_set(err, E_INVALID,
				       "body: %s has a NUL (\\u0000) in it; leave it out", key);
	return true;
}

bool
api_body(const struct http_request *req, json_t **ret, struct err *err)
{
	struct str body = str_trim(http_body(req));

	if (!body.len) {
		*ret = json_object();
		return true;
	}
	if (!json_read(body, ret, err))
		return err_prefix(err, "body");
	if (json_is_object(*ret) ? members_check(*ret, err)
				 : err_set(err, E_INVALID, "the body must be a JSON object"))
		return true;
	json_decref(*ret);
	*ret = NULL;
	return false;
}

static bool
member_is_known(const char *const *names, const char *name)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names;
}

bool
api_members(const json_t *body, const char *const *names, struct err *err)
{
	AUTO(buf_fini) struct buf list = BUF_INIT;
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)body, name, value) {
		if (member_is_known(names, name))
			continue;
		for (size_t i = 0; names[i]; i++)
			buf_cat(&list, !i ? "" : names[i + 1] ? ", " : " or ", names[i]);
		return err_set(err, E_INVALID, "%s is unknown; expected %s", name, buf_cstr(&list));
	}
	return true;
}

bool
api_member_whole(const json_t *body, const char *name, int64_t most, int64_t *ret, struct err *err)
{
	const json_t *value = json_object_get(body, name);

	*ret = 0;
	if (!value || json_is_null(value))
		return true;
	*ret = json_integer_value(value);
	if (json_is_integer(value) && *ret > 0 && *ret <= most)
		return true;
	if (most == INT64_MAX)
		return err_set(err, E_INVALID, "%s: expected a whole number, at least 1", name);
	return err_set(err, E_INVALID, "%s: expected a whole number from 1 to %lld", name,
		       (long long)most);
}

void
api_reply(struct http_request *req, int status, json_t *take_json)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	json_write(&text, take_json);
	json_decref(take_json);
	http_reply_json(req, status, buf_str(&text));
}

struct pending {
	struct api *api;
	struct http_request *req;
	int status;
	api_make *make;
	void *arg;
};

static void
on_turn_end(void *arg, const struct err *err)
{
	struct pending *pending = arg;
	AUTO(err_fini) struct err failure = ERR_INIT;
	json_t *answer = NULL;

	if (err->code == E_OK)
		answer =
			pending->make(pending->api->core, pending->arg, &pending->status, &failure);
	if (answer)
		api_reply(pending->req, pending->status, answer);
	else
		http_reply_error(pending->req, err->code == E_OK ? &failure : err);
	free(pending->arg);
	free(pending);
}

static void
reply_after(struct api *api, struct http_request *req, int status, api_make *make, void *arg)
{
	struct pending *pending = mem_alloc(sizeof(*pending));

	*pending = (struct pending){api, req, status, make, arg};
	turn_after(api->core->store, on_turn_end, pending);
}

void
api_reply_after(struct api *api, struct http_request *req, api_make *make, void *arg)
{
	reply_after(api, req, 200, make, arg);
}

void
api_reply_object_after(struct api *api, struct http_request *req, int status, api_make *make,
		       const char *id)
{
	reply_after(api, req, status, make, mem_strdup(id));
}

void
api_show(struct api *api, struct http_request *req, const struct route_match *match, api_make *make)
{
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(err_fini) struct err err = ERR_INIT;
	int status = 200;
	json_t *object = make(api->core, id, &status, &err);

	if (object)
		api_reply(req, status, object);
	else
		http_reply_error(req, &err);
}

json_t *
api_make_run(struct core *core, void *arg, int *ret_status, struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};

	(void)ret_status;
	return runs_get(core->store, arg, &run, err) ? run_object(core, &run, true) : NULL;
}

static bool
decision_add(void *arg, const struct decision_row *row)
{
	json_t *one = json_object();

	json_put_str(one, "decision", row->decision);
	json_put_str(one, "by", row->by);
	put_or_null(one, "reason", row->reason);
	put_or_null(one, "digest", row->digest);
	json_put_wall(one, "at", row->at.ms);
	json_array_append_new(arg, one);
	return true;
}

/* With who decided what about it, when and why. */
json_t *
api_make_change(struct core *core, void *arg, int *ret_status, struct err *err)
{
	AUTO(change_row_fini) struct change_row change = {0};
	AUTO(json_auto_decref) json_t *decisions = json_array();
	json_t *object;

	(void)ret_status;
	if (!changes_get(core->store, arg, &change, err) ||
	    !decisions_each(core->store, "change", change.id, decision_add, decisions, err))
		return NULL;
	object = change_object(&change);
	json_object_set(object, "decisions", decisions);
	return object;
}

char *
api_param(const struct route_match *match, size_t i)
{
	return str_dup(match->params[i]);
}

void
api_on_admitted(void *arg, const struct admission_result *result, const struct err *err)
{
	struct http_request *req = arg;
	json_t *answer;

	if (err->code != E_OK) {
		http_reply_error(req, err);
		return;
	}
	answer = json_object();
	json_object_set_new(answer, "run_id",
			    result->run_id[0] ? json_string(result->run_id) : json_null());
	json_put_str(answer, "event_id", result->event_id);
	json_put_str(answer, "outcome", result->outcome);
	json_put_str(answer, "rule", result->rule);
	json_object_set_new(answer, "replayed", json_boolean(result->replayed));
	api_reply(req, result->replayed ? 200 : 202, answer);
}
