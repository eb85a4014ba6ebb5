/* Lists: what ?limit= &after= &since= and the filters ask for. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"

#include "core/batch.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 1000

static const char *const common[] = {"limit", "after", "since"};

static bool
name_is_in(struct str name, const char *const *names)
{
	for (size_t i = 0; names && names[i]; i++)
		if (str_eq_cstr(name, names[i]))
			return true;
	return false;
}

/* A parameter that nobody knows is a mistake worth a word: a filter that is misspelt shows too
 * much. */
static bool
names_check(const struct http_request *req, const char *const *columns, struct err *err)
{
	struct str rest = http_query(req);

	while (rest.p && rest.len) {
		struct str pair, name;

		rest = str_split(rest, '&', &pair);
		str_split(pair, '=', &name);
		if (!name.len || name_is_in(name, columns) || str_eq_cstr(name, common[0]) ||
		    str_eq_cstr(name, common[1]) || str_eq_cstr(name, common[2]))
			continue;
		AUTO(buf_fini) struct buf known = BUF_INIT;

		for (size_t i = 0; columns && columns[i]; i++)
			buf_printf(&known, " %s", columns[i]);
		return err_set(err, E_USAGE, "unknown parameter %.*s; expected limit after since%s",
			       STR_ARG(name), buf_cstr(&known));
	}
	return true;
}

static bool
number_param(const struct http_request *req, const char *name, uint64_t def, uint64_t max,
	     uint64_t *ret, struct err *err)
{
	AUTO(auto_free) char *text = http_query_param(req, name);

	*ret = def;
	if (!text || !*text)
		return true;
	if (!str_to_u64(str_of(text), ret) || !*ret || *ret > max)
		return err_set(err, E_USAGE, "%s=%s; expected a number from 1 to %llu", name, text,
			       (unsigned long long)max);
	return true;
}

bool
api_list_begin(const struct http_request *req, const char *const *columns, struct api_list *ret,
	       struct err *err)
{
	AUTO(auto_free) char *since = http_query_param(req, "since");
	uint64_t limit, after;

	*ret = (struct api_list){.query.since = WALL_NONE};
	if (!names_check(req, columns, err) ||
	    !number_param(req, "limit", LIMIT_DEFAULT, LIMIT_MAX, &limit, err) ||
	    !number_param(req, "after", 0, INT64_MAX, &after, err))
		return false;
	if (since && !wall_parse(str_of(since), &ret->query.since))
		return err_set(err, E_USAGE, "since=%s; expected a time as 2026-11-20T09:30:00Z",
			       since);
	/* One more than asked for tells whether there is a next page. */
	ret->query.limit = (unsigned)limit;
	ret->query.before_seq = (int64_t)after;
	for (size_t i = 0; columns && columns[i] && ret->count < LIST_FILTERS; i++) {
		char *value = http_query_param(req, columns[i]);

		if (!value)
			continue;
		ret->values[ret->count] = value;
		ret->query.filters[ret->count++] = (struct list_filter){columns[i], value};
	}
	ret->items = json_array();
	return true;
}

void
api_list_batch(struct api *api, struct api_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		AUTO(batch_row_fini) struct batch_row row = {0};

		if (strcmp(list->query.filters[i].column, "batch") != 0 ||
		    strchr(list->values[i], '/') ||
		    !batch_find(api->core, list->values[i], &row, NULL))
			continue;
		free(list->values[i]);
		list->values[i] = mem_strdup(row.id);
		list->query.filters[i].value = list->values[i];
	}
}

bool
api_list_add(struct api_list *list, json_t *take_item, int64_t seq)
{
	json_array_append_new(list->items, take_item);
	list->last_seq = seq;
	return ++list->got < list->query.limit;
}

void
api_reply_items(struct http_request *req, json_t *take_items)
{
	json_t *answer = json_object();

	json_object_set_new(answer, "items", take_items);
	json_object_set_new(answer, "next", json_null());
	api_reply(req, 200, answer);
}

static void
items_reply(const struct api_list *list, struct http_request *req)
{
	json_t *answer = json_object();
	AUTO(buf_fini) struct buf cursor = BUF_INIT;

	buf_printf(&cursor, "%lld", (long long)list->last_seq);
	json_object_set(answer, "items", list->items);
	json_object_set_new(answer, "next",
			    list->got >= list->query.limit ? json_string(buf_cstr(&cursor))
							   : json_null());
	api_reply(req, 200, answer);
}

void
api_list_reply(struct api_list *list, struct http_request *req, const struct err *err)
{
	if (err->code == E_OK)
		items_reply(list, req);
	else
		http_reply_error(req, err);
	for (size_t i = 0; i < list->count; i++)
		free(list->values[i]);
	json_decref(list->items);
	*list = (struct api_list){0};
}
