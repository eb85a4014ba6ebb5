/* Streams: who follows what happens, live. Told only what is on disk. */
/* SPDX-License-Identifier: MIT */
#include "core/stream.h"

#include "base/list.h"

struct subscriber {
	struct stream *stream;
	char *id; /* NULL: everything */
	stream_on_event *on_event;
	void *arg;
	bool gone;
	TAILQ_ENTRY(subscriber) entry;
};

TAILQ_HEAD(subscriber_list, subscriber);

struct stream {
	struct core *core;
	struct subscriber_list subscribers;
	int count;
	int telling; /* within a round: those who leave are freed after it */
};

/* One event on its way to the end of the turn. */
struct pending {
	struct stream *stream;
	char *kind, *id, *type, *data;
	size_t data_len;
	int64_t seq;
};

struct stream *
stream_new(struct core *core)
{
	struct stream *stream = mem_alloc(sizeof(*stream));

	stream->core = core;
	TAILQ_INIT(&stream->subscribers);
	return stream;
}

static void
subscriber_free(struct subscriber *subscriber)
{
	TAILQ_REMOVE(&subscriber->stream->subscribers, subscriber, entry);
	free(subscriber->id);
	free(subscriber);
}

void
stream_free(struct stream *stream)
{
	struct subscriber *subscriber, *next;

	if (!stream)
		return;
	TAILQ_FOREACH_SAFE (subscriber, &stream->subscribers, entry, next)
		subscriber_free(subscriber);
	free(stream);
}

struct subscriber *
stream_subscribe(struct stream *stream, const char *id, stream_on_event *on_event, void *arg)
{
	struct subscriber *subscriber = mem_alloc(sizeof(*subscriber));

	subscriber->stream = stream;
	subscriber->id = mem_strdup(id);
	subscriber->on_event = on_event;
	subscriber->arg = arg;
	TAILQ_INSERT_TAIL(&stream->subscribers, subscriber, entry);
	stream->count++;
	return subscriber;
}

void
stream_unsubscribe(struct subscriber *subscriber)
{
	struct stream *stream;

	if (!subscriber || subscriber->gone)
		return;
	stream = subscriber->stream;
	stream->count--;
	subscriber->gone = true;
	if (!stream->telling)
		subscriber_free(subscriber);
}

static void
stream_tell(struct stream *stream, const struct stream_event *event)
{
	struct subscriber *subscriber, *next;

	stream->telling++;
	TAILQ_FOREACH (subscriber, &stream->subscribers, entry)
		if (!subscriber->gone &&
		    (!subscriber->id || (event->id && !strcmp(subscriber->id, event->id))))
			subscriber->on_event(subscriber->arg, event);
	if (--stream->telling)
		return;
	TAILQ_FOREACH_SAFE (subscriber, &stream->subscribers, entry, next)
		if (subscriber->gone)
			subscriber_free(subscriber);
}

static void
on_durable(void *arg, const struct err *err)
{
	struct pending *pending = arg;

	if (err->code == E_OK)
		stream_tell(
			pending->stream,
			&(struct stream_event){.kind = pending->kind,
					       .id = pending->id,
					       .type = pending->type,
					       .seq = pending->seq,
					       .data = str_make(pending->data, pending->data_len)});
	free(pending->kind);
	free(pending->id);
	free(pending->type);
	free(pending->data);
	free(pending);
}

void
stream_publish(struct stream *stream, const struct stream_event *event)
{
	struct pending *pending;

	if (!stream->count)
		return;
	pending = mem_alloc(sizeof(*pending));
	pending->stream = stream;
	pending->kind = mem_strdup(event->kind);
	pending->id = mem_strdup(event->id);
	pending->type = mem_strdup(event->type);
	pending->data = mem_memdup(event->data.p, event->data.len);
	pending->data_len = event->data.len;
	pending->seq = event->seq;
	turn_after(stream->core->store, on_durable, pending);
}

int
stream_count(const struct stream *stream)
{
	return stream->count;
}
