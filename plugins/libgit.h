/* libgit2, for plugins: loaded with the first that asks, and kept. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_LIBGIT_H
#define ROUSE_PLUGINS_LIBGIT_H

#include "io/git.h"

/* Ready to be used by any thread; what it writes is synced; of configurations only a repository's
 * own is read, and repositories of any owner are opened. E_UNAVAILABLE. */
bool libgit_get(struct git *ret, struct err *err);

#endif
