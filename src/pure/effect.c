/* Effects: what a change does to each field, read from the JSON text itself. */
/* SPDX-License-Identifier: MIT */
#include "pure/effect.h"

#include <stdlib.h>

#include "base/digest.h"
#include "base/json.h"

#define DEPTH_MAX 8 /* what lies deeper is compared as a whole */

void
effect_fini(struct effect *effect)
{
	buf_fini(&effect->paths);
}

/* --- members ------------------------------------------------------------------------------- */

struct member {
	struct str name, value; /* name: raw, without quotes */
};

struct members {
	struct member list[EFFECT_MEMBERS];
	size_t count;
};

static bool
is_object(struct str raw)
{
	return raw.p && raw.len && *raw.p == '{';
}

static bool
is_null(struct str raw)
{
	return str_eq_cstr(raw, "null");
}

/* False where it is no object, or has too many. */
static bool
members_read(struct str raw, struct members *ret)
{
	struct json_member_walk walk;

	ret->count = 0;
	if (!is_object(raw))
		return false;
	json_members(raw, &walk);
	while (ret->count < EFFECT_MEMBERS) {
		struct member *member = &ret->list[ret->count];

		if (!json_member_next(&walk, &member->name, &member->value))
			return true;
		ret->count++;
	}
	return false;
}

/* Most often it stands where the other one stood. */
static const struct member *
member_find(const struct members *members, struct str name, size_t guess)
{
	if (guess < members->count && str_eq(members->list[guess].name, name))
		return &members->list[guess];
	for (size_t i = 0; i < members->count; i++)
		if (str_eq(members->list[i].name, name))
			return &members->list[i];
	return NULL;
}

/* --- fields -------------------------------------------------------------------------------- */

static void
field_add(struct effect *effect, struct str path, char kind, struct str before, struct str after)
{
	struct effect_field *field;

	if (effect->count == EFFECT_FIELDS) {
		field = &effect->fields[EFFECT_FIELDS - 1];
		field->path = effect->paths.len;
		buf_puts(&effect->paths, "\xe2\x80\xa6");
		field->path_len = effect->paths.len - field->path;
		*field = (struct effect_field){field->path, field->path_len, '~', STR_NONE,
					       STR_NONE};
		return;
	}
	field = &effect->fields[effect->count++];
	*field = (struct effect_field){effect->paths.len, path.len, kind, before, after};
	buf_add_str(&effect->paths, path);
}

struct place {
	struct effect *effect;
	struct buf *path;
	unsigned depth;
};

static size_t
path_push(const struct place *place, struct str name)
{
	size_t len = place->path->len;

	if (len)
		buf_putc(place->path, '.');
	buf_add_str(place->path, name);
	return len;
}

static void compare(const struct place *place, struct str before, struct str after);

static void
compare_members(const struct place *place, const struct members *before,
		const struct members *after)
{
	const struct place inner = {place->effect, place->path, place->depth + 1};
	size_t len;

	for (size_t i = 0; i < before->count; i++) {
		const struct member *is = member_find(after, before->list[i].name, i);

		if (is && str_eq(is->value, before->list[i].value))
			continue;
		len = path_push(place, before->list[i].name);
		if (is)
			compare(&inner, before->list[i].value, is->value);
		else
			field_add(place->effect, buf_str(place->path), '-', before->list[i].value,
				  STR_NONE);
		buf_truncate(place->path, len);
	}
	for (size_t i = 0; i < after->count; i++) {
		if (member_find(before, after->list[i].name, i))
			continue;
		len = path_push(place, after->list[i].name);
		field_add(place->effect, buf_str(place->path), '+', STR_NONE, after->list[i].value);
		buf_truncate(place->path, len);
	}
}

static void
compare(const struct place *place, struct str before, struct str after)
{
	struct members was, is;

	if (place->depth < DEPTH_MAX && members_read(before, &was) && members_read(after, &is))
		compare_members(place, &was, &is);
	else
		field_add(place->effect, buf_str(place->path), '~', before, after);
}

