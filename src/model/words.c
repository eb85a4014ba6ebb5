/* The endpoint of models: what it says itself, in the words of both APIs. */
/* SPDX-License-Identifier: MIT */
#include "model/inside.h"

#include <assert.h>

#include "base/json.h"

/* 400 for a spent budget: what agents were seen to try again never, where 402 and 429 make some of
 * them go on asking. */
static const struct row {
	int status;
	const char *anthropic, *openai;
} rows[] = {
	[WORDS_INVALID] = {400, "invalid_request_error", "invalid_request_error"},
	[WORDS_KEY] = {401, "authentication_error", "invalid_api_key"},
	[WORDS_MODEL] = {404, "not_found_error", "model_not_found"},
	[WORDS_BUDGET] = {400, "budget_exceeded", "budget_exceeded"},
	[WORDS_BUSY] = {503, "overloaded_error", "server_error"},
	[WORDS_BAD] = {502, "api_error", "server_error"},
	[WORDS_LATE] = {504, "timeout_error", "server_error"},
};
static_assert(ARRAY_LEN(rows) == WORDS_LATE + 1, "a row for all words");

static void
error_object(enum model_dialect dialect, enum words words, const char *text, struct buf *out)
{
	if (model_is_anthropic(dialect)) {
		buf_puts(out, "{\"type\":\"error\",\"error\":{\"type\":");
		buf_json_cstr(out, rows[words].anthropic);
		buf_puts(out, ",\"message\":");
		buf_json_cstr(out, text);
		buf_puts(out, "}}");
		return;
	}
	buf_puts(out, "{\"error\":{\"message\":");
	buf_json_cstr(out, text);
	buf_puts(out, ",\"type\":");
	buf_json_cstr(out, rows[words].openai);
	buf_puts(out, ",\"param\":null,\"code\":");
	buf_json_cstr(out, rows[words].openai);
	buf_puts(out, "}}");
}

void
words_reply(struct http_request *req, enum model_dialect dialect, enum words words,
	    const char *text, int64_t retry_ms)
{
	AUTO(buf_fini) struct buf body = BUF_INIT, after = BUF_INIT;

	if (retry_ms > 0) {
		buf_printf(&after, "%lld", (long long)((retry_ms + 999) / 1000));
		http_add_header(req, "Retry-After", buf_cstr(&after));
	}
	if (words == WORDS_BUDGET)
		http_add_header(req, "x-should-retry", "false");
	error_object(dialect, words, text, &body);
	http_reply_json(req, rows[words].status, buf_str(&body));
}

void
words_event(enum model_dialect dialect, enum words words, const char *text, struct buf *out)
{
	AUTO(buf_fini) struct buf object = BUF_INIT;

	if (dialect != MODEL_RESPONSES) {
		error_object(dialect, words, text, &object);
		buf_cat(out, model_is_anthropic(dialect) ? "event: error\n" : "",
			"data: ", buf_cstr(&object), "\n\n");
		return;
	}
	buf_puts(out, "event: error\ndata: {\"type\":\"error\",\"code\":");
	buf_json_cstr(out, rows[words].openai);
	buf_puts(out, ",\"message\":");
	buf_json_cstr(out, text);
	buf_puts(out, ",\"param\":null}\n\n");
}
