/* The endpoint of models: one request of an agent, forwarded, counted, answered. */
/* SPDX-License-Identifier: MIT */
#include "model/inside.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/log.h"
#include "conf/secret.h"
#include "core/breakers.h"
#include "core/endpoint.h"
#include "core/meter.h"
#include "core/metrics.h"
#include "io/fetch.h"
#include "pure/model_answer.h"

#define ANSWER_MAX (32 << 20)
/* A client that has so much unread gets no more until it reads. */
#define UNREAD_PAUSE (256 << 10)
/* Beyond it a stream is given up; one event may go over UNREAD_PAUSE. */
#define UNREAD_MAX (UNREAD_PAUSE + 2 * MODEL_EVENT_MAX)
#define SILENT_MS 300000
#define CALLS_A_RUN 64
#define HEADERS_MAX 12
#define RETRY_MS 1000

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
	bool gone;   /* the client left */
	bool over;   /* settled; its answer awaits the commit */
	/* The answer that awaits it: status 0: the stream's end. */
	int status;
	enum words words;
	bool ours; /* the body is a sentence of ours */
	struct buf body;
	char *type;
};

static void
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

static void
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
	call->gone = true;
	if (call->over)
		return;
	call_cut(call, "the agent went away before the answer was whole");
	call_over(call);
}

static void
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

static enum fetch_part
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

static void
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

/* --- the beginning ------------------------------------------------------------------------- */

static void
hold_fill(struct call *call)
{
	const struct model_request *request = &call->request;
	int64_t output = request->output_max >= 0 ? request->output_max
						  : conf_int(call->section, "max_output"),
		input = request->input_estimate, fresh, written;

	call->hold.on_over = call_on_over;
	if (request->dialect == MODEL_COUNT)
		return;
	if (request->dialect == MODEL_EMBEDDINGS)
		output = 0;
	/* Whichever way the prompt is counted. */
	fresh = meter_price(call->section, &(struct meter_use){.input = input, .output = output});
	written = meter_price(call->section,
			      &(struct meter_use){.cache_written = input, .output = output});
	call->hold.uusd = fresh > written ? fresh : written;
	call->hold.tokens = add_up(input, output);
}

/* Header lines: owned, and zeroed, for one holds the key. */
struct lines {
	struct buf items[HEADERS_MAX];
	const char *list[HEADERS_MAX + 1];
	size_t count;
};

static void
lines_fini(struct lines *lines)
{
	for (size_t i = 0; i < lines->count; i++) {
		mem_zero(lines->items[i].data, lines->items[i].len);
		buf_fini(&lines->items[i]);
	}
}

static void
lines_add(struct lines *lines, const char *name, struct str value)
{
	struct buf *item = &lines->items[lines->count];

	buf_reserve(item, strlen(name) + value.len + 3); /* growing would leave a copy behind */
	buf_cat(item, name, ": ");
	buf_add_str(item, value);
	lines->list[lines->count++] = buf_cstr(item);
}

static bool
lines_fill(struct lines *lines, const struct call *call, struct err *err)
{
	static const char *const passed[] = {"accept",	    "anthropic-version", "anthropic-beta",
					     "openai-beta", "idempotency-key",	 "user-agent"};
	AUTO(secrets_fini) struct secrets key = SECRETS_INIT;

	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		struct str value = http_header(call->req, passed[i], 0);

		if (value.len && value.len <= 4096)
			lines_add(lines, passed[i], value);
	}
	lines_add(lines, "Content-Type", STR("application/json"));
	if (!conf_is_set(call->section, "key"))
		return true;
	if (!secrets_resolve(call->section, "key", &key, err))
		return false;
	if (model_is_anthropic(call->request.dialect)) {
		lines_add(lines, "x-api-key", key.items[0]);
	} else {
		AUTO(buf_fini) struct buf bearer = BUF_INIT;

		buf_reserve(&bearer, key.items[0].len + 8);
		buf_puts(&bearer, "Bearer ");
		buf_add_str(&bearer, key.items[0]);
		lines_add(lines, "Authorization", buf_str(&bearer));
		mem_zero(bearer.data, bearer.len);
	}
	return true;
}

