/* The endpoint of models, inside: requests that go on, and answers of our own. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_MODEL_INSIDE_H
#define ROUSE_MODEL_INSIDE_H

#include "base/list.h"
#include "core/meter.h"
#include "http/server.h"
#include "io/fetch.h"
#include "model/model.h"
#include "pure/model_answer.h"

struct model {
	struct core *core;
	struct http_server *server; /* NULL: it does not listen */
	LIST_HEAD(, call) calls;
	unsigned count;
	int64_t last; /* request, for breakers */
};

/* When what is busy now may be asked again. */
#define RETRY_MS 1000

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

/* A request that goes on. */
struct call {
	LIST_ENTRY(call) entry;
	struct model *model;
	struct meter_hold hold;
	struct model_request request;
	const struct conf_section *section; /* of the registry below */
	struct registry *registry;
	int64_t who;
	char *agent;
	struct http_request *req; /* not answered; NULL */
	struct http_stream *out;  /* being answered; NULL */
	struct fetch *fetch;	  /* NULL: over */
	struct model_stream stream;
	bool begun;  /* the provider's answer: it costs from then on */
	bool paused; /* the client reads too slowly */
	bool over;   /* settled; its answer awaits the commit */
	/* The answer that awaits it: status 0: the stream's end. */
	int status;
	enum words words;
	bool ours; /* the body is a sentence of ours */
	struct buf body;
	char *type;
};

/* --- begin.c --- */

/* Forwards req, whose run this is, or refuses it. */
void call_start(struct model *model, struct http_request *req, enum model_dialect dialect,
		struct attempt *attempt);

/* --- call.c --- */

void call_free(struct call *call);
/* What a call is told: by its attempt, its client, its provider. */
void call_on_over(struct meter_hold *hold);
void call_on_gone(void *arg, struct http_request *req);
enum fetch_part call_on_part(void *arg, const struct fetch_answer *head, struct str piece);
void call_on_done(void *arg, const struct fetch_answer *answer, struct err *err);
/* Ends all here and now, settling what they came to; they are gone when the turn is over. */
void calls_stop(struct model *model, const char *why);
void calls_free(struct model *model);

/* --- words.c --- */

/* Answers. retry_ms: when to try again; 0: not said. */
void words_reply(struct http_request *req, enum model_dialect dialect, enum words words,
		 const char *text, int64_t retry_ms);
/* The event that ends a stream which cannot go on. */
void words_event(enum model_dialect dialect, enum words words, const char *text, struct buf *out);

#endif