/* A value that comes: its members, or itself. */
static void
one_side(struct effect *effect, struct str raw)
{
	struct members members;

	if (!members_read(raw, &members) || !members.count)
		field_add(effect, STR(""), '+', STR_NONE, raw);
	else
		for (size_t i = 0; i < members.count; i++)
			field_add(effect, members.list[i].name, '+', STR_NONE,
				  members.list[i].value);
}

static void
merge_patch(const struct place *place, struct str before, struct str patch)
{
	struct members was, with;
	const struct place inner = {place->effect, place->path, place->depth + 1};

	if (!members_read(before, &was))
		was.count = 0;
	if (!members_read(patch, &with)) {
		field_add(place->effect, buf_str(place->path), '~', before, patch);
		with.count = 0;
	}
	for (size_t i = 0; i < with.count; i++) {
		const struct member *m = &with.list[i];
		const struct member *had = member_find(&was, m->name, i);
		size_t len = path_push(place, m->name);

		if (is_null(m->value))
			field_add(place->effect, buf_str(place->path), '-',
				  had ? had->value : STR_NONE, STR_NONE);
		else if (is_object(m->value) && place->depth < DEPTH_MAX)
			merge_patch(&inner, had ? had->value : STR_NONE, m->value);
		else if (!had || !str_eq(had->value, m->value))
			field_add(place->effect, buf_str(place->path), had ? '~' : '+',
				  had ? had->value : STR_NONE, m->value);
		buf_truncate(place->path, len);
	}
}

static struct str
present(const char *text)
{
	struct str raw = text ? str_trim(str_of(text)) : STR_NONE;

	return is_null(raw) ? STR_NONE : raw;
}

struct sorted {
	struct effect_field field;
	const char *paths;
};

static int
by_path(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	size_t least =
		x->field.path_len < y->field.path_len ? x->field.path_len : y->field.path_len;
	int order = memcmp(x->paths + x->field.path, y->paths + y->field.path, least);

	return order ? order
		     : (x->field.path_len > y->field.path_len) -
			       (x->field.path_len < y->field.path_len);
}

static void
sort(struct effect *effect)
{
	struct sorted list[EFFECT_FIELDS];

	if (effect->count < 2)
		return;
	for (size_t i = 0; i < effect->count; i++)
		list[i] = (struct sorted){effect->fields[i], buf_cstr(&effect->paths)};
	qsort(list, effect->count, sizeof(*list), by_path);
	for (size_t i = 0; i < effect->count; i++)
		effect->fields[i] = list[i].field;
}

void
effect_read(struct effect *effect, const struct effect_of *of)
{
	struct str before = present(of->before), after = present(of->after);
	struct str patch = present(of->patch);
	AUTO(buf_fini) struct buf path = BUF_INIT;
	const struct place place = {effect, &path, 0};
	const char *op = of->op ? of->op : "";

	effect->count = 0;
	buf_clear(&effect->paths);
	if (!strcmp(op, "delete"))
		return;
	if (!after.p && is_object(patch))
		merge_patch(&place, before, patch);
	else if (!after.p && patch.p)
		field_add(effect, STR("patch"), '~', STR_NONE, patch);
	else if (before.p && after.p && strcmp(op, "create"))
		compare(&place, before, after);
	else if (after.p)
		one_side(effect, after);
	sort(effect);
}

void
effect_key(const struct effect *effect, const struct effect_of *of, struct buf *out)
{
	buf_cat(out, of->target ? of->target : "", "\n", of->op ? of->op : "", "\n");
	for (size_t i = 0; i < effect->count; i++) {
		buf_putc(out, effect->fields[i].kind);
		buf_add_str(out, effect_path(effect, &effect->fields[i]));
		buf_putc(out, '\n');
	}
}

void
effect_key_name(struct str key, char ret[33])
{
	struct digest digest = digest_of(DIGEST_SHA256, key);
	AUTO(buf_fini) struct buf hex = BUF_INIT;

	hex_encode(&hex, str_make(digest.bytes, 16));
	memcpy(ret, buf_cstr(&hex), 33);
}