static bool
call_forward(struct call *call, struct err *err)
{
	AUTO(lines_fini) struct lines lines = {.count = 0};
	AUTO(buf_fini) struct buf url = BUF_INIT, body = BUF_INIT;
	struct fetch_spec spec = {.method = "POST",
				  .headers = lines.list,
				  .timeout_ms = conf_ms(call->section, "timeout"),
				  .silent_ms = SILENT_MS,
				  .max_body = ANSWER_MAX,
				  .on_part = call_on_part,
				  .private_addresses = true}; /* the address is the file's */

	if (!lines_fill(&lines, call, err)) {
		log_error("a model's key cannot be read", "model", conf_section_name(call->section),
			  "error", err_text(err));
		return err_set(err, E_CONFIG,
			       "the key of [model %s] cannot be read; the daemon's log says why",
			       conf_section_name(call->section));
	}
	if (!model_request_body(&call->request, http_body(call->req), &body))
		return err_set(err, E_FULL, "no memory to pass this request on");
	model_request_url(call->request.dialect, conf_str(call->section, "url"),
			  http_query(call->req), &url);
	spec.url = buf_cstr(&url);
	spec.body = buf_str(&body);
	call->fetch = fetch_start(call->model->core->fetch, &spec, call_on_done, call, err);
	return call->fetch;
}

static unsigned
calls_of(const struct attempt *attempt)
{
	const struct meter_hold *hold;
	unsigned count = 0;

	LIST_FOREACH (hold, &attempt->holds, entry)
		count++;
	return count;
}

/* Is its endpoint left alone for a while? */
static bool
breaker_admits_call(struct call *call, int64_t *ret_ms, struct err *err)
{
	struct core *core = call->model->core;
	const char *name = conf_section_name(call->section);
	struct breaker_view view;

	if (breakers_admit(core, BREAKER_MODEL, name))
		return true;
	breakers_look(core, BREAKER_MODEL, name, &view);
	*ret_ms = wall_is_set(view.until) ? view.until.ms - core_wall(core).ms : 0;
	if (*ret_ms < RETRY_MS)
		*ret_ms = RETRY_MS;
	return err_set(err, E_UNAVAILABLE,
		       "[model %s] failed %u times of %u and is left alone for a while%s%s", name,
		       view.failed, view.total, view.error ? "; the last time: " : "",
		       view.error ? view.error : "");
}

/* False: refused; words and err say how. */
static bool
call_admit(struct call *call, struct attempt *attempt, enum words *ret_words, int64_t *ret_ms,
	   struct err *err)
{
	struct core *core = call->model->core;

	*ret_words = WORDS_BUSY;
	if (core->draining || core->handing) {
		*ret_ms = RETRY_MS;
		return err_set(err, E_UNAVAILABLE, "the daemon stops, or hands over to another; try again");
	}
	*ret_words = WORDS_MODEL;
	if (!endpoint_model(attempt, call->request.model, &call->section, err))
		return false;
	*ret_words = WORDS_BUDGET;
	if (attempt->stop_reason)
		return err_set(err, E_BUDGET, "the run is being stopped: %s",
			       attempt->stop_text ? attempt->stop_text : attempt->stop_reason);
	*ret_words = WORDS_BUSY;
	if (calls_of(attempt) >= CALLS_A_RUN) {
		*ret_ms = RETRY_MS;
		return err_set(err, E_RATE, "the run has %d requests that go on; wait for one",
			       CALLS_A_RUN);
	}
	if (!breaker_admits_call(call, ret_ms, err))
		return false;
	hold_fill(call);
	*ret_words = WORDS_BUDGET;
	if (!meter_hold(attempt, &call->hold, err))
		return false;
	*ret_words = WORDS_BAD;
	return call_forward(call, err);
}

void
call_start(struct model *model, struct http_request *req, enum model_dialect dialect,
	   struct attempt *attempt)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct call *call = mem_alloc(sizeof(*call));
	enum words words = WORDS_INVALID;
	int64_t retry_ms = 0;

	call->model = model;
	call->req = req;
	call->registry = registry_ref(attempt->registry);
	call->agent = mem_strdup(attempt->agent->name);
	call->who = ++model->last;
	LIST_INSERT_HEAD(&model->calls, call, entry);
	model->count++;
	if (!model_request_read(dialect, http_body(req), &call->request, &err) ||
	    !call_admit(call, attempt, &words, &retry_ms, &err)) {
		words_reply(req, dialect, words, err_text(&err), retry_ms);
		call_free(call);
		return;
	}
	model_stream_init(&call->stream, &call->request);
	breakers_begin(model->core, BREAKER_MODEL, conf_section_name(call->section), call->who);
	http_set_on_gone(req, call_on_gone, call);
}
