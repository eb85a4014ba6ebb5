/* Source file: what happens to the files of a folder. SPEC 7, manual: docs/files.md. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_FILE_FILE_H
#define ROUSE_TRIGGERS_FILE_FILE_H

#include "core/source.h"

extern const struct source_kind file_kind;

#endif
