/* JSON Patch (RFC 6902): operations on a document, all of them or none. */
/* SPDX-License-Identifier: MIT */
#include "pure/jsonpatch.h"

#include <string.h>

/* What one operation is about. */
struct step {
	json_t **root;
	const json_t *operation;
	const char *path, *from; /* pointers, RFC 6901 */
	json_t *value;		 /* borrowed; NULL: none is needed */
	struct err *err;
};

/* Where a pointer leads: a member or an index of a container; parent NULL: the document itself. */
struct place {
	json_t *parent;
	char *name;    /* of an object's member; owned */
	size_t index;  /* of an array's element */
	json_t *value; /* what is there; NULL; borrowed */
};

static void
place_fini(struct place *place)
{
	free(place->name);
}

static bool
misfit(const struct step *step, const char *path, const char *why)
{
	const char *op = json_str(step->operation, "op");

	return err_set(step->err, E_DRIFT, "the patch does not fit what is there: %s %s: %s",
		       op ? op : "?", *path ? path : "(the document)", why);
}

/* ~1 is a slash, ~0 a tilde. False: neither follows a tilde. */
static bool
token_decode(struct str token, struct buf *out)
{
	for (size_t i = 0; i < token.len; i++) {
		if (token.p[i] != '~') {
			buf_putc(out, token.p[i]);
			continue;
		}
		if (++i == token.len || (token.p[i] != '0' && token.p[i] != '1'))
			return false;
		buf_putc(out, token.p[i] == '0' ? '~' : '/');
	}
	return true;
}

static bool
pointer_is_well_formed(const char *pointer)
{
	struct str rest = str_of(pointer), token;

	if (!rest.len)
		return true;
	if (*pointer != '/')
		return false;
	while (rest.p) {
		AUTO(buf_fini) struct buf name = BUF_INIT;

		rest = str_split(rest, '/', &token);
		if (!token_decode(token, &name))
			return false;
	}
	return true;
}

/* An index without leading zeros; "-" is the one behind the last. */
static bool
index_of(const char *name, size_t count, size_t *ret)
{
	uint64_t n;

	if (!strcmp(name, "-")) {
		*ret = count;
		return true;
	}
	if ((name[0] == '0' && name[1]) || !str_to_u64(str_of(name), &n) || n > count)
		return false;
	*ret = (size_t)n;
	return true;
}

/* Goes one token down from what place holds. */
static bool
place_down(const struct step *step, const char *path, const char *name, struct place *place)
{
	json_t *at = place->value;

	if (!json_is_object(at) && !json_is_array(at))
		return misfit(step, path, "there is nothing that could have it");
	free(place->name);
	place->name = mem_strdup(name);
	place->parent = at;
	if (json_is_object(at)) {
		place->value = json_object_get(at, name);
		return true;
	}
	if (!index_of(name, json_array_size(at), &place->index))
		return misfit(step, path, "the array has no such element");
	place->value = json_array_get(at, place->index);
	return true;
}

static bool
place_find(const struct step *step, const char *path, struct place *ret)
{
	struct str rest = str_of(path), token;

	*ret = (struct place){.value = *step->root};
	if (!rest.len)
		return true;
	rest = str_split(rest, '/', &token);
	while (rest.p) {
		AUTO(buf_fini) struct buf name = BUF_INIT;

		rest = str_split(rest, '/', &token);
		token_decode(token, &name);
		if (!place_down(step, path, buf_cstr(&name), ret))
			return false;
	}
	return true;
}

static bool
place_is_there(const struct step *step, const char *path, struct place *ret)
{
	return place_find(step, path, ret) && (ret->value || misfit(step, path, "it is not there"));
}

static bool
put(const struct step *step, const char *path, json_t *take_value, bool instead)
{
	AUTO(place_fini) struct place place;

	if (!(instead ? place_is_there(step, path, &place) : place_find(step, path, &place))) {
		json_decref(take_value);
		return false;
	}
	if (!place.parent) {
		json_decref(*step->root);
		*step->root = take_value;
		return true;
	}
	if (json_is_object(place.parent))
		return !json_object_set_new(place.parent, place.name, take_value);
	return instead ? !json_array_set_new(place.parent, place.index, take_value)
		       : !json_array_insert_new(place.parent, place.index, take_value);
}

