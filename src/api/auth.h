/* Who may do what: peers of the Unix socket, tokens over TCP. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_API_AUTH_H
#define ROUSE_API_AUTH_H

#include "core/core.h"
#include "http/server.h"

struct auth;
struct auth *auth_new(struct core *core, const char *group);
void auth_free(struct auth *auth);
void auth_set_group(struct auth *auth, const char *group);
/* May this request do what needs `scope`? ret_by: who it is, owned. ret_agent: the agent that its
 * token was made for, owned; NULL. E_UNAUTHORIZED, E_DENIED. */
bool auth_check(struct auth *auth, struct http_request *req, const char *scope, char **ret_by,
		char **ret_agent, struct err *err);
extern const char *const auth_scopes[]; /* NULL behind the last */
/* Comma separated scopes: is this among them, or admin, which has all? */
bool auth_scopes_have(const char *scopes, const char *wanted);
bool auth_scope_is_known(struct str scope);

#endif
