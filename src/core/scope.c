/* Scopes: what a token, or who comes by the socket, may do. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#include "core/scope.h"

const char *const scopes_all[] = {"read", "invoke", "review", "apply", "admin", NULL};

bool
scope_is_known(struct str scope)
{
	for (size_t i = 0; scopes_all[i]; i++)
		if (str_eq_cstr(scope, scopes_all[i]))
			return true;
	return false;
}

bool
scopes_have(const char *list, const char *wanted)
{
	struct str rest = str_of(list), one;

	while (rest.p && rest.len) {
		rest = str_split(rest, ',', &one);
		one = str_trim(one);
		if (str_eq_cstr(one, wanted) || str_eq_cstr(one, "admin"))
			return true;
	}
	return false;
}
