/* Review over HTTP: changes grouped, and decided about many at once. SPEC 12. */
/* SPDX-License-Identifier: MIT */
#include "api/review.h"

#include "core/batch.h"
#include "core/decide.h"
#include "core/look.h"
#include "core/review.h"
#include "core/sampling.h"
#include "store/runs.h"

#define GROUPS_SHOWN 20
#define GROUPS_MOST 500
#define ITEMS_SHOWN 100
#define ITEMS_MOST 500
#define VALUES_SHOWN 8

/* One request that is answered later. */
struct asking {
	struct api *api;
	struct http_request *req;
	uint64_t groups;
};

void
api_review_policy(struct core *core, const char *batch, const char *run_id, struct buf *out)
{
	AUTO(run_row_fini) struct run_row run = {0};
	const struct review_policy *policy = NULL;

	if (batch)
		policy = review_policy_of(core, batch, NULL);
	else if (run_id && runs_get(core->store, run_id, &run, NULL))
		policy = run.batch ? review_policy_of(core, run.batch, NULL)
				   : review_policy_of(core, NULL, run.trigger);
	review_policy_text(policy, out);
}

/* Who is meant by a word: a batch (NAME/START), a run, a change. */
bool
api_review_word(struct core *core, const char *word, struct selection_spec *spec, struct err *err)
{
	AUTO(batch_row_fini) struct batch_row batch = {0};
	AUTO(run_row_fini) struct run_row run = {0};
	AUTO(change_row_fini) struct change_row change = {0};
	AUTO(err_fini) struct err why = ERR_INIT;

	if (batch_find(core, word, &batch, &why)) {
		spec->batch = mem_strdup(batch.id);
		return true;
	}
	/* What a batch proposed is kept longer than it may be. */
	if (strchr(word, '/') && why.code == E_NOT_FOUND) {
		spec->batch = mem_strdup(word);
		return true;
	}
	if (why.code != E_NOT_FOUND)
		return err_move(err, &why);
	if (runs_get(core->store, word, &run, &why)) {
		spec->run = mem_strdup(run.id);
		return true;
	}
	if (why.code != E_NOT_FOUND && strlen(word) >= 8)
		return err_move(err, &why);
	if (changes_get(core->store, word, &change, &why)) {
		spec->ids = mem_alloc(sizeof(*spec->ids));
		spec->ids[spec->id_count++] = mem_strdup(change.id);
		return true;
	}
	return err_set(err, E_NOT_FOUND, "there is no run, no change and no batch %s", word);
}

bool
api_review_scope(struct api *api, const char *word, struct selection_spec *ret_spec,
		 char **ret_scope, struct err *err)
{
	struct buf scope = BUF_INIT;

	if (!word || !api_review_word(api->core, word, ret_spec, err))
		return word ? false : err_set(err, E_USAGE, "of: expected a batch or a run");
	if (!ret_spec->batch && !ret_spec->run) {
		selection_spec_fini(ret_spec);
		return err_set(err, E_USAGE, "%s is one change; expected a batch or a run", word);
	}
	buf_cat(&scope, ret_spec->batch ? "batch " : "run ",
		ret_spec->batch ? ret_spec->batch : ret_spec->run);
	*ret_scope = buf_take(&scope);
	return true;
}

/* --- GET /v1/diff -------------------------------------------------------------------------- */

static json_t *
flags_json(unsigned flags)
{
	json_t *list = json_array();

	for (int bit = 0; bit < GROUP_FLAG_BITS; bit++)
		if (flags & 1u << bit)
			json_array_append_new(
				list, json_string(group_flag_name((enum group_flag_bit)bit)));
	return list;
}

static json_t *
field_json(const struct group_field *field)
{
	json_t *object = json_object(), *values = json_array(), *numbers;

	json_put_str(object, "path", field->path);
	json_object_set_new(object, "kind", json_stringn(&field->kind, 1));
	for (size_t i = 0; i < field->value_count && i < VALUES_SHOWN && !field->many; i++) {
		json_t *value = json_object();

		json_put_str(value, "value", field->values[i].text);
		json_object_set_new(value, "count",
				    json_integer((json_int_t)field->values[i].count));
		json_array_append_new(values, value);
	}
	json_object_set_new(object, "values", values);
	json_object_set_new(object, "different",
			    field->many ? json_null()
					: json_integer((json_int_t)field->value_count));
	if (field->numbers) {
		numbers = json_object();
		json_object_set_new(numbers, "count", json_integer((json_int_t)field->numbers));
		json_object_set_new(numbers, "least", json_real(field->least));
		json_object_set_new(numbers, "most", json_real(field->most));
		if (field->has_range) {
			json_object_set_new(numbers, "low", json_real(field->low));
			json_object_set_new(numbers, "high", json_real(field->high));
		}
		json_object_set_new(object, "numbers", numbers);
	}
	return object;
}

