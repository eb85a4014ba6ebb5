/* Git targets: the changes of a run become a commit on a branch. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_GIT_H
#define ROUSE_PLUGINS_GIT_H

#include "core/target.h"

extern const struct target_kind git_target_kind;

#endif
