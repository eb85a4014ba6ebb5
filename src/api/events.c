/* Events over HTTP. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "core/admit.h"
#include "core/envelope.h"
#include "core/event.h"
#include "store/events.h"

static bool
event_add(void *arg, const struct event_row *row)
{
	return api_list_add(arg, event_object(row), row->seq);
}

static void
on_list(void *arg, struct http_request *req, const struct route_match *match)
{
	static const char *const columns[] = {"trigger", "source", "outcome", "key", "run", NULL};
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct api_list list;

	(void)match;
	if (api_list_begin(req, columns, &list, &err))
		events_list(api->core->store, &list.query, event_add, &list, &err);
	api_list_reply(&list, req, &err);
}

static json_t *
make_event(struct core *core, void *arg, int *ret_status, struct err *err)
{
	AUTO(event_row_fini) struct event_row row = {0};

	(void)ret_status;
	return events_get(core->store, arg, &row, err) ? event_object(&row) : NULL;
}

static void
on_show(void *arg, struct http_request *req, const struct route_match *match)
{
	api_show(arg, req, match, make_event);
}

/* The `rouse` object of a recorded event, without its trigger, as members. */
static void
extension_of(struct str document, struct buf *out)
{
	static const struct json_step step = {.name = {"rouse", 5}};
	AUTO(json_auto_decref) json_t *object = NULL;
	struct str raw;

	if (!json_raw_find(document, &step, 1, &raw) || !json_read(raw, &object, NULL))
		return;
	json_object_del(object, "trigger");
	json_write(out, object);
	buf_truncate(out, out->len - 1);
	buf_consume(out, 1);
}

/* The same happening once more, as a new event without the key of the old one. */
static void
on_replay(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(event_row_fini) struct event_row row = {0};
	AUTO(buf_fini) struct buf extension = BUF_INIT;
	struct happening happening = {.by_hand = true};

	if (!events_get(api->core->store, id, &row, &err)) {
		http_reply_error(req, &err);
		return;
	}
	happening.trigger = registry_trigger(api->core->registry, row.trigger);
	if (!happening.trigger) {
		err_set(&err, E_STATE, "event %s came by %s, which is not a trigger any more",
			row.id, *row.trigger ? row.trigger : "an invocation");
		http_reply_error(req, &err);
		return;
	}
	happening.data = envelope_event_data(str_of(row.document));
	extension_of(str_of(row.document), &extension);
	happening.extension = buf_str(&extension);
	happening.again = true;
	if (!admit_event(api->core, &happening, api_on_admitted, req, &err))
		http_reply_error(req, &err);
}

static const struct route routes[] = {
	{"GET", "/v1/events", "read", "events, newest first", on_list},
	{"GET", "/v1/events/{id}", "read", "one event with its document", on_show},
	{"POST", "/v1/events/{id}/replay", "invoke", "let it happen once more", on_replay},
};

void
api_events_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