static json_t *
rows_json(struct core *core, const int64_t *seqs, size_t count, const unsigned *flags)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		AUTO(change_row_fini) struct change_row row = {0};
		json_t *object;

		if (!changes_get_seq(core->store, seqs[i], &row, NULL))
			continue;
		object = change_object(&row);
		if (flags)
			json_object_set_new(object, "flags", flags_json(flags[i]));
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *
group_json(struct core *core, const struct group *group)
{
	json_t *object = json_object(), *fields = json_array(), *flags = json_object();

	json_put_str(object, "group", *group->key ? group->name : NULL);
	json_put_str(object, "target", group->target);
	json_put_str(object, "op", group->op);
	json_object_set_new(object, "count", json_integer((json_int_t)group->count));
	json_object_set_new(object, "flagged", json_integer((json_int_t)group->flagged));
	for (int bit = 0; bit < GROUP_FLAG_BITS; bit++)
		if (group->flags[bit])
			json_object_set_new(flags, group_flag_name((enum group_flag_bit)bit),
					    json_integer((json_int_t)group->flags[bit]));
	json_object_set_new(object, "flags", flags);
	if (group->confident) {
		json_object_set_new(object, "least_confidence", json_real(group->least_confidence));
		json_object_set_new(object, "mean_confidence",
				    json_real(group->sum_confidence / (double)group->confident));
	}
	for (size_t i = 0; i < group->field_count; i++)
		json_array_append_new(fields, field_json(&group->fields[i]));
	json_object_set_new(object, "fields", fields);
	json_object_set_new(object, "examples",
			    rows_json(core, group->examples, group->example_count, NULL));
	json_object_set_new(
		object, "outliers",
		rows_json(core, group->outliers, group->outlier_count, group->outlier_flags));
	return object;
}

static void
counts_put(json_t *answer, const struct look_counts *counts)
{
	const struct {
		const char *name;
		uint64_t n;
	} ops[] = {{"create", counts->create},
		   {"update", counts->update},
		   {"delete", counts->remove},
		   {"call", counts->call}};
	json_t *plan = json_object(), *status = json_object();

	json_object_set_new(answer, "total", json_integer((json_int_t)counts->all));
	json_object_set_new(answer, "flagged", json_integer((json_int_t)counts->flagged));
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		json_object_set_new(plan, ops[i].name, json_integer((json_int_t)ops[i].n));
	for (int i = 0; i < CHANGE_STATE_COUNT; i++)
		if (counts->by_status[i])
			json_object_set_new(status, change_state_name((enum change_state)i),
					    json_integer((json_int_t)counts->by_status[i]));
	json_object_set_new(answer, "plan", plan);
	json_object_set_new(answer, "status", status);
}

static void
on_looked(void *arg, struct look *look, struct err *err)
{
	struct asking *asking = arg;
	json_t *answer, *list;
	size_t groups;

	if (!look) {
		http_reply_error(asking->req, err);
		free(asking);
		return;
	}
	answer = json_object();
	list = json_array();
	groups = grouper_count(look_groups(look));
	json_put_str(answer, "look", look_id(look));
	json_put_str(answer, "digest", selection_digest(look_selection(look)));
	json_put_str(answer, "batch", selection_spec(look_selection(look))->batch);
	json_put_str(answer, "run", selection_spec(look_selection(look))->run);
	counts_put(answer, look_counts(look));
	for (size_t i = 0; i < groups && i < asking->groups; i++)
		json_array_append_new(
			list, group_json(asking->api->core, grouper_ranked(look_groups(look), i)));
	json_object_set_new(answer, "groups", list);
	json_object_set_new(answer, "group_count", json_integer((json_int_t)groups));
	api_reply(asking->req, 200, answer);
	free(asking);
}

static bool
number_param(const struct http_request *req, const char *name, uint64_t def, uint64_t most,
	     uint64_t *ret, struct err *err)
{
	AUTO(auto_free) char *text = http_query_param(req, name);

	*ret = def;
	if (text && (!str_to_u64(str_of(text), ret) || *ret > most))
		return err_set(err, E_USAGE, "%s=%s; expected a number up to %llu", name, text,
			       (unsigned long long)most);
	return true;
}

/* Statuses, comma separated. */
static bool
status_read(const char *words, struct selection_spec *spec, struct err *err)
{
	struct str rest = str_of(words), word;

	while (rest.p) {
		AUTO(auto_free) char *name = NULL;
		enum change_state state;

		rest = str_split(rest, ',', &word);
		name = str_dup(word);
		state = change_state_of(name);
		if (state == CHANGE_NOWHERE)
			return err_set(err, E_USAGE, "status=%s; expected proposed, approved, ...",
				       words);
		spec->statuses |= 1u << state;
	}
	return true;
}

static bool
sample_ids(struct core *core, const char *id, struct selection_spec *spec, struct err *err)
{
	AUTO(sample_row_fini) struct sample_row sample = {0};
	AUTO(json_auto_decref) json_t *ids = NULL;

	if (!samples_get(core->store, id, &sample, err))
		return false;
	ids = sampling_ids(core, &sample, err);
	if (!ids)
		return false;
	spec->ids = mem_alloc_array(json_array_size(ids) + 1, sizeof(*spec->ids));
	for (size_t i = 0; i < json_array_size(ids); i++)
		spec->ids[spec->id_count++] = mem_strdup(json_string_value(json_array_get(ids, i)));
	return true;
}

