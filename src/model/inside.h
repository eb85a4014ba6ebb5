/* The endpoint of models, inside: requests that go on, and answers of our own. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_MODEL_INSIDE_H
#define ROUSE_MODEL_INSIDE_H

#include "base/list.h"
#include "core/attempt.h"
#include "http/server.h"
#include "model/model.h"
#include "pure/model_request.h"

struct call;

struct model {
	struct core *core;
	struct http_server *server; /* NULL: it does not listen */
	LIST_HEAD(, call) calls;
	unsigned count;
	int64_t last; /* request, for breakers */
};

/* --- call.c --- */

/* Forwards req, whose run this is, or refuses it. */
void call_start(struct model *model, struct http_request *req, enum model_dialect dialect,
		struct attempt *attempt);
/* Ends all here and now, settling what they came to; they are gone when the turn is over. */
void calls_stop(struct model *model, const char *why);
void calls_free(struct model *model);

/* --- words.c --- */

/* What we say ourselves, each in the words of both APIs. */
enum words {
	WORDS_INVALID,
	WORDS_KEY,
	WORDS_MODEL,
	WORDS_BUDGET,
	WORDS_BUSY,
	WORDS_BAD,
	WORDS_LATE
};
/* Answers. retry_ms: when to try again; 0: not said. */
void words_reply(struct http_request *req, enum model_dialect dialect, enum words words,
		 const char *text, int64_t retry_ms);
/* The event that ends a stream which cannot go on. */
void words_event(enum model_dialect dialect, enum words words, const char *text, struct buf *out);

#endif
