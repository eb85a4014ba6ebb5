/* Requests to models: what one says about itself, and what it may cost at most. Anthropic Messages,
 * OpenAI Chat Completions, Responses, Embeddings. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_MODEL_REQUEST_H
#define ROUSE_PURE_MODEL_REQUEST_H

#include "base/buf.h"
#include "base/err.h"

enum model_dialect {
	MODEL_MESSAGES,	  /* POST /v1/messages */
	MODEL_COUNT,	  /* POST /v1/messages/count_tokens: costs nothing */
	MODEL_CHAT,	  /* POST /v1/chat/completions */
	MODEL_RESPONSES,  /* POST /v1/responses */
	MODEL_EMBEDDINGS, /* POST /v1/embeddings */
	MODEL_DIALECTS
};
/* Whose API it is: its errors and its header of the key are Anthropic's, not OpenAI's. */
bool model_is_anthropic(enum model_dialect dialect);

struct model_request {
	enum model_dialect dialect;
	char *model; /* owned */
	bool stream;
	/* A Chat stream whose usage the client did not ask for: model_request_body() asks. */
	bool hides_usage;
	int64_t output_max;	/* tokens that its answers may have in all; -1: it does not say */
	int64_t input_estimate; /* tokens that it has, rather too many than too few */
};
void model_request_fini(struct model_request *request);

/* body: untrusted. E_INVALID: it is no such request, or one whose cost could not be known
 * (background responses), in a sentence. */
bool model_request_read(enum model_dialect dialect, struct str body, struct model_request *ret,
			struct err *err);
/* What is forwarded: body, with usage asked for where it is hidden. False: memory is out. */
bool model_request_body(const struct model_request *request, struct str body, struct buf *out);
/* The address of a dialect behind a provider's base URL, as its own libraries make it: Anthropic's
 * without /v1, OpenAI's with it (a base without any path gets one). query: raw, may be empty. */
void model_request_url(enum model_dialect dialect, const char *base, struct str query,
		       struct buf *out);

#endif
