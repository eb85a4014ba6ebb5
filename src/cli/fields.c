/* Fields: what a change does to each of them. */
/* SPDX-License-Identifier: MIT */
#include "cli/fields.h"

#include <stdlib.h>
#include <string.h>

void
fields_fini(struct fields *fields)
{
	for (size_t i = 0; i < fields->count; i++)
		free(fields->items[i].path);
	free(fields->items);
	json_decref(fields->made);
	jsondiff_free(fields->diff);
	*fields = (struct fields)FIELDS_INIT;
}

/* Takes take_path. */
static void
add(struct fields *fields, char *take_path, const json_t *before, const json_t *after)
{
	if (!(fields->count & (fields->count + 1)))
		fields->items = mem_realloc(fields->items,
					    2 * (fields->count + 1) * sizeof(*fields->items));
	fields->items[fields->count++] = (struct field){
		.path = take_path,
		.kind = !before	 ? '+'
			: !after ? '-'
				 : '~',
		.before = before,
		.after = after,
	};
}

static void
compare(struct fields *fields, const json_t *before, const json_t *after)
{
	fields->diff = jsondiff_new(before, after);
	for (size_t i = 0; i < fields->diff->count; i++) {
		const struct jsondiff_item *item = &fields->diff->items[i];

		add(fields, mem_strdup(item->path), item->before, item->after);
	}
}

/* An object that comes or goes is shown field by field. */
static void
walk_one_side(struct fields *fields, const json_t *before, const json_t *after)
{
	const json_t *whole = before ? before : after;
	const char *key;
	json_t *value;

	if (!json_is_object(whole) || !json_object_size(whole)) {
		add(fields, mem_strdup(""), before, after);
		return;
	}
	json_object_foreach ((json_t *)whole, key, value)
		add(fields, mem_strdup(key), before ? value : NULL, after ? value : NULL);
}

static const json_t *
present(const json_t *change, const char *key)
{
	const json_t *value = json_object_get(change, key);

	return json_is_null(value) ? NULL : value;
}

void
fields_of(const json_t *change, struct fields *ret)
{
	const json_t *before = present(change, "before"), *after = present(change, "after");
	const json_t *patch = present(change, "patch");
	const char *op = json_str(change, "op");

	if (!after && json_is_object(patch))
		after = ret->made = jsondiff_merge_apply(before, patch);
	if (op && !strcmp(op, "delete"))
		after = NULL;
	if (before && after)
		compare(ret, before, after);
	else if (before || after)
		walk_one_side(ret, op && !strcmp(op, "create") ? NULL : before, after);
}

/* Behind the '[' of an element: its ']', whatever its key is. */
static const char *
element_end(const char *p)
{
	size_t bare = strcspn(p, "]\"");

	p += bare;
	if (*p == '"')
		for (p++; *p && *p != '"'; p++)
			p += *p == '\\' && p[1];
	return p + strcspn(p, "]");
}

void
fields_shape(const struct fields *fields, struct buf *out)
{
	for (size_t i = 0; i < fields->count; i++) {
		buf_putc(out, fields->items[i].kind);
		for (const char *p = fields->items[i].path; *p; p++) {
			buf_putc(out, *p);
			/* Which element of a list it is makes no other kind of change. */
			if (*p == '[')
				p = element_end(p + 1) - 1;
		}
		buf_putc(out, '\n');
	}
}

void
fields_text(const struct fields *fields, struct buf *out)
{
	for (size_t i = 0; i < fields->count; i++) {
		const struct field *field = &fields->items[i];

		buf_printf(out, "%c%s\n", field->kind, field->path);
		if (field->before)
			json_write(out, field->before);
		buf_putc(out, '\n');
		if (field->after)
			json_write(out, field->after);
		buf_putc(out, '\n');
	}
}