static bool
cut(const struct step *step, const char *path)
{
	AUTO(place_fini) struct place place;

	if (!place_is_there(step, path, &place))
		return false;
	if (!place.parent)
		return misfit(step, path, "the document itself cannot be removed");
	return json_is_object(place.parent) ? !json_object_del(place.parent, place.name)
					    : !json_array_remove(place.parent, place.index);
}

static bool
op_add(const struct step *step)
{
	return put(step, step->path, json_deep_copy(step->value), false);
}

static bool
op_remove(const struct step *step)
{
	return cut(step, step->path);
}

static bool
op_replace(const struct step *step)
{
	return put(step, step->path, json_deep_copy(step->value), true);
}

static bool
op_copy(const struct step *step)
{
	AUTO(place_fini) struct place from;

	return place_is_there(step, step->from, &from) &&
	       put(step, step->path, json_deep_copy(from.value), false);
}

static bool
op_move(const struct step *step)
{
	AUTO(json_auto_decref) json_t *value = NULL;
	AUTO(place_fini) struct place from;
	size_t len = strlen(step->from);

	if (!place_is_there(step, step->from, &from))
		return false;
	if (!strcmp(step->from, step->path))
		return true;
	if (!strncmp(step->path, step->from, len) && step->path[len] == '/')
		return misfit(step, step->path, "nothing can be moved into itself");
	value = json_deep_copy(from.value);
	return cut(step, step->from) && put(step, step->path, TAKE(value), false);
}

static bool
numbers_equal(const json_t *a, const json_t *b)
{
	return json_is_number(a) && json_is_number(b) &&
	       json_number_value(a) == json_number_value(b);
}

static bool
op_test(const struct step *step)
{
	AUTO(place_fini) struct place place;

	return place_is_there(step, step->path, &place) &&
	       (json_equal(place.value, step->value) || numbers_equal(place.value, step->value) ||
		misfit(step, step->path, "another value is there"));
}

static const struct {
	const char *name;
	bool (*run)(const struct step *step);
	bool value, from;
} operations[] = {
	{"add", op_add, true, false},	      {"remove", op_remove, false, false},
	{"replace", op_replace, true, false}, {"move", op_move, false, true},
	{"copy", op_copy, false, true},	      {"test", op_test, true, false},
};

static int
operation_of(const json_t *item)
{
	const char *op = json_str(item, "op");

	for (size_t i = 0; op && i < ARRAY_LEN(operations); i++)
		if (!strcmp(operations[i].name, op))
			return (int)i;
	return -1;
}

bool
jsonpatch_check(const json_t *patch, struct err *err)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(patch))
		return err_set(err, E_INVALID, "a JSON patch is a list of operations");
	json_array_foreach ((json_t *)patch, i, item) {
		int op = operation_of(item);
		const char *path = json_str(item, "path"), *from = json_str(item, "from");

		if (op < 0)
			return err_set(err, E_INVALID,
				       "operation %zu of the patch has no known op; expected add, "
				       "remove, replace, move, copy or test",
				       i + 1);
		if (!path || !pointer_is_well_formed(path))
			return err_set(err, E_INVALID,
				       "operation %zu of the patch (%s) has no path; expected a "
				       "pointer like /a/0",
				       i + 1, operations[op].name);
		if (operations[op].from && (!from || !pointer_is_well_formed(from)))
			return err_set(err, E_INVALID,
				       "operation %zu of the patch (%s) has no from; expected a "
				       "pointer like /a/0",
				       i + 1, operations[op].name);
		if (operations[op].value && !json_object_get(item, "value"))
			return err_set(err, E_INVALID,
				       "operation %zu of the patch (%s) has no value", i + 1,
				       operations[op].name);
	}
	return true;
}

bool
jsonpatch_apply(const json_t *target, const json_t *patch, json_t **ret, struct err *err)
{
	AUTO(json_auto_decref) json_t *root = NULL;
	const json_t *item;
	size_t i;

	if (!jsonpatch_check(patch, err))
		return false;
	root = json_deep_copy(target);
	json_array_foreach ((json_t *)patch, i, item) {
		const struct step step = {.root = &root,
					  .operation = item,
					  .path = json_str(item, "path"),
					  .from = json_str(item, "from"),
					  .value = json_object_get(item, "value"),
					  .err = err};

		if (!operations[operation_of(item)].run(&step))
			return false;
	}
	*ret = TAKE(root);
	return true;
}
