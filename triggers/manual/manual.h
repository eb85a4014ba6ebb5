/* Source manual: fires only by hand, by the API or the console. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_MANUAL_H
#define ROUSE_TRIGGERS_MANUAL_H

#include "core/source.h"

extern const struct source_kind manual_kind;

#endif
