/* Source after: another run ended. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_AFTER_H
#define ROUSE_TRIGGERS_AFTER_H

#include "core/source.h"

extern const struct source_kind after_kind;

/* Warns where after triggers wake one another in a circle. */
void after_check_circles(const struct registry *registry, struct conf_report *report);

#endif
