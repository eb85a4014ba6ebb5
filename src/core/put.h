/* Members of the objects that the API shows: JSON text, or null where there is none. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_PUT_H
#define ROUSE_CORE_PUT_H

#include "base/json.h"

static inline void
put_json_text(json_t *object, const char *key, const char *text)
{
	json_t *value = NULL;

	if (!text || !json_read(str_of(text), &value, NULL))
		value = json_null();
	json_object_set_new(object, key, value);
}

static inline void
put_or_null(json_t *object, const char *key, const char *value)
{
	json_object_set_new(object, key, value && *value ? json_string(value) : json_null());
}

#endif
