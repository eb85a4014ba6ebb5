/* The endpoint of models: a request that goes on, counted and answered. */
/* SPDX-License-Identifier: MIT */
#include "model/inside.h"

#include "base/json.h"
#include "base/log.h"
#include "core/breakers.h"
#include "core/metrics.h"

/* A client that has so much unread gets no more until it reads. */
#define UNREAD_PAUSE (256 << 10)
/* Beyond it a stream is given up; one event may go over UNREAD_PAUSE. */
#define UNREAD_MAX (UNREAD_PAUSE + 2 * MODEL_EVENT_MAX)

void
call_free(struct call *call)
{
	LIST_REMOVE(call, entry);
	call->model->count--;
	meter_hold_drop(&call->hold);
	fetch_cancel(call->fetch);
	model_request_fini(&call->request);
	model_stream_fini(&call->stream);
	registry_unref(call->registry);
	buf_fini(&call->body);
	free(call->agent);
	free(call->type);
	free(call);
}

/* --- what it came to ----------------------------------------------------------------------- */

static struct meter_use
use_of(const struct call *call, const struct model_usage *usage)
{
	struct meter_use use = {.input = usage->input,
				.output = usage->output,
				.cache_read = usage->cache_read,
				.cache_written = usage->cache_written};

	use.uusd = meter_price(call->section, &use);
	return use;
}

/* Where the provider did not say: told, for it is not its word. */
static void
estimate_tell(const struct call *call, const struct meter_use *use, const char *why)
{
	AUTO(json_auto_decref) json_t *line = json_object();
	AUTO(buf_fini) struct buf text = BUF_INIT;

	json_put_str(line, "type", "log");
	json_put_str(line, "level", "warning");
	json_put_str(line, "text", "the model did not say what it used; estimated");
	json_put_str(line, "model", call->request.model);
	json_put_str(line, "why", why);
	json_object_set_new(line, "input_tokens", json_integer(use->input));
	json_object_set_new(line, "output_tokens", json_integer(use->output));
	json_object_set_new(line, "cost_usd", json_real((double)use->uusd / 1e6));
	json_write(&text, line);
	attempt_log(call->hold.attempt, "log", buf_str(&text));
	metrics_count(call->model->core->metrics, "rouse_model_estimates_total", "model",
		      conf_section_name(call->section), NULL, NULL, 1);
}

/* usage NULL: it cost nothing. */
static void
call_settle(struct call *call, const struct model_usage *usage, const char *why)
{
	struct meter_use use;

	if (!call->hold.attempt)
		return;
	if (!usage) {
		meter_hold_drop(&call->hold);
		return;
	}
	use = use_of(call, usage);
	if (!usage->said)
		estimate_tell(call, &use, why);
	meter_hold_settle(&call->hold, &use);
}

/* Cut off, by whomever: what came was used, and what was asked had been read. */
static void
settle_part(struct call *call, const char *why)
{
	struct model_usage usage =
		model_stream_estimate(&call->stream, call->request.input_estimate);

	usage.said = false;
	call_settle(call, call->request.dialect == MODEL_COUNT ? NULL : &usage, why);
}

static void
call_judge(struct call *call, enum breaker_outcome outcome, const char *why)
{
	static const char *const names[] = {"silent", "good", "bad"};
	struct core *core = call->model->core;
	const char *name = conf_section_name(call->section);
	AUTO(err_fini) struct err err = ERR_INIT;

	metrics_count(core->metrics, "rouse_model_requests_total", "model", name, "outcome",
		      names[outcome], 1);
	breakers_end(core, BREAKER_MODEL, name, call->who, outcome, why);
	if (!breakers_store(core, BREAKER_MODEL, name, &err))
		log_warning("breaker not kept", "model", name, "error", err_text(&err));
}

/* --- answering ----------------------------------------------------------------------------- */

/* What was used is on disk; where it is not, it is known all the same and written again. */
static void
call_on_kept(void *arg, const struct err *err)
{
	struct call *call = arg;

	if (err->code == E_OK)
		breakers_kept(call->model->core, BREAKER_MODEL, conf_section_name(call->section));
	if (call->out)
		http_stream_end(call->out);
	else if (call->req && call->ours)
		words_reply(call->req, call->request.dialect, call->words, buf_cstr(&call->body),
			    call->words == WORDS_BUSY ? RETRY_MS : 0);
	else if (call->req)
		http_reply(call->req, call->status, call->type, buf_str(&call->body));
	call_free(call);
}

static void
call_over(struct call *call)
{
	call->over = true;
	turn_after(call->model->core->store, call_on_kept, call);
}

