/* The envelope: the invocation that every kind of agent gets. SPEC 5. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_ENVELOPE_H
#define ROUSE_CORE_ENVELOPE_H

#include "core/core.h"
#include "store/rows.h"

/* One line of JSON without line end. data: raw JSON of the event's data, used where run->payload is
 * NULL. */
void envelope_build(const struct run_row *run, int attempt, struct str data, struct buf *out);
/* The `data` member of an event document, raw; "null" when there is none. */
struct str envelope_event_data(struct str document);
/* A fresh W3C traceparent that continues `incoming`. p NULL or invalid: a new trace, named by the
 * event's id (NULL: by chance), and sampled as [telemetry] says. */
void envelope_traceparent(const struct core *core, struct str incoming, const char *event_id,
			  struct buf *out);

#endif
