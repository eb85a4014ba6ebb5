/* Decisions about many changes over HTTP, each under the digest of what was shown. SPEC 12. */
/* SPDX-License-Identifier: MIT */
#include "api/review.h"

#include "core/batch.h"
#include "core/decide.h"
#include "core/look.h"
#include "core/replay.h"
#include "core/sampling.h"
#include "store/runs.h"

#define DIFFERENCES 10 /* of what is not what was shown any more, so many are named */

/* One request that is answered later. */
struct asking {
	struct api *api;
	struct http_request *req;
	enum change_event ev;
	char *reason, *digest;
	bool plan;
	bool sampled; /* digest is that of what a sample speaks for */
	struct wall at;
};

static void
asking_free(struct asking *asking)
{
	free(asking->reason);
	free(asking->digest);
	free(asking);
}

static void
on_decided(void *arg, struct decided *decided, struct err *err)
{
	struct asking *asking = arg;
	json_t *answer;

	if (err->code != E_OK) {
		if (decided->changed)
			err_prefix(err, "after %llu changes", (unsigned long long)decided->changed);
		http_reply_error(asking->req, err);
		asking_free(asking);
		return;
	}
	answer = json_object();
	json_object_set_new(answer, "changed", json_integer((json_int_t)decided->changed));
	json_object_set_new(answer, "skipped", json_integer((json_int_t)decided->skipped));
	json_object_set_new(answer, "passed", json_integer((json_int_t)decided->passed));
	json_object_set_new(answer, "pending", json_integer((json_int_t)decided->pending));
	json_object_set(answer, "why", decided->why);
	json_put_str(answer, "by", api_by(asking->req));
	json_put_wall(answer, "at", asking->at.ms);
	api_reply(asking->req, 200, answer);
	asking_free(asking);
}

struct difference {
	struct core *core;
	struct buf text;
	uint64_t count;
};

static void
difference_add(struct difference *d, int64_t seq, const char *what)
{
	AUTO(change_row_fini) struct change_row row = {0};

	if (d->count++ >= DIFFERENCES)
		return;
	if (changes_get_seq(d->core->store, seq, &row, NULL))
		buf_printf(&d->text, "%s%s%s%s %s", d->text.len ? "; " : "", row.id,
			   row.entity ? " " : "", row.entity ? row.entity : "", what);
}

/* What was shown, beside what is there now; both in the order of arrival. */
static void
differences(struct core *core, const struct selection *shown, const struct selection *now,
	    struct difference *ret)
{
	struct selected was, is;
	uint64_t a = 0, b = 0;

	*ret = (struct difference){.core = core};
	while (ret->count <= DIFFERENCES) {
		bool more = selection_get(shown, a, &was, 1, NULL) == 1;
		bool other = selection_get(now, b, &is, 1, NULL) == 1;

		if (!more && !other)
			break;
		if (!other || (more && was.seq < is.seq)) {
			difference_add(ret, was.seq, "is none of them any more");
			a++;
		} else if (!more || is.seq < was.seq) {
			difference_add(ret, is.seq, "is new");
			b++;
		} else {
			if (memcmp(was.digest, is.digest, 32))
				difference_add(ret, is.seq, "is another now");
			a++;
			b++;
		}
	}
}

static void
refuse_digest(struct asking *asking, const struct selection *now)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (asking->sampled) {
		err_set(&err, E_STATE,
			"the changes are not those any more that the sample was drawn from: some "
			"are new, edited or superseded; draw another (rouse review --sample)");
		http_reply_error(asking->req, &err);
		return;
	}
	struct look *look = look_find_digest(asking->api->core, asking->digest);
	struct difference d = {.text = BUF_INIT};

	if (look && selection_count(now) <= 100000)
		differences(asking->api->core, look_selection(look), now, &d);
	if (d.count)
		err_set(&err, E_STATE,
			"the changes are not what was shown any more; look at them again (rouse "
			"diff). %s%s",
			buf_cstr(&d.text), d.count > DIFFERENCES ? "; and more" : "");
	else
		err_set(&err, E_STATE,
			"the changes, or the rules that they are decided under, are not what was "
			"shown any more; look at them again (rouse diff)");
	buf_fini(&d.text);
	http_reply_error(asking->req, &err);
}

