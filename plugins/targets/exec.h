/* Exec targets: a command of one's own applies changes. SPEC 10, exit codes of SPEC 6. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_EXEC_TARGET_H
#define ROUSE_PLUGINS_EXEC_TARGET_H

#include "core/target.h"

extern const struct target_kind exec_target_kind;

#endif
