/* The endpoint of models: the beginning of a request: may it go on, what is held, how it is asked.
 */
/* SPDX-License-Identifier: MIT */
#include "model/inside.h"

#include "base/log.h"
#include "conf/secret.h"
#include "core/breakers.h"
#include "core/endpoint.h"

#define ANSWER_MAX (32 << 20)
#define SILENT_MS 300000
#define CALLS_A_RUN 64
#define HEADERS_MAX 12

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
		return err_set(err, E_UNAVAILABLE,
			       "the daemon stops, or hands over to another; try again");
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
