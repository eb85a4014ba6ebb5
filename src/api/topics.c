/* Topics over the API: what a person or a program outside says on one. SPEC 13, 14 (`emit`). */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "base/json.h"
#include "core/signal.h"

struct said {
	char topic[64];
	unsigned heard;
};

static json_t *
make_said(struct core *core UNUSED, void *arg, int *ret_status, struct err *err UNUSED)
{
	const struct said *said = arg;

	*ret_status = 202;
	return json_pack("{s:s,s:i}", "topic", said->topic, "heard", (int)said->heard);
}

static void
on_emit(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *topic = api_param(match, 0);
	AUTO(json_auto_decref) json_t *body = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct said *said;
	unsigned heard = 0;

	if (!api_body(req, &body, &err) ||
	    !signal_say(api->core, topic, body, api_by(req), &heard, &err)) {
		http_reply_error(req, &err);
		return;
	}
	said = mem_alloc(sizeof(*said));
	snprintf(said->topic, sizeof(said->topic), "%s", topic);
	said->heard = heard;
	api_reply_after(api, req, make_said, said);
}

static const struct route routes[] = {
	{"POST", "/v1/topics/{t}/emit", "invoke", "say something on a topic", on_emit,
	 .is_event = true},
};

void
api_topics_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
