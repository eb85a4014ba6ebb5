/* A local repository's refs, watched by inotify: a hint to look now, and no more. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_GIT_WATCH_H
#define ROUSE_TRIGGERS_GIT_WATCH_H

#include "core/core.h"

struct watch;
/* path: a work tree or a bare repository. NULL: no watches are to be had; polling remains. */
struct watch *watch_new(struct core *core, const char *path, void (*on_hint)(void *arg), void *arg);
void watch_free(struct watch *watch);
/* Before a look: watches the folders that there are now. */
void watch_refresh(struct watch *watch);

#endif
