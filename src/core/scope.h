/* Scopes: what a token, or who comes by the socket, may do. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_SCOPE_H
#define ROUSE_CORE_SCOPE_H

#include "base/str.h"

extern const char *const scopes_all[]; /* read invoke review apply admin; NULL behind the last */
bool scope_is_known(struct str scope);
/* Comma separated scopes: is `wanted` among them, or admin, which has all? */
bool scopes_have(const char *list, const char *wanted);

#endif
