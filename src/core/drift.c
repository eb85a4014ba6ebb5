/* Drift: is what is there what a proposal was made from? */
/* SPDX-License-Identifier: MIT */
#include "core/target.h"

/* Numbers by value (1 and 1.0), a number and its text as SQL columns give it, objects by what
 * before names. */
static bool value_matches(const json_t *before, const json_t *current)
{
	const char *name;
	json_t *value;

	if (json_is_number(before) && json_is_number(current))
		return json_number_value(before) == json_number_value(current);
	if (json_is_boolean(before) && json_is_integer(current))
		return json_is_true(before) == (json_integer_value(current) != 0);
	if (!json_is_object(before))
		return json_equal((json_t *)before, (json_t *)current);
	if (!json_is_object(current))
		return false;
	json_object_foreach ((json_t *)before, name, value) {
		const json_t *there = json_object_get(current, name);

		if (!value_matches(value, there ? there : json_null()))
			return false;
	}
	return true;
}

bool change_drifted(const char *before, const char *current)
{
	AUTO(json_auto_decref) json_t *was = NULL;
	AUTO(json_auto_decref) json_t *is = NULL;

	if (!before)
		return false;
	if (!json_read(str_of(before), &was, NULL))
		return true;
	if (!current || !json_read(str_of(current), &is, NULL))
		is = json_null();
	return !value_matches(was, is);
}

char *
change_ground(const char *before, const char *current)
{
	AUTO(json_auto_decref) json_t *was = NULL;
	AUTO(json_auto_decref) json_t *is = NULL;
	struct buf text = BUF_INIT;
	const char *name;
	json_t *value;

	if (!current || !json_read(str_of(current), &is, NULL) || json_is_null(is))
		return NULL;
	if (!before || !json_read(str_of(before), &was, NULL) || !json_is_object(was) || !json_is_object(is)) {
		json_write(&text, is);
		return buf_take(&text);
	}
	json_object_foreach (was, name, value) {
		json_t *there = json_object_get(is, name);

		json_object_set(was, name, there ? there : json_null());
	}
	json_write(&text, was);
	return buf_take(&text);
}
