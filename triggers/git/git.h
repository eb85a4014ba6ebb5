/* Source git: refs that are new, moved, forced or gone, of local and remote repositories. SPEC 7.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_GIT_H
#define ROUSE_TRIGGERS_GIT_H

#include "core/source.h"

extern const struct source_kind git_kind;

/* How a repository is reached. */
enum git_way { GIT_LOCAL, GIT_HTTPS, GIT_SSH, GIT_PLAIN, GIT_NO_WAY };
/* Of a path from the root, or a URL (file: https: http: ssh: git:, also USER@HOST:PATH).
 * GIT_PLAIN: not encrypted. ret_path: of a local one, within text; NULL otherwise. */
enum git_way git_way_of(const char *text, const char **ret_path);
/* Is there a password in a URL? */
bool git_has_password(const char *url);

#endif
