/* Fields: what a change does to each of them. */
/* SPDX-License-Identifier: MIT */
#include "cli/fields.h"

#include <stdlib.h>
#include <string.h>

void fields_fini(struct fields *fields)
{
	for (size_t i = 0; i < fields->count; i++)
		free(fields->items[i].path);
	free(fields->items);
	json_decref(fields->made);
	*fields = (struct fields)FIELDS_INIT;
}

static void add(struct fields *fields, const char *path, const json_t *before, const json_t *after)
{
	if (!(fields->count & (fields->count + 1)))
		fields->items =
			mem_realloc(fields->items, 2 * (fields->count + 1) * sizeof(*fields->items));
	fields->items[fields->count++] = (struct field){
		.path = mem_strdup(path),
		.kind = !before ? '+' : !after ? '-' : '~',
		.before = before,
		.after = after,
	};
}

static char *below(const char *path, const char *key)
{
	AUTO(buf_fini) struct buf full = BUF_INIT;

	if (*path)
		buf_printf(&full, "%s.", path);
	buf_puts(&full, key);
	return buf_take(&full);
}

static void walk(struct fields *fields, const char *path, const json_t *before, const json_t *after)
{
	const char *key;
	json_t *value;

	if (before && after && json_equal(before, after))
		return;
	if (!json_is_object(before) || !json_is_object(after)) {
		add(fields, path, before, after);
		return;
	}
	json_object_foreach((json_t *)before, key, value)
	{
		AUTO(auto_free) char *inner = below(path, key);
		const json_t *other = json_object_get(after, key);

		walk(fields, inner, value, other);
	}
	json_object_foreach((json_t *)after, key, value)
	{
		AUTO(auto_free) char *inner = below(path, key);

		if (!json_object_get(before, key))
			add(fields, inner, NULL, value);
	}
}

/* An object that comes or goes is shown field by field. */
static void walk_one_side(struct fields *fields, const json_t *before, const json_t *after)
{
	const json_t *whole = before ? before : after;
	const char *key;
	json_t *value;

	if (!json_is_object(whole) || !json_object_size(whole)) {
		add(fields, "", before, after);
		return;
	}
	json_object_foreach((json_t *)whole, key, value)
		add(fields, key, before ? value : NULL, after ? value : NULL);
}

/* RFC 7396. Returns a new reference. */
static json_t *merge(const json_t *target, const json_t *patch)
{
	json_t *made, *value;
	const char *key;

	if (!json_is_object(patch))
		return json_deep_copy(patch);
	made = json_is_object(target) ? json_copy((json_t *)target) : json_object();
	json_object_foreach((json_t *)patch, key, value)
	{
		if (json_is_null(value))
			json_object_del(made, key);
		else
			json_object_set_new(made, key, merge(json_object_get(made, key), value));
	}
	return made;
}

static const json_t *present(const json_t *change, const char *key)
{
	const json_t *value = json_object_get(change, key);

	return json_is_null(value) ? NULL : value;
}

void fields_of(const json_t *change, struct fields *ret)
{
	const json_t *before = present(change, "before"), *after = present(change, "after");
	const json_t *patch = present(change, "patch");
	const char *op = json_str(change, "op");

	if (!after && json_is_object(patch))
		after = ret->made = merge(before, patch);
	if (op && !strcmp(op, "delete"))
		after = NULL;
	if (before && after)
		walk(ret, "", before, after);
	else if (before || after)
		walk_one_side(ret, op && !strcmp(op, "create") ? NULL : before, after);
}

void fields_shape(const struct fields *fields, struct buf *out)
{
	for (size_t i = 0; i < fields->count; i++)
		buf_printf(out, "%c%s\n", fields->items[i].kind, fields->items[i].path);
}

void fields_text(const struct fields *fields, struct buf *out)
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
