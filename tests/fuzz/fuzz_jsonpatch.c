/* Fuzz target: a document (first line) and a JSON Patch for it, or another document (the rest). */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "pure/jsondiff.h"
#include "pure/jsonpatch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One operation after the other comes to the same as all at once, and fails where that fails. */
static void
one_by_one(const json_t *target, const json_t *patch, bool fits, const json_t *made)
{
	json_t *at = json_deep_copy(target);
	const json_t *operation;
	bool ok = true;
	size_t i;

	json_array_foreach ((json_t *)patch, i, operation) {
		json_t *single = json_array(), *next = NULL;

		json_array_append(single, (json_t *)operation);
		ok = jsonpatch_apply(at, single, &next, NULL);
		json_decref(single);
		if (!ok)
			break;
		json_decref(at);
		at = next;
	}
	assert(ok == fits);
	assert(!fits || json_equal(at, (json_t *)made));
	json_decref(at);
}

static void
patch_try(const json_t *target, const json_t *patch)
{
	AUTO(json_auto_decref) json_t *was = json_deep_copy(target);
	AUTO(json_auto_decref) json_t *patch_was = json_deep_copy(patch);
	AUTO(json_auto_decref) json_t *made = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;
	bool sound = jsonpatch_check(patch, NULL),
	     fits = jsonpatch_apply(target, patch, &made, &err);

	assert(json_equal(was, (json_t *)target) && json_equal(patch_was, (json_t *)patch));
	assert(fits ? sound && made : !made && err.code != E_OK);
	if (sound)
		one_by_one(target, patch, fits, made);
}

/* What a merge patch is made of, it makes. */
static void
merge_try(const json_t *before, const json_t *after)
{
	AUTO(json_auto_decref) json_t *patch = NULL;
	AUTO(json_auto_decref) json_t *made = NULL;

	if (!jsondiff_merge_create(before, after, &patch))
		return;
	made = jsondiff_merge_apply(before, patch);
	assert(json_equal(made, (json_t *)after));
}

/* A patch that says what the document is and what it becomes leads there, and back. */
static void
whole_try(const json_t *before, const json_t *after)
{
	AUTO(json_auto_decref)
	json_t *patch = json_pack("[{ssssso}{ssssso}]", "op", "test", "path", "", "value",
				  json_deep_copy(before), "op", "replace", "path", "", "value",
				  json_deep_copy(after));
	AUTO(json_auto_decref) json_t *made = NULL;
	AUTO(json_auto_decref) json_t *none = NULL;

	assert(patch && jsonpatch_apply(before, patch, &made, NULL));
	assert(json_equal(made, (json_t *)after));
	assert(json_equal((json_t *)before, (json_t *)after) ||
	       !jsonpatch_apply(after, patch, &none, NULL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(json_auto_decref) json_t *target = NULL;
	AUTO(json_auto_decref) json_t *other = NULL;
	AUTO(jsondiff_auto_free) struct jsondiff *diff = NULL;
	AUTO(buf_fini) struct buf out = BUF_INIT;
	struct str first, rest = str_split(str_make(data, size), '\n', &first);

	if (!json_read(first, &target, NULL) || !rest.p || !json_read(rest, &other, NULL))
		return 0;
	patch_try(target, other);
	merge_try(target, other);
	whole_try(target, other);
	diff = jsondiff_new(target, other);
	assert((diff->count == 0) == json_equal(target, other));
	jsondiff_print(diff, 80, &out);
	return 0;
}