static bool
may_decide(void *arg, const char *run_id, struct err *err)
{
	struct asking *asking = arg;

	return api_not_own(asking->api, asking->req, run_id, err);
}

static void
on_selected(void *arg, struct selection *selection, struct err *err)
{
	struct asking *asking = arg;
	bool other = asking->digest && strcmp(asking->digest, selection_digest(selection));

	if (err->code == E_OK && !other) {
		decide_all(asking->api->core, selection, asking->ev, asking->plan,
			   api_by(asking->req), asking->reason, may_decide, on_decided, asking);
		return;
	}
	if (err->code != E_OK)
		http_reply_error(asking->req, err);
	else
		refuse_digest(asking, selection);
	selection_free(selection);
	asking_free(asking);
}

/* A whole replay, or a run of one: nothing of it is decided. */
static bool
may_decide_all(struct core *core, const struct selection_spec *spec, enum change_event ev,
	       struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};
	const char *batch = spec->batch;

	if (!batch && spec->run && runs_get(core->store, spec->run, &run, NULL))
		batch = run.batch;
	if (!replay_is(batch))
		return true;
	return replay_refuse(NULL, batch,
			     ev == CHANGE_APPROVE  ? "approved"
			     : ev == CHANGE_REJECT ? "rejected"
						   : "reopened",
			     err);
}

/* take_spec: what else is meant than the body says. */
static void
decide(struct api *api, struct http_request *req, const json_t *body, struct selection_spec *spec,
       enum change_event ev)
{
	AUTO(buf_fini) struct buf policy = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct asking *asking;

	if (!may_decide_all(api->core, spec, ev, &err)) {
		selection_spec_fini(spec);
		http_reply_error(req, &err);
		return;
	}
	asking = mem_alloc(sizeof(*asking));
	asking->api = api;
	asking->req = req;
	asking->ev = ev;
	asking->at = core_wall(api->core);
	asking->reason = mem_strdup(json_str(body, "reason"));
	asking->digest = mem_strdup(json_str(body, "digest"));
	asking->sampled = spec->open_since;
	asking->plan = json_bool(body, "plan", false);
	api_review_policy(api->core, spec->batch, spec->run, &policy);
	selection_new(api->core, spec, buf_cstr(&policy), on_selected, asking);
}

static bool
event_of_word(struct str word, enum change_event *ret, struct err *err)
{
	static const struct {
		const char *word;
		enum change_event ev;
	} list[] = {
		{"approve", CHANGE_APPROVE}, {"reject", CHANGE_REJECT}, {"reopen", CHANGE_REOPEN}};

	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		*ret = list[i].ev;
		if (word.p && str_ends(word, str_of(list[i].word)))
			return true;
	}
	return err_set(err, E_USAGE, "decision: expected approve, reject or reopen");
}

/* The rest of what the latest sample was drawn from, when that proves enough. */
static bool
sampled_read(struct core *core, enum change_event ev, json_t *body, struct selection_spec *spec,
	     struct err *err)
{
	AUTO(sample_row_fini) struct sample_row sample = {0};
	AUTO(buf_fini) struct buf scope = BUF_INIT;
	AUTO(buf_fini) struct buf reason = BUF_INIT;

