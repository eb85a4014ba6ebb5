/* Entities from a file of the machine, csv: or jsonl:, read in work threads. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_ENTITIES_FILE_H
#define ROUSE_PLUGINS_ENTITIES_FILE_H

#include "core/entities.h"

extern const struct entity_kind csv_entities, jsonl_entities;

#endif
