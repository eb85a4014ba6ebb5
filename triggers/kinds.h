/* The sources that this program knows, listed by hand. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_KINDS_H
#define ROUSE_TRIGGERS_KINDS_H

#include "core/source.h"
#include "http/route.h"

extern const struct source_kind *const trigger_kinds[]; /* NULL behind the last */

/* The routes that sources bring (/hooks/…). */
void triggers_add_routes(struct core *core, struct router *router);

#endif
