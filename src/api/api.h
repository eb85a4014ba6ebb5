/* The API: HTTP routes over core. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_API_API_H
#define ROUSE_API_API_H

#include "core/core.h"
#include "http/route.h"
#include "http/server.h"

/* What the daemon itself does for the API. */
struct api_host {
	/* Reads the configuration again. ret_answer: {"generation","added","changed","removed"};
	 * false: err, and ret_answer may hold {"errors":[…]}. */
	bool (*reload)(void *arg, json_t *ret_answer, struct err *err);
	void *arg;
	const char *config; /* path of rouse.conf */
	const struct conf_schema *schema;
	const char *socket;
	json_t *listen; /* ["127.0.0.1:8477"]; borrowed, may change */
	bool ready;
};

struct api;
/* Makes the HTTP server and its router; the routes of /v1 are there, those of triggers are added to
 * api_router(). host lives as long as the API. */
struct api *api_new(struct core *core, const struct http_limits *limits,
		    const struct api_host *host);
void api_free(struct api *api);
struct http_server *api_server(struct api *api);
struct router *api_router(struct api *api);
/* Who waits for a run is told that it takes longer, at once: another roused takes over. */
void api_hurry(struct api *api);
/* After a reload: daemon.group, http.max_body and the rest may be others. */
void api_configured(struct api *api);

#endif