/* It ends with a sentence of ours: an answer, or the last event of a stream. */
static void
call_fail(struct call *call, enum words words, const char *text)
{
	AUTO(buf_fini) struct buf event = BUF_INIT;

	log_debug("model not asked to the end", "model", call->request.model, "agent", call->agent,
		  "error", text);
	if (call->out) {
		words_event(call->request.dialect, words, text, &event);
		http_stream_write(call->out, buf_str(&event));
	} else {
		call->words = words;
		call->ours = true;
		buf_clear(&call->body);
		buf_puts(&call->body, text);
	}
	call_over(call);
}

/* What came until now is used; who cut it off says nothing about the model. */
static void
call_cut(struct call *call, const char *why)
{
	fetch_cancel(TAKE(call->fetch));
	settle_part(call, why);
	call_judge(call, BREAKER_SILENT, NULL);
}

void
calls_stop(struct model *model, const char *why)
{
	struct call *call;

	LIST_FOREACH (call, &model->calls, entry) {
		if (call->over)
			continue;
		call_cut(call, why);
		call_fail(call, WORDS_BUSY, why);
	}
}

void
calls_free(struct model *model)
{
	struct call *call, *next;

	LIST_FOREACH_SAFE (call, &model->calls, entry, next)
		call_free(call);
}

void
call_on_over(struct meter_hold *hold)
{
	struct call *call = CONTAINER_OF(hold, struct call, hold);

	call_cut(call, "its attempt ended");
	call_fail(call, WORDS_KEY, "the run has ended");
}

/* --- the client ---------------------------------------------------------------------------- */

static void
client_left(struct call *call)
{
	if (call->over)
		return;
	call_cut(call, "the agent went away before the answer was whole");
	call_over(call);
}

void
call_on_gone(void *arg, struct http_request *req)
{
	(void)req;
	client_left(arg);
}

static void
call_on_stream_gone(void *arg, struct http_stream *stream)
{
	(void)stream;
	client_left(arg);
}

static void
call_on_drain(void *arg, struct http_stream *stream)
{
	struct call *call = arg;

	(void)stream;
	if (!call->paused || !call->fetch)
		return;
	call->paused = false;
	fetch_resume(call->fetch);
}

/* --- the provider -------------------------------------------------------------------------- */

/* Told to the agent as they came. */
static void
headers_pass(struct http_request *req, const struct fetch_answer *answer)
{
	static const char *const names[] = {
		"Retry-After",
		"retry-after-ms",
		"x-should-retry",
		"request-id",
		"x-request-id",
		"openai-processing-ms",
		"anthropic-ratelimit-requests-limit",
		"anthropic-ratelimit-requests-remaining",
		"anthropic-ratelimit-requests-reset",
		"anthropic-ratelimit-tokens-limit",
		"anthropic-ratelimit-tokens-remaining",
		"anthropic-ratelimit-tokens-reset",
		"anthropic-ratelimit-input-tokens-limit",
		"anthropic-ratelimit-input-tokens-remaining",
		"anthropic-ratelimit-input-tokens-reset",
		"anthropic-ratelimit-output-tokens-limit",
		"anthropic-ratelimit-output-tokens-remaining",
		"anthropic-ratelimit-output-tokens-reset",
		"x-ratelimit-limit-requests",
		"x-ratelimit-limit-tokens",
		"x-ratelimit-remaining-requests",
		"x-ratelimit-remaining-tokens",
		"x-ratelimit-reset-requests",
		"x-ratelimit-reset-tokens",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct str value = fetch_header(answer, names[i]);

		if (value.p && value.len < 200)
			http_add_header(req, names[i], value.p);
	}
}

static bool
is_type(struct str type, struct str wanted)
{
	return str_starts_nocase(type, wanted) &&
	       (type.len == wanted.len || strchr("; \t", type.p[wanted.len]));
}

static bool
is_stream(const struct fetch_answer *head)
{
	return head->status == 200 && is_type(head->content_type, STR("text/event-stream")) &&
	       !head->content_encoding.len;
}

enum fetch_part
call_on_part(void *arg, const struct fetch_answer *head, struct str piece)
{
	struct call *call = arg;
	AUTO(buf_fini) struct buf out = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	call->begun |= head->status < 400;
	if (!is_stream(head) || !call->request.stream)
		return FETCH_KEEP;
	if (call->req) {
		headers_pass(call->req, head);
		http_add_header(call->req, "Cache-Control", "no-store");
		call->out =
			http_stream_begin(TAKE(call->req), 200, "text/event-stream; charset=utf-8",
					  UNREAD_MAX, call_on_stream_gone, call);
		http_stream_set_on_drain(call->out, call_on_drain, call);
	}
	if (http_stream_buffered(call->out) > UNREAD_PAUSE) {
		call->paused = true;
		return FETCH_PAUSE;
	}
	if (!model_stream_take(&call->stream, piece, &out, &err)) {
		log_warning("a model's stream is cut off", "model", call->request.model, "error",
			    err_text(&err));
		return FETCH_STOP;
	}
	http_stream_write(call->out, buf_str(&out));
	return FETCH_TOOK;
}

