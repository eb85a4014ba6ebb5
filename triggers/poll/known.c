/* What is known of a resource: an object of JSON in the trigger's cursor. */
/* SPDX-License-Identifier: MIT */
#include "triggers/poll/inside.h"

#include "base/json.h"

void
known_fini(struct known *known)
{
	free(known->identity);
	free(known->etag);
	free(known->modified);
	free(known->sha256);
	*known = (struct known){.is = false};
}

void
known_copy(struct known *to, const struct known *from)
{
	known_fini(to);
	*to = (struct known){.is = from->is,
			     .count = from->count,
			     .identity = mem_strdup(from->identity),
			     .etag = mem_strdup(from->etag),
			     .modified = mem_strdup(from->modified),
			     .sha256 = mem_strdup(from->sha256)};
}

void
known_print(const struct known *known, const char *print, struct buf *out)
{
	AUTO(json_auto_decref) json_t *object = json_object();

	json_put_str(object, "print", print);
	json_object_set_new(object, "count", json_integer(known->count));
	json_put_str(object, "identity", known->identity);
	json_put_str(object, "etag", known->etag);
	json_put_str(object, "modified", known->modified);
	json_put_str(object, "sha256", known->sha256);
	json_write(out, object);
}

void
known_parse(struct str text, const char *print, struct known *ret)
{
	AUTO(json_auto_decref) json_t *object = NULL;
	const char *was, *identity;

	known_fini(ret);
	if (!json_read(text, &object, NULL) || !json_is_object(object))
		return;
	was = json_str(object, "print");
	identity = json_str(object, "identity");
	ret->count = json_int(object, "count", 0);
	if (!was || strcmp(was, print) || !identity)
		return;
	ret->is = true;
	ret->identity = mem_strdup(identity);
	ret->etag = mem_strdup(json_str(object, "etag"));
	ret->modified = mem_strdup(json_str(object, "modified"));
	ret->sha256 = mem_strdup(json_str(object, "sha256"));
}
