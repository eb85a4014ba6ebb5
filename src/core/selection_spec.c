/* Selections: what somebody asks for. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "core/selection.h"

void
selection_spec_fini(struct selection_spec *spec)
{
	for (size_t i = 0; i < spec->id_count; i++)
		free(spec->ids[i]);
	for (size_t i = 0; spec->digests && i < spec->id_count; i++)
		free(spec->digests[i]);
	free(spec->digests);
	free(spec->except);
	free(spec->ids);
	free(spec->batch);
	free(spec->run);
	free(spec->entity);
	free(spec->where);
	free(spec->group);
	*spec = (struct selection_spec){0};
}

static bool
ids_read(const json_t *list, struct selection_spec *ret, struct err *err)
{
	if (!list)
		return true;
	if (!json_is_array(list) || json_array_size(list) > SELECTION_IDS_MAX)
		return err_set(err, E_USAGE, "changes: expected a list of at most %d ids",
			       SELECTION_IDS_MAX);
	ret->ids = mem_alloc_array(json_array_size(list) + 1, sizeof(*ret->ids));
	ret->digests = mem_alloc_array(json_array_size(list) + 1, sizeof(*ret->digests));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		const char *id = json_is_object(one) ? json_str(one, "id") : json_string_value(one);

		if (!id)
			return err_set(err, E_USAGE, "changes: item %zu is no id", i + 1);
		ret->digests[ret->id_count] = mem_strdup(json_str(one, "digest"));
		ret->ids[ret->id_count++] = mem_strdup(id);
	}
	return true;
}

bool
selection_spec_read(const json_t *object, struct selection_spec *ret, struct err *err)
{
	static const char *const names[] = {"batch", "run", "entity", "where", "group"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const json_t *value = json_object_get(object, names[i]);

		if (value && !json_is_null(value) && !json_is_string(value))
			return err_set(err, E_USAGE, "%s: expected a string", names[i]);
	}
	*ret = (struct selection_spec){.batch = mem_strdup(json_str(object, "batch")),
				       .run = mem_strdup(json_str(object, "run")),
				       .entity = mem_strdup(json_str(object, "entity")),
				       .where = mem_strdup(json_str(object, "where")),
				       .group = mem_strdup(json_str(object, "group"))};
	if (ids_read(json_object_get(object, "changes"), ret, err))
		return true;
	selection_spec_fini(ret);
	return false;
}
