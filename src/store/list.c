/* Patterns of reading: one row, each row, a row by the beginning of its id, lists with filters. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdlib.h>

#include "store/internal.h"

#define ID_BEGINNING 8 /* characters that a beginning must have: less would be a guess */
#define ROW_BYTES 768  /* room for one row of any shape */

bool
query_one(struct query *q, void *ret, const char *what, struct err *err)
{
	switch (query_step(q, err)) {
	case STEP_ROW:
		query_get_row(q, ret, false);
		return true;
	case STEP_DONE:
		return err_set(err, E_NOT_FOUND, "%s is unknown", what);
	default:
		return false;
	}
}

bool
query_each(struct query *q, row_fn *fn, void *arg, struct err *err)
{
	union {
		char bytes[ROW_BYTES];
		int64_t align;
	} row;
	enum driver_step step;
	while ((step = query_step(q, err)) == STEP_ROW) {
		query_get_row(q, &row, true);
		if (!fn(arg, &row))
			return true;
	}
	return step == STEP_DONE;
}

/* '~' sorts behind every character of an id. */
bool
query_by_id(struct query *q, const char *noun, const char *id, void *ret, struct err *err)
{
	AUTO(buf_fini) struct buf end = BUF_INIT;
	if (strlen(id) < ID_BEGINNING)
		return err_set(err, E_INVALID,
			       "%s %s: expected an id, or at least its first %d characters", noun,
			       id, ID_BEGINNING);
	buf_printf(&end, "%s~", id);
	query_text(q, "lo", id);
	query_text(q, "hi", buf_cstr(&end));
	enum driver_step step = query_step(q, err);
	if (step == STEP_DONE)
		return err_set(err, E_NOT_FOUND, "%s %s is unknown", noun, id);
	if (step == STEP_FAILED)
		return false;
	query_get_row(q, ret, false);
	step = query_step(q, err);
	if (step == STEP_DONE)
		return true;
	row_fini(query_shape(q), ret);
	if (step == STEP_ROW)
		err_set(err, E_INVALID, "several %ss begin with %s; give more of the id", noun, id);
	return false;
}

/* --- lists --- */

static const char *
filter_value(const struct list_query *query, const char *column)
{
	for (int i = 0; i < LIST_FILTERS && query->filters[i].column; i++) {
		if (!strcmp(query->filters[i].column, column))
			return query->filters[i].value;
	}
	return NULL;
}

static bool
filters_check(const struct list_def *def, const struct list_query *query, struct err *err)
{
	for (int i = 0; i < LIST_FILTERS && query->filters[i].column; i++) {
		const char *const *known = def->columns;
		while (*known && strcmp(*known, query->filters[i].column) != 0)
			known++;
		if (*known)
			continue;
		AUTO(buf_fini) struct buf names = BUF_INIT;
		for (known = def->columns; *known; known++)
			buf_printf(&names, "%s%s", names.len ? ", " : "", *known);
		return err_set(err, E_USAGE, "%ss cannot be filtered by %s; expected one of %s",
			       def->noun, query->filters[i].column, buf_cstr(&names));
	}
	return true;
}

static int
variant_choose(const struct list_def *def, const struct list_query *query)
{
	const struct list_variant *v = def->variants;
	for (; v->column; v++) {
		const char *value = filter_value(query, v->column);
		if (value && (!v->value || !strcmp(v->value, value)))
			break;
	}
	return v->statement;
}

struct listing {
	row_fn *fn;
	void *arg;
	const struct list_def *def;
	struct wall since;
	unsigned left;
};

/* seq is the order of arrival: the first row that is too old ends the list. */
static bool
list_row(void *arg, const void *row)
{
	struct listing *l = arg;
	if (wall_is_set(l->since) &&
	    ((const struct wall *)(const void *)((const char *)row + l->def->time_offset))->ms <
		    l->since.ms)
		return false;
	return l->fn(l->arg, row) && --l->left > 0;
}

bool
list_run(struct store *store, const struct list_def *def, const struct list_query *query,
	 row_fn *fn, void *arg, struct err *err)
{
	struct listing l = {fn, arg, def, query->since, query->limit};
	if (!query->limit || query->limit > 1000)
		return err_set(err, E_USAGE, "limit is %u; expected 1 to 1000", query->limit);
	if (!filters_check(def, query, err))
		return false;
	AUTO(query_end)
	struct query *q = query_read(store, def->room, variant_choose(def, query), err);
	if (!q)
		return false;
	for (const char *const *column = def->columns; *column; column++)
		query_text(q, *column, filter_value(query, *column));
	query_int(q, "before", query->before_seq > 0 ? query->before_seq : INT64_MAX);
	return query_each(q, list_row, &l, err);
}
