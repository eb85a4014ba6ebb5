/* Answers of models: what they say that they used, whole or streamed. */
/* SPDX-License-Identifier: MIT */
#include "pure/model_answer.h"

#include <math.h>

#include "base/json.h"

#define TOKENS_MAX 1000000000000LL
#define BYTES_A_TOKEN 3
#define WORDS_MAX 300
#define DEPTH_MAX 8

int64_t
model_count(const json_t *object, const char *key)
{
	double n = json_num(object, key, 0);

	if (!isfinite(n) || n <= 0)
		return 0;
	return n > (double)TOKENS_MAX ? TOKENS_MAX : (int64_t)n;
}

/* What comes later of one answer replaces what came before, where it says it. */
static void
count_take(const json_t *object, const char *key, int64_t *ret)
{
	if (json_is_number(json_object_get(object, key)))
		*ret = model_count(object, key);
}

/* OpenAI counts what was read from a cache among the input. */
static void
usage_openai(const json_t *usage, const char *in, const char *out, const char *details,
	     struct model_usage *ret)
{
	int64_t input = model_count(usage, in),
		cached = model_count(json_object_get(usage, details), "cached_tokens");

	ret->cache_read = cached < input ? cached : input;
	ret->input = input - ret->cache_read;
	ret->output = model_count(usage, out);
}

static void
usage_read(enum model_dialect dialect, const json_t *usage, struct model_usage *ret)
{
	if (!json_is_object(usage))
		return;
	ret->said = true;
	switch (dialect) {
	case MODEL_MESSAGES:
		count_take(usage, "input_tokens", &ret->input);
		count_take(usage, "output_tokens", &ret->output);
		count_take(usage, "cache_read_input_tokens", &ret->cache_read);
		count_take(usage, "cache_creation_input_tokens", &ret->cache_written);
		return;
	case MODEL_RESPONSES:
		usage_openai(usage, "input_tokens", "output_tokens", "input_tokens_details", ret);
		return;
	default:
		usage_openai(usage, "prompt_tokens", "completion_tokens", "prompt_tokens_details",
			     ret);
	}
}

bool
model_answer_read(enum model_dialect dialect, struct str body, struct model_usage *ret)
{
	AUTO(json_auto_decref) json_t *answer = NULL;

	*ret = (struct model_usage){.said = dialect == MODEL_COUNT};
	if (!json_read(body, &answer, NULL) || !json_is_object(answer))
		return false;
	if (dialect != MODEL_COUNT)
		usage_read(dialect, json_object_get(answer, "usage"), ret);
	return true;
}

/* --- streams ------------------------------------------------------------------------------- */

void
model_stream_init(struct model_stream *stream, const struct model_request *request)
{
	*stream = (struct model_stream){.dialect = request->dialect,
					.hides_usage = request->hides_usage};
}

void
model_stream_fini(struct model_stream *stream)
{
	buf_fini(&stream->event);
	free(stream->failed);
	stream->failed = NULL;
}

static int64_t
string_bytes(const json_t *value, int depth)
{
	int64_t sum = 0;
	const json_t *item;
	const char *key;
	size_t i;

	if (json_is_string(value))
		return (int64_t)json_string_length(value);
	if (depth >= DEPTH_MAX)
		return 0;
	json_array_foreach (value, i, item)
		sum += string_bytes(item, depth + 1);
	json_object_foreach ((json_t *)value, key, item)
		sum += string_bytes(item, depth + 1);
	return sum;
}

static void
stream_fail(struct model_stream *stream, const json_t *error)
{
	const char *words = json_str(error, "message");

	stream->ended = true;
	if (!stream->failed)
		stream->failed = str_dup(words ? str_make(words, strnlen(words, WORDS_MAX))
					       : STR("an error without words"));
}

static void
on_messages(struct model_stream *stream, const json_t *event, const char *type)
{
	if (!strcmp(type, "message_start"))
		usage_read(stream->dialect,
			   json_object_get(json_object_get(event, "message"), "usage"),
			   &stream->usage);
	else if (!strcmp(type, "message_delta"))
		usage_read(stream->dialect, json_object_get(event, "usage"), &stream->usage);
	else if (!strcmp(type, "message_stop"))
		stream->ended = true;
	else if (!strcmp(type, "error"))
		stream_fail(stream, json_object_get(event, "error"));
	else
		stream->said_bytes += string_bytes(json_object_get(event, "delta"), 0);
}

