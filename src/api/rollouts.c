/* Batches applied and taken back over HTTP. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "api/inside.h"
#include "core/rollout.h"

static bool
number_read(const json_t *body, const char *name, double least, double most, double *ret,
	    struct err *err)
{
	const json_t *value = json_object_get(body, name);

	if (!value || json_is_null(value))
		return true;
	if (!json_is_number(value) || json_number_value(value) < least ||
	    json_number_value(value) > most)
		return err_set(err, E_INVALID, "%s: expected a number from %g to %g", name, least,
			       most);
	*ret = json_number_value(value);
	return true;
}

static bool
wish_read(const json_t *body, struct rollout_wish *ret, struct err *err)
{
	double canary = -1, rate = -1;

	if (!number_read(body, "canary", 0, 1000000, &canary, err) ||
	    !number_read(body, "rate", 0, 1000000, &rate, err) ||
	    !number_read(body, "stop", 0, 1, &ret->stop, err))
		return false;
	ret->canary = (int64_t)canary;
	if (rate >= 0) {
		ret->rate_count = (int64_t)ceil(rate);
		ret->rate_per_ms = rate > 0 ? (int64_t)(1000 * ceil(rate) / rate) : 0;
	}
	ret->reason = json_str(body, "reason");
	return true;
}

static void
act(struct api *api, struct http_request *req, const struct route_match *match, bool revert)
{
	AUTO(auto_free) char *word = api_batch_param(match);
	AUTO(json_auto_decref) json_t *body = NULL;
	AUTO(batch_row_fini) struct batch_row row = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	struct rollout_wish wish = ROLLOUT_WISH_INIT;

	wish.revert = revert;
	wish.by = api_by(req);
	if (api_body(req, &body, &err) && wish_read(body, &wish, &err) &&
	    batch_find(api->core, word, &row, &err) &&
	    rollout_start(api->core, row.id, &wish, &err))
		api_reply_object_after(api, req, 202, api_make_batch, row.id);
	else
		http_reply_error(req, &err);
}

static void
on_apply(void *arg, struct http_request *req, const struct route_match *match)
{
	act(arg, req, match, false);
}

static void
on_revert(void *arg, struct http_request *req, const struct route_match *match)
{
	act(arg, req, match, true);
}

static const struct route routes[] = {
	{"POST", "/v1/batches/{b}/apply", "apply",
	 "apply what is approved: {\"canary\", \"rate\" (a second), \"stop\" (a share), "
	 "\"reason\"}",
	 on_apply},
	{"POST", "/v1/batches/{b}/{start}/apply", "apply", "apply what is approved", on_apply},
	{"POST", "/v1/batches/{b}/revert", "apply", "take back what was applied", on_revert},
	{"POST", "/v1/batches/{b}/{start}/revert", "apply", "take back what was applied",
	 on_revert},
};

void
api_rollouts_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
