/* Hash tables: uthash, with memory that aborts instead of failing. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_BASE_MAP_H
#define ROUSE_BASE_MAP_H

#include "base/mem.h"

#define uthash_malloc(sz) mem_alloc(sz)
#define uthash_fatal(msg) abort()
#include <stdlib.h>
#include <uthash.h>

#endif
