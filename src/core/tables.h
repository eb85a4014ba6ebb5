/* The key tables of every section that core knows. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_TABLES_H
#define ROUSE_CORE_TABLES_H

#include "conf/keys.h"

void tables_add(struct conf_schema *schema);

#endif
