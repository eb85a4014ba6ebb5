/* Source git: what its section says, and whether it can be meant. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_GIT_SETTINGS_H
#define ROUSE_TRIGGERS_GIT_SETTINGS_H

#include "triggers/git/git.h"

extern const struct conf_table *const git_tables[];
/* Whoever may push is known to the repository, unless it is reached in the open. */
enum trust git_trust(const struct conf_section *section);

#endif