	if (ev != CHANGE_APPROVE || (!spec->batch && !spec->run) || spec->where || spec->entity ||
	    spec->group || spec->ids)
		return err_set(err, E_USAGE,
			       "a sample is of a whole batch or run, and speaks for approving it");
	buf_cat(&scope, spec->batch ? "batch " : "run ", spec->batch ? spec->batch : spec->run);
	if (!samples_latest(core->store, buf_cstr(&scope), &sample, err))
		return err->code != E_NOT_FOUND
			       ? false
			       : err_set(err, E_STATE,
					 "no sample of it was drawn; rouse review --sample N draws "
					 "one");
	if (!sampling_proves(core, &sample, err))
		return false;
	if (!sampling_seqs(core, &sample, &spec->except, &spec->except_count, err))
		return false;
	spec->last_seq = sample.last_seq;
	spec->open_since = true;
	spec->since = sample.at;
	json_put_str(body, "digest", sample.digest);
	buf_printf(&reason, "%s%sby sample %s",
		   json_str(body, "reason") ? json_str(body, "reason") : "",
		   json_str(body, "reason") ? "; " : "", sample.id);
	json_put_str(body, "reason", buf_cstr(&reason));
	return true;
}

static void
on_decide(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(json_auto_decref) json_t *body = NULL;
	struct selection_spec spec = {0};
	enum change_event ev;

	(void)match;
	if (!api_body(req, &body, &err) ||
	    !event_of_word(str_of(json_str(body, "decision")), &ev, &err) ||
	    !selection_spec_read(body, &spec, &err)) {
		http_reply_error(req, &err);
		return;
	}
	if (json_str(body, "of") &&
	    !api_review_word(api->core, json_str(body, "of"), &spec, &err)) {
		selection_spec_fini(&spec);
		http_reply_error(req, &err);
		return;
	}
	if (!spec.batch && !spec.run && !spec.ids && !json_bool(body, "all", false)) {
		err_set(&err, E_USAGE,
			"name a batch, a run or changes, or say \"all\": true for everything that "
			"is proposed");
		selection_spec_fini(&spec);
		http_reply_error(req, &err);
		return;
	}
	if (!spec.batch && !spec.run && !spec.ids)
		spec.statuses = 1u << CHANGE_PROPOSED;
	if (json_bool(body, "sampled", false) && !sampled_read(api->core, ev, body, &spec, &err)) {
		selection_spec_fini(&spec);
		http_reply_error(req, &err);
		return;
	}
	decide(api, req, body, &spec, ev);
}

/* NAME/START, whose slash makes two of it. */
static char *
batch_param(struct core *core, const struct route_match *match)
{
	AUTO(batch_row_fini) struct batch_row batch = {0};
	struct buf id = BUF_INIT;

	buf_add_str(&id, match->params[0]);
	if (match->params[1].p) {
		buf_putc(&id, '/');
		buf_add_str(&id, match->params[1]);
	} else if (batch_find(core, buf_cstr(&id), &batch, NULL)) {
		buf_fini(&id);
		return TAKE(batch.id);
	}
	return buf_take(&id);
}

/* .../runs/{id}/approve and .../batches/{b}/approve, and reject. */
static void
on_decide_named(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(json_auto_decref) json_t *body = NULL;
	bool batch = str_starts(http_path(req), STR("/v1/batches/"));
	struct selection_spec spec = {0};
	enum change_event ev;

	if (!api_body(req, &body, &err) || !event_of_word(http_path(req), &ev, &err) ||
	    !selection_spec_read(body, &spec, &err)) {
		http_reply_error(req, &err);
		return;
	}
	free(spec.batch);
	free(spec.run);
	spec.batch = batch ? batch_param(api->core, match) : NULL;
	spec.run = batch ? NULL : api_param(match, 0);
	decide(api, req, body, &spec, ev);
}

static const struct route routes[] = {
	{"POST", "/v1/decide", "review", "approve or reject many changes", on_decide},
	{"POST", "/v1/batches/{b}/approve", "review", "approve its proposals", on_decide_named},
	{"POST", "/v1/batches/{b}/reject", "review", "reject its proposals", on_decide_named},
	{"POST", "/v1/batches/{name}/{start}/approve", "review", "approve its proposals",
	 on_decide_named},
	{"POST", "/v1/batches/{name}/{start}/reject", "review", "reject its proposals",
	 on_decide_named},
	{"POST", "/v1/runs/{id}/approve", "review", "approve all its proposals", on_decide_named},
	{"POST", "/v1/runs/{id}/reject", "review", "reject all its proposals", on_decide_named},
};

void
api_decide_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