static void
on_responses(struct model_stream *stream, const json_t *event, const char *type)
{
	const json_t *response = json_object_get(event, "response");

	if (!strcmp(type, "response.completed") || !strcmp(type, "response.incomplete") ||
	    !strcmp(type, "response.failed")) {
		usage_read(stream->dialect, json_object_get(response, "usage"), &stream->usage);
		stream->ended = true;
		if (!strcmp(type, "response.failed"))
			stream_fail(stream, json_object_get(response, "error"));
	} else if (!strcmp(type, "error")) {
		stream_fail(stream, event);
	} else {
		stream->said_bytes += string_bytes(json_object_get(event, "delta"), 0);
	}
}

/* True: the event says the usage and nothing else. */
static bool
on_chat(struct model_stream *stream, const json_t *event)
{
	const json_t *choices = json_object_get(event, "choices"),
		     *usage = json_object_get(event, "usage"), *choice;
	size_t i;

	usage_read(stream->dialect, usage, &stream->usage);
	if (json_is_object(json_object_get(event, "error")))
		stream_fail(stream, json_object_get(event, "error"));
	json_array_foreach (choices, i, choice) {
		stream->said_bytes += string_bytes(json_object_get(choice, "delta"), 0);
		stream->ended |= json_is_string(json_object_get(choice, "finish_reason"));
	}
	return json_is_object(usage) && json_is_array(choices) && !json_array_size(choices);
}

/* True: it is passed on. */
static bool
data_read(struct model_stream *stream, struct str data)
{
	AUTO(json_auto_decref) json_t *event = NULL;
	const char *type;

	if (stream->dialect == MODEL_CHAT && str_eq_cstr(data, "[DONE]")) {
		stream->ended = true;
		return true;
	}
	if (!json_read(data, &event, NULL) || !json_is_object(event))
		return true;
	if (stream->dialect == MODEL_CHAT)
		return !on_chat(stream, event) || !stream->hides_usage;
	type = json_str(event, "type");
	if (type && stream->dialect == MODEL_RESPONSES)
		on_responses(stream, event, type);
	else if (type)
		on_messages(stream, event, type);
	return true;
}

/* The data of one event, its lines joined (WHATWG HTML, 9.2.6). */
static bool
event_read(struct model_stream *stream)
{
	AUTO(buf_fini) struct buf data = BUF_INIT;
	struct str rest = buf_str(&stream->event), line;
	bool some = false;

	while (rest.p && rest.len) {
		rest = str_split(rest, '\n', &line);
		if (line.len && line.p[line.len - 1] == '\r')
			line.len--;
		if (!str_starts(line, STR("data:")))
			continue;
		line = str_make(line.p + 5, line.len - 5);
		if (line.len && line.p[0] == ' ')
			line = str_make(line.p + 1, line.len - 1);
		if (some)
			buf_putc(&data, '\n');
		buf_add_str(&data, line);
		some = true;
	}
	return !some || data_read(stream, buf_str(&data));
}

static void
event_pass(struct model_stream *stream, struct buf *out)
{
	if (event_read(stream))
		buf_add_str(out, buf_str(&stream->event));
	buf_clear(&stream->event);
	stream->line = 0;
}

bool
model_stream_take(struct model_stream *stream, struct str data, struct buf *out, struct err *err)
{
	while (data.len) {
		const char *end = memchr(data.p, '\n', data.len);
		size_t len = end ? (size_t)(end - data.p) + 1 : data.len;
		struct str line;

		if (len > MODEL_EVENT_MAX - stream->event.len)
			return err_set(err, E_TOO_LARGE, "an event of more than %d MiB",
				       MODEL_EVENT_MAX >> 20);
		if (!buf_try_reserve(&stream->event, len))
			return err_set(err, E_FULL, "no memory for an event of %zu bytes",
				       stream->event.len + len);
		buf_add(&stream->event, data.p, len);
		data = str_make(data.p + len, data.len - len);
		if (!end)
			return true;
		line = str_make(stream->event.data + stream->line,
				stream->event.len - stream->line);
		stream->line = stream->event.len;
		if (str_eq_cstr(line, "\n") || str_eq_cstr(line, "\r\n"))
			event_pass(stream, out);
	}
	return true;
}

void
model_stream_end(struct model_stream *stream, struct buf *out)
{
	if (!stream->event.len)
		return;
	event_read(stream);
	if (!stream->ended)
		return;
	buf_add_str(out, buf_str(&stream->event));
	buf_puts(out, "\n\n");
	buf_clear(&stream->event);
}

struct model_usage
model_stream_estimate(const struct model_stream *stream, int64_t input_estimate)
{
	struct model_usage usage = stream->usage;
	int64_t said = stream->said_bytes / BYTES_A_TOKEN;

	if (!usage.said)
		usage.input = input_estimate;
	if (usage.output < said)
		usage.output = said;
	return usage;
}
