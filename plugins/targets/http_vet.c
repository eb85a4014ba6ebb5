/* HTTP targets: is the entity of a proposal there? */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/http.h"

#include "io/fetch.h"
#include "plugins/targets/vetting.h"

bool
http_vets(const struct target *target, const struct change_row *change)
{
	const struct http_target *t = target->state;

	return t->urls[HTTP_READ_URL] && change->entity && strcmp(change->op, "call") != 0;
}

static enum vet_verdict
there_is(const struct vetting *vetting, bool there, struct err *err)
{
	const struct change_row *change = vetting->change;
	bool create = !strcmp(change->op, "create");

	if (create != there)
		return VET_FITS;
	if (there)
		err_set(err, E_EXISTS, "target %s has %s already (read_url); propose an update",
			change->target, change->entity);
	else
		err_set(err, E_NOT_FOUND, "target %s has no %s (read_url); %s", change->target,
			change->entity,
			strcmp(change->op, "delete") ? "propose a create"
						     : "nothing is to be deleted");
	return VET_REFUSED;
}

static void
on_looked(void *arg, const struct fetch_answer *answer, struct err *err)
{
	struct vetting *vetting = arg;

	if (!answer)
		err_move(&vetting->err, err);
	else if (answer->status == 404 || answer->status == 410)
		vetting->verdict = there_is(vetting, false, &vetting->err);
	else if (answer->status == 200)
		vetting->verdict = there_is(vetting, !str_eq_cstr(str_trim(answer->body), "null"),
					    &vetting->err);
	else
		err_set(&vetting->err, E_UNAVAILABLE, "read_url answered %d", answer->status);
	vetting_give(vetting);
}

void
http_vet(struct core *core, const struct target *target, const struct change_row *change,
	 int64_t timeout_ms, target_on_vetted *on_vetted, void *arg)
{
	const struct http_target *t = target->state;
	struct vetting *vetting = vetting_new(core, target, change, timeout_ms, on_vetted, arg);
	AUTO(http_request_fini) struct http_request request = {0};
	struct fetch_spec spec = {.timeout_ms = timeout_ms, .private_addresses = t->allow_private};

	if (http_read_make(target, change, false, &request, &vetting->err) &&
	    http_headers_add(target, &request, &vetting->err)) {
		spec.method = request.method;
		spec.url = buf_cstr(&request.url);
		spec.headers = (const char *const *)request.headers;
		if (fetch_start(core->fetch, &spec, on_looked, vetting, &vetting->err))
			return;
	}
	vetting_give_later(vetting);
}