static void
stream_done(struct call *call, const struct err *err)
{
	struct model_stream *stream = &call->stream;
	AUTO(buf_fini) struct buf rest = BUF_INIT, text = BUF_INIT;

	model_stream_end(stream, &rest);
	http_stream_write(call->out, buf_str(&rest));
	if (stream->ended && !stream->failed) {
		if (stream->usage.said)
			call_settle(call, &stream->usage, NULL);
		else
			settle_part(call, "its stream says nothing of it");
		call_judge(call, BREAKER_GOOD, NULL);
		call_over(call);
		return;
	}
	settle_part(call, stream->failed ? stream->failed : "its stream broke off");
	if (stream->failed) {
		call_judge(call, BREAKER_BAD, stream->failed);
		call_over(call);
		return;
	}
	buf_cat(&text, "the model's answer broke off", err->code == E_OK ? "" : ": ",
		err_text(err));
	call_judge(call, BREAKER_BAD, buf_cstr(&text));
	call_fail(call, err->code == E_TIMEOUT ? WORDS_LATE : WORDS_BAD, buf_cstr(&text));
}

/* A refusal of the provider's own, passed on as it is: nobody is charged for it. What says that
 * the provider itself is unwell counts against it; 429 is its way of being well. */
static void
refusal_done(struct call *call, const struct fetch_answer *answer)
{
	AUTO(buf_fini) struct buf why = BUF_INIT;
	bool bad = answer->status >= 500 || answer->status == 408;

	buf_printf(&why, "status %d", answer->status);
	call_settle(call, NULL, NULL);
	call_judge(call,
		   bad			   ? BREAKER_BAD
		   : answer->status == 429 ? BREAKER_SILENT
					   : BREAKER_GOOD,
		   buf_cstr(&why));
	headers_pass(call->req, answer);
	call->status = answer->status;
	call->type = answer->content_type.p && answer->content_type.len < 200
			     ? str_dup(answer->content_type)
			     : mem_strdup("application/octet-stream");
	buf_add_str(&call->body, answer->body);
	call_over(call);
}

static void
answer_done(struct call *call, const struct fetch_answer *answer)
{
	struct model_usage usage;

	if (answer->status >= 400 && answer->status < 600) {
		refusal_done(call, answer);
		return;
	}
	if (answer->status < 200 || answer->status >= 300 || answer->content_encoding.len ||
	    !model_answer_read(call->request.dialect, answer->body, &usage)) {
		AUTO(buf_fini) struct buf text = BUF_INIT;

		buf_printf(&text,
			   "the model's endpoint answered with status %d and no JSON object; is "
			   "url of [model %s] right?",
			   answer->status, conf_section_name(call->section));
		if (answer->status >= 300)
			call_settle(call, NULL, NULL);
		else
			settle_part(call, "its answer is no JSON");
		call_judge(call, BREAKER_BAD, buf_cstr(&text));
		call_fail(call, WORDS_BAD, buf_cstr(&text));
		return;
	}
	if (usage.said) {
		call_settle(call, call->request.dialect == MODEL_COUNT ? NULL : &usage, NULL);
	} else {
		call->stream.said_bytes = (int64_t)answer->body.len;
		settle_part(call, "its answer says nothing of it");
	}
	call_judge(call, BREAKER_GOOD, NULL);
	headers_pass(call->req, answer);
	call->status = 200;
	call->type = mem_strdup("application/json");
	buf_add_str(&call->body, answer->body);
	call_over(call);
}

void
call_on_done(void *arg, const struct fetch_answer *answer, struct err *err)
{
	struct call *call = arg;

	call->fetch = NULL;
	if (call->out) {
		stream_done(call, err);
	} else if (answer) {
		answer_done(call, answer);
	} else {
		/* What was read and not answered in time was worked on. */
		if (call->begun || err->code == E_TIMEOUT)
			settle_part(call, "its answer did not come");
		else
			call_settle(call, NULL, NULL);
		call_judge(call, BREAKER_BAD, err_text(err));
		call_fail(call, err->code == E_TIMEOUT ? WORDS_LATE : WORDS_BAD, err_text(err));
	}
}
