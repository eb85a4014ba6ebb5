/* Answers of models: what they say that they used, whole or streamed. The dialects of
 * pure/model_request. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_MODEL_ANSWER_H
#define ROUSE_PURE_MODEL_ANSWER_H

#include <jansson.h>

#include "pure/model_request.h"

struct model_usage {
	bool said;			   /* false: the rest is 0 */
	int64_t input, output;		   /* tokens; input: neither read from a cache nor kept */
	int64_t cache_read, cache_written; /* tokens of the prompt */
};

/* A count that a program reports: nothing below zero, nothing beyond reason, whole. */
int64_t model_count(const json_t *object, const char *key);

/* Of a whole answer. False: it is no JSON object. */
bool model_answer_read(enum model_dialect dialect, struct str body, struct model_usage *ret);

/* Server-sent events on their way: passed on as they are, event by event, and read meanwhile. */
struct model_stream {
	enum model_dialect dialect;
	bool hides_usage; /* the event that only says the usage is kept back */
	struct buf event; /* that is not whole yet */
	size_t line;	  /* where its last line begins */
	struct model_usage usage;
	int64_t said_bytes; /* of what the model said so far: text, thoughts, arguments */
	bool ended;	    /* the event that ends it came */
	char *failed;	    /* it ended by an error: its words; owned */
};
#define MODEL_EVENT_MAX (16 << 20)
void model_stream_init(struct model_stream *stream, const struct model_request *request);
void model_stream_fini(struct model_stream *stream);
/* Whole events go to out. E_TOO_LARGE: one of more than MODEL_EVENT_MAX bytes. */
bool model_stream_take(struct model_stream *stream, struct str data, struct buf *out,
		       struct err *err);
/* Nothing more comes: a last event whose empty line is missing counts all the same. */
void model_stream_end(struct model_stream *stream, struct buf *out);
/* Tokens that it used so far, where it did not say: input_estimate, and what came. */
struct model_usage model_stream_estimate(const struct model_stream *stream, int64_t input_estimate);

#endif
