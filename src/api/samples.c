/* Samples over HTTP: drawn, looked at, and what they prove. SPEC 12. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "api/review.h"

#include <stdlib.h>

#include "base/uuid.h"
#include "core/change.h"
#include "core/registry.h"
#include "core/sampling.h"
#include "pure/sample.h"

#define CONFIDENCE 0.95
#define MAX_DEFECT 0.05

struct drawing {
	struct api *api;
	struct http_request *req;
	struct sampling how;
	struct sampling_drawn drawn;
	char *scope;
};

static void
drawing_free(struct drawing *d)
{
	free(d->scope);
	sampling_drawn_fini(&d->drawn);
	free(d);
}

static json_t *
make_sample(struct core *core, void *arg, int *ret_status, struct err *err)
{
	AUTO(sample_row_fini) struct sample_row sample = {0};

	*ret_status = 201;
	return samples_get(core->store, arg, &sample, err) ? sampling_object(core, &sample, err)
							   : NULL;
}

static void
on_rest(void *arg, struct selection *rest, struct err *err)
{
	struct drawing *d = arg;
	AUTO(sample_row_fini) struct sample_row sample = {0};

	if (err->code == E_OK &&
	    sampling_keep(d->api->core, &d->how, &d->drawn, selection_digest(rest), &sample, err))
		api_reply_after(d->api, d->req, make_sample, mem_strdup(sample.id));
	else
		http_reply_error(d->req, err);
	selection_free(rest);
	drawing_free(d);
}

/* What it speaks for is what was not drawn: that is what must be the same later on. */
static void
on_looked(void *arg, struct look *look, struct err *err)
{
	struct drawing *d = arg;
	AUTO(buf_fini) struct buf policy = BUF_INIT;
	struct selection_spec spec = {.statuses = 1u << CHANGE_PROPOSED};
	const struct selection_spec *of;

	if (!look || !sampling_draw(look, &d->how, &d->drawn, err)) {
		http_reply_error(d->req, err);
		drawing_free(d);
		return;
	}
	of = selection_spec(look_selection(look));
	spec.batch = mem_strdup(of->batch);
	spec.run = mem_strdup(of->run);
	spec.last_seq = d->drawn.last_seq;
	spec.except = sampling_sorted(&d->drawn);
	spec.except_count = d->drawn.count;
	api_review_policy(d->api->core, spec.batch, spec.run, &policy);
	selection_new(d->api->core, &spec, buf_cstr(&policy), on_rest, d);
}

static bool
share_read(const json_t *body, const char *name, double def, double *ret, struct err *err)
{
	*ret = json_num(body, name, def);
	return (*ret > 0 && *ret < 1) ||
	       err_set(err, E_USAGE, "%s: expected a share between 0 and 1, as 0.95", name);
}

static bool
how_read(struct drawing *d, const json_t *body, struct err *err)
{
	int64_t size = json_int(body, "size", 0);

	if (size < 0 || size > SAMPLING_MOST)
		return err_set(err, E_USAGE, "size: expected a number up to %d", SAMPLING_MOST);
	d->how.size = (uint64_t)size;
	d->how.seed = json_int(body, "seed", (int64_t)entropy_below(1000000));
	return share_read(body, "confidence", CONFIDENCE, &d->how.confidence, err) &&
	       share_read(body, "max_defect", MAX_DEFECT, &d->how.max_defect, err);
}

/* What the batch's section says where nobody else does. */
static uint64_t
size_of_section(const struct core *core, const char *batch)
{
	AUTO(auto_free) char *name = mem_strdup(batch);
	const struct batch_def *def;

	if (!name)
		return 0;
	name[strcspn(name, "/")] = '\0';
	def = registry_batch(core->registry, name);
	return def && conf_is_set(def->section, "sample")
		       ? (uint64_t)conf_int(def->section, "sample")
		       : 0;
}

static void
on_draw(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(json_auto_decref) json_t *body = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf policy = BUF_INIT;
	struct selection_spec spec = {0};
	struct drawing *d = mem_alloc(sizeof(*d));

	(void)match;
	d->api = api;
	d->req = req;
	if (!api_body(req, &body, &err) || !how_read(d, body, &err) ||
	    !api_review_scope(api, json_str(body, "of"), &spec, &d->scope, &err)) {
		http_reply_error(req, &err);
		drawing_free(d);
		return;
	}
	if (!d->how.size)
		d->how.size = size_of_section(api->core, spec.batch);
	spec.statuses = 1u << CHANGE_PROPOSED;
	d->how.scope = d->scope;
	d->how.by = api_by(req);
	api_review_policy(api->core, spec.batch, spec.run, &policy);
	look_take(api->core, &spec, buf_cstr(&policy), on_looked, d);
}

/* By its id, or the latest of a batch or a run (?of=). */
static void
on_show(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *of = http_query_param(req, "of");
	AUTO(auto_free) char *scope = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(sample_row_fini) struct sample_row sample = {0};
	struct selection_spec spec = {0};
	json_t *object = NULL;

	(void)match;
	if (api_review_scope(api, of, &spec, &scope, &err) &&
	    samples_latest(api->core->store, scope, &sample, &err))
		object = sampling_object(api->core, &sample, &err);
	selection_spec_fini(&spec);
	if (object)
		api_reply(req, 200, object);
	else
		http_reply_error(req, &err);
}

static const struct route routes[] = {
	{"POST", "/v1/samples", "review", "draw a sample of what is proposed", on_draw},
	{"GET", "/v1/samples", "read", "the latest sample of a batch or run (?of=)", on_show},
};

void
api_samples_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
