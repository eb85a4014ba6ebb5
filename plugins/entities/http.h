/* Entities from pages of JSON, http:URL. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_ENTITIES_HTTP_H
#define ROUSE_PLUGINS_ENTITIES_HTTP_H

#include "core/entities.h"

extern const struct entity_kind http_entities;

/* Where the next page is: what a Link header says (rel="next"), p NULL: nothing. */
struct str pages_link(struct str header);
/* A reference in a page of `base` as a whole URL: https://…, /path, ?query; a word that is none of
 * these goes into the parameter `name`. */
void pages_url(const char *base, struct str reference, const char *name, struct buf *out);
/* scheme://host:port */
struct str pages_origin(const char *url);

#endif