static bool
spec_of_query(const struct api *api, const struct http_request *req, struct selection_spec *ret,
	      struct err *err)
{
	static const char *const names[] = {"batch", "run", "entity", "where", "group"};
	AUTO(json_auto_decref) json_t *object = json_object();
	AUTO(auto_free) char *change = http_query_param(req, "change");
	AUTO(auto_free) char *status = http_query_param(req, "status");
	AUTO(auto_free) char *of = http_query_param(req, "of");
	AUTO(auto_free) char *sample = http_query_param(req, "sample");

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(auto_free) char *value = http_query_param(req, names[i]);

		json_put_str(object, names[i], value);
	}
	if (change)
		json_object_set_new(object, "changes", json_pack("[s]", change));
	if (!selection_spec_read(object, ret, err))
		return false;
	if (sample && !sample_ids(api->core, sample, ret, err)) {
		selection_spec_fini(ret);
		return false;
	}
	if (of && !api_review_word(api->core, of, ret, err)) {
		selection_spec_fini(ret);
		return false;
	}
	if (!status || status_read(status, ret, err))
		return true;
	selection_spec_fini(ret);
	return false;
}

static void
on_diff(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf policy = BUF_INIT;
	struct selection_spec spec = {0};
	struct asking *asking;
	uint64_t groups;

	(void)match;
	if (!number_param(req, "groups", GROUPS_SHOWN, GROUPS_MOST, &groups, &err) ||
	    !spec_of_query(api, req, &spec, &err)) {
		http_reply_error(req, &err);
		return;
	}
	api_review_policy(api->core, spec.batch, spec.run, &policy);
	asking = mem_alloc(sizeof(*asking));
	*asking = (struct asking){api, req, groups};
	look_take(api->core, &spec, buf_cstr(&policy), on_looked, asking);
}

/* --- GET /v1/diff/{look} ------------------------------------------------------------------- */

static void
items_reply(struct api *api, struct http_request *req, struct look *look, uint64_t at,
	    uint64_t limit)
{
	struct looked *looked = mem_alloc_array((size_t)limit, sizeof(*looked));
	AUTO(err_fini) struct err err = ERR_INIT;
	json_t *items = json_array(), *answer;
	int count = look_get(look, at, looked, (int)limit, &err);

	for (int i = 0; i < count; i++) {
		AUTO(change_row_fini) struct change_row row = {0};
		const struct group *group = grouper_ranked(look_groups(look), looked[i].group);
		json_t *object;

		if (!changes_get_seq(api->core->store, looked[i].seq, &row, NULL))
			continue;
		object = change_object(&row);
		json_put_str(object, "group", *group->key ? group->name : NULL);
		json_object_set_new(object, "flags", flags_json(looked[i].flags));
		json_array_append_new(items, object);
	}
	free(looked);
	if (count < 0) {
		json_decref(items);
		http_reply_error(req, &err);
		return;
	}
	answer = json_object();
	json_object_set_new(answer, "items", items);
	json_object_set_new(answer, "at", json_integer((json_int_t)at));
	json_object_set_new(answer, "total",
			    json_integer((json_int_t)selection_count(look_selection(look))));
	json_object_set_new(answer, "next",
			    (uint64_t)count == limit
				    ? json_sprintf("%llu", (unsigned long long)(at + limit))
				    : json_null());
	api_reply(req, 200, answer);
}

/* Where a change stands in it. */
static bool
position_find(struct core *core, const struct look *look, const char *id, uint64_t *ret,
	      struct err *err)
{
	AUTO(change_row_fini) struct change_row row = {0};
	struct looked page[500];
	int count;

	if (!changes_get(core->store, id, &row, err))
		return false;
	for (uint64_t at = 0; (count = look_get(look, at, page, ARRAY_LEN(page), err)) > 0;
	     at += (uint64_t)count)
		for (int i = 0; i < count; i++) {
			*ret = at + (uint64_t)i;
			if (page[i].seq == row.seq)
				return true;
		}
	return !count && err_set(err, E_NOT_FOUND, "change %s is none of these", id);
}

static void
on_items(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(auto_free) char *find = http_query_param(req, "find");
	AUTO(err_fini) struct err err = ERR_INIT;
	struct look *look = look_find(api->core, id);
	uint64_t at, limit;

	if (!look)
		err_set(&err, E_NOT_FOUND, "this look is over; take another (GET /v1/diff)");
	if (look && number_param(req, "after", 0, INT64_MAX, &at, &err) &&
	    number_param(req, "limit", ITEMS_SHOWN, ITEMS_MOST, &limit, &err)) {
		if (!find || position_find(api->core, look, find, &at, &err)) {
			items_reply(api, req, look, at, limit ? limit : 1);
			return;
		}
	}
	http_reply_error(req, &err);
}

static const struct route routes[] = {
	{"GET", "/v1/diff", "read", "what would change, like changes together", on_diff},
	{"GET", "/v1/diff/{look}", "read", "its changes, what needs eyes first", on_items},
};

void
api_review_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
