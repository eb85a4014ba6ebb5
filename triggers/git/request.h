/* Source git: what rouse-git is asked. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_GIT_REQUEST_H
#define ROUSE_TRIGGERS_GIT_REQUEST_H

#include "core/source.h"

struct request_terms {
	struct core *core;
	const char *cache;
	bool learn; /* refs that are not known wake nobody */
	bool plain; /* an earlier look died: names and ids alone */
};
/* Appends the request for look_start(); it holds the trigger's secret. */
bool request_build(const struct request_terms *terms, const struct trigger *trigger,
		   struct buf *out, struct err *err);

#endif
