/* Routes: a table of method, pattern and handler; upper rooms hand theirs down. */
/* SPDX-License-Identifier: MIT */
#include "http/route.h"

#include <stdlib.h>

#include "base/list.h"

struct route_table {
	STAILQ_ENTRY(route_table) entry;
	const struct route *rows;
	size_t count;
	void *arg;
};

/* What Allow says, kept so that the caller need not free it: one for each set of methods. */
struct allow_list {
	SLIST_ENTRY(allow_list) entry;
	char *text;
};

struct router {
	STAILQ_HEAD(, route_table) tables;
	SLIST_HEAD(, allow_list) allows;
};

struct router *
router_new(void)
{
	struct router *router = mem_alloc(sizeof *router);
	STAILQ_INIT(&router->tables);
	SLIST_INIT(&router->allows);
	return router;
}

void
router_free(struct router *router)
{
	struct route_table *table;
	struct allow_list *allow;
	if (!router)
		return;
	while ((table = STAILQ_FIRST(&router->tables))) {
		STAILQ_REMOVE_HEAD(&router->tables, entry);
		free(table);
	}
	while ((allow = SLIST_FIRST(&router->allows))) {
		SLIST_REMOVE_HEAD(&router->allows, entry);
		free(allow->text);
		free(allow);
	}
	free(router);
}

void
router_add(struct router *router, const struct route *rows, size_t count, void *arg)
{
	struct route_table *table = mem_alloc(sizeof *table);
	table->rows = rows;
	table->count = count;
	table->arg = arg;
	STAILQ_INSERT_TAIL(&router->tables, table, entry);
}

void
router_each(const struct router *router, void (*fn)(void *arg, const struct route *route),
	    void *arg)
{
	struct route_table *table;
	STAILQ_FOREACH (table, &router->tables, entry)
		for (size_t i = 0; i < table->count; i++)
			fn(arg, &table->rows[i]);
}

/* "{x}" or "{x...}". */
static bool
is_param(struct str segment, bool *ret_takes_rest)
{
	*ret_takes_rest = str_ends(segment, STR("...}"));
	return segment.len > 2 && segment.p[0] == '{' && segment.p[segment.len - 1] == '}';
}

/* Most patterns already differ from a path before their first parameter. */
static bool
pattern_may_match(const char *pattern, struct str path)
{
	size_t i = 0;
	while (i < path.len && pattern[i] != '{' && pattern[i] == path.p[i])
		i++;
	return pattern[i] == '{' || (i == path.len && !pattern[i]);
}

/* What stands before slashes is compared piece by piece; a parameter takes one that is not empty.
 */
static bool
pattern_match(const char *pattern, struct str path, struct route_match *ret)
{
	struct str left = str_of(pattern), rest = path, want, got;
	size_t params = 0;
	bool takes_rest;
	if (!pattern_may_match(pattern, path))
		return false;
	*ret = (struct route_match){0};
	while (left.p && rest.p) {
		struct str whole = rest;
		left = str_split(left, '/', &want);
		rest = str_split(rest, '/', &got);
		if (!is_param(want, &takes_rest)) {
			if (!str_eq(want, got))
				return false;
			continue;
		}
		if (!got.len || params == ROUTE_PARAMS)
			return false;
		ret->params[params++] = takes_rest ? whole : got;
		if (takes_rest)
			return true;
	}
	return !left.p && !rest.p;
}

static bool
method_match(const char *method, struct str got)
{
	return str_eq_cstr(got, method) ||
	       (str_eq(got, STR("HEAD")) && str_eq(str_of(method), STR("GET")));
}

/* How exact a pattern is: a plain segment counts more than a parameter, the more so the further in
 * front it stands. */
static uint64_t
pattern_rank(const char *pattern)
{
	struct str left = str_of(pattern), segment;
	uint64_t rank = 0;
	unsigned shift = 62;
	bool takes_rest;
	left = str_split(left, '/', &segment);
	for (; left.p && shift; shift -= 2) {
		left = str_split(left, '/', &segment);
		uint64_t weight = !is_param(segment, &takes_rest) ? 3 : takes_rest ? 1 : 2;
		rank |= weight << shift;
	}
	return rank;
}

static bool
list_has(struct str list, struct str method)
{
	struct str item;
	while (list.p) {
		list = str_split(list, ',', &item);
		if (str_eq(str_trim(item), method))
			return true;
	}
	return false;
}

static void
list_add(struct buf *list, const char *method)
{
	if (list_has(buf_str(list), str_of(method)))
		return;
	if (list->len)
		buf_puts(list, ", ");
	buf_puts(list, method);
	if (!strcmp(method, "GET"))
		buf_puts(list, ", HEAD");
}

/* The router's own copy, shared by all who ask for the same. */
static const char *
router_keep(struct router *router, const char *text)
{
	struct allow_list *allow;
	SLIST_FOREACH(allow, &router->allows, entry)
	if (!strcmp(allow->text, text))
		return allow->text;
	allow = mem_alloc(sizeof *allow);
	allow->text = mem_strdup(text);
	SLIST_INSERT_HEAD(&router->allows, allow, entry);
	return allow->text;
}

struct search {
	const struct route *route;
	void *arg;
	struct route_match match;
	uint64_t rank;
};

static void
search_table(struct search *search, const struct route_table *table, struct str method,
	     struct str path)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct route *route = &table->rows[i];
		struct route_match match;
		if (!pattern_match(route->pattern, path, &match) ||
		    !method_match(route->method, method))
			continue;
		uint64_t rank = pattern_rank(route->pattern);
		if (search->route && rank <= search->rank)
			continue;
		search->route = route;
		search->arg = table->arg;
		search->match = match;
		search->rank = rank;
	}
}

/* The methods that the path has. */
static void
list_allowed(const struct router *router, struct str path, struct buf *list)
{
	struct route_table *table;
	struct route_match match;
	STAILQ_FOREACH (table, &router->tables, entry)
		for (size_t i = 0; i < table->count; i++)
			if (pattern_match(table->rows[i].pattern, path, &match))
				list_add(list, table->rows[i].method);
}

bool
router_find(const struct router *router, struct str method, struct str path,
	    const struct route **ret_route, void **ret_arg, struct route_match *ret_match,
	    const char **ret_allow, struct err *err)
{
	AUTO(buf_fini) struct buf allow = BUF_INIT;
	struct search search = {0};
	struct route_table *table;
	STAILQ_FOREACH (table, &router->tables, entry)
		search_table(&search, table, method, path);
	if (search.route) {
		*ret_route = search.route;
		*ret_arg = search.arg;
		*ret_match = search.match;
		return true;
	}
	list_allowed(router, path, &allow);
	if (!allow.len)
		return err_set(err, E_NOT_FOUND, "there is nothing at %.*s", STR_ARG(path));
	/* The lists that are kept are no part of what the router answers. */
	*ret_allow = router_keep((struct router *)router, buf_cstr(&allow));
	return err_set(err, E_METHOD, "%.*s is not for %.*s, only for %s", STR_ARG(path),
		       STR_ARG(method), *ret_allow);
}
