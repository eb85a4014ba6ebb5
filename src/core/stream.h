/* Streams: who follows what happens, live. Told only what is on disk. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_STREAM_H
#define ROUSE_CORE_STREAM_H

#include "core/core.h"
#include "store/rows.h"

struct stream *stream_new(struct core *core);
void stream_free(struct stream *stream);

/* kind: run change gate trigger breaker queue log. id: of the run (log, run, change) or trigger.
 * seq: runlog's, 0. */
struct stream_event {
	const char *kind, *id, *type; /* type: section 6's names, plus start, done */
	int64_t seq;
	struct str data; /* JSON */
};
typedef void stream_on_event(void *arg, const struct stream_event *event);
struct subscriber;
/* id NULL: everything. */
struct subscriber *stream_subscribe(struct stream *stream, const char *id,
				    stream_on_event *on_event, void *arg);
void stream_unsubscribe(struct subscriber *subscriber); /* also from within on_event */
/* Tells the subscribers after this turn's COMMIT, not when it fails. Copies. Free when nobody
 * listens. */
void stream_publish(struct stream *stream, const struct stream_event *event);
int stream_count(const struct stream *stream);

#endif
