/* Files that git does not look at: the rules of one .gitignore. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_GITIGNORE_H
#define ROUSE_PURE_GITIGNORE_H

#include <stdbool.h>

#include "base/str.h"

/* What a file of rules says of a path; gitignore(5). Of several files the deepest that says
 * anything counts, and nothing below an ignored folder is brought back. */
enum gitignore { GITIGNORE_SILENT, GITIGNORE_IGNORED, GITIGNORE_KEPT };

/* rules: the file. path: below the folder that the file lies in. The last rule that matches counts;
 * a rule that is none (a '[' that is not closed) matches nothing. */
enum gitignore gitignore_match(struct str rules, struct str path, bool is_folder);

#endif
