/* The endpoint of models: where agents with `meter = proxy` ask models through us. What they are
 * told of it, whose a request is, and which model it may ask. SPEC 9. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_ENDPOINT_H
#define ROUSE_CORE_ENDPOINT_H

#include "core/attempt.h"

/* Its address and its secret stand in STATE_DIR/endpoint.json, so that agents which outlive the
 * daemon find the next one there, and their keys still open it. */
struct endpoint {
	char *url;	   /* "http://127.0.0.1:40123"; NULL: nobody listens */
	unsigned port;	   /* that was listened on last; 0: none was */
	struct buf secret; /* keys of runs are made with it */
	struct buf path;
};

/* Does an agent of this generation need it? */
bool endpoint_is_wanted(const struct registry *registry);
/* Reads the file, or makes the secret. core->endpoint is set after. */
bool endpoint_open(struct core *core, struct err *err);
/* Somebody listens there (host as in a URL): kept in the file. */
bool endpoint_listens(struct core *core, const char *host, unsigned port, struct err *err);
void endpoint_close(struct core *core);

/* What the attempt's program is told: the address, and a key that is good while the attempt goes
 * on, for it alone. E_UNAVAILABLE: nobody listens. */
bool endpoint_access(const struct attempt *attempt, struct buf *ret_url, struct buf *ret_key,
		     struct err *err);
/* The live attempt whose key this is. E_UNAUTHORIZED: it is nobody's; E_STATE: it has ended. */
bool endpoint_attempt(struct core *core, struct str key, struct attempt **ret, struct err *err);
/* The [model NAME] that the attempt may ask under that name. E_NOT_FOUND, in a sentence. */
bool endpoint_model(const struct attempt *attempt, const char *name,
		    const struct conf_section **ret, struct err *err);
/* The i-th model that an agent may ask; NULL beyond the last. */
const struct conf_section *endpoint_model_at(const struct agent *agent, const struct conf *conf,
					     size_t i);
/* Says what is wrong with an agent that asks models through us. */
void endpoint_check(const struct agent *agent, const struct conf *conf, struct conf_report *report);

#endif
