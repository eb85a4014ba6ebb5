/* Who may do what: peers of the Unix socket, tokens over TCP. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_API_AUTH_H
#define ROUSE_API_AUTH_H

#include "core/core.h"
#include "http/server.h"

/* Who asks. Text is owned; NULL where there is none. */
struct caller {
	char *by;	     /* "maria", "uid:1000", "token:ci" */
	char *token;	     /* name of the token that was shown */
	char *agent;	     /* that the token was made for */
	struct wall expires; /* of the token */
};
void caller_fini(struct caller *caller);

struct auth;
struct auth *auth_new(struct core *core);
void auth_free(struct auth *auth);
/* Another generation of the configuration is in force: [daemon] group and group_may, [http]
 * rate_per_ip and rate_per_token. */
void auth_configured(struct auth *auth);
/* May this address ask at all now? E_RATE, with the time to wait. */
bool auth_address_may(struct auth *auth, const struct http_request *req, struct err *err);
/* May this request do what needs `scope`? ret is who asks, also of one that is refused, as far as
 * that is known. E_UNAUTHORIZED, E_DENIED, E_RATE. */
bool auth_check(struct auth *auth, struct http_request *req, const char *scope, struct caller *ret,
		struct err *err);

#endif
