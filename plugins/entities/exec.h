/* Entities from a program, exec:COMMAND: what it prints, one JSON object a line. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_ENTITIES_EXEC_H
#define ROUSE_PLUGINS_ENTITIES_EXEC_H

#include "core/entities.h"

extern const struct entity_kind exec_entities;

#endif
