/* Requests to models: what one says about itself, and what it may cost at most. */
/* SPDX-License-Identifier: MIT */
#include "pure/model_request.h"

#include <assert.h>

#include "base/json.h"

#define MODEL_NAME_MAX 200
#define OUTPUT_MAX 1000000000000LL
#define CHOICES_MAX 128
/* A token is rarely less than three bytes of text. Longer runs without blank or sign are encoded
 * pictures and papers, of which fifty bytes are less than a token. */
#define BYTES_A_TOKEN 3
#define BLOB_BYTES 2048
#define BLOB_BYTES_A_TOKEN 50
#define BLOB_TOKENS 1600

static const struct dialect_row {
	const char *path; /* behind the base URL that its libraries take */
	bool anthropic;
	const char *output_keys[2];
} rows[] = {
	[MODEL_MESSAGES] = {"/v1/messages", true, {"max_tokens", NULL}},
	[MODEL_COUNT] = {"/v1/messages/count_tokens", true, {NULL, NULL}},
	[MODEL_CHAT] = {"/chat/completions", false, {"max_completion_tokens", "max_tokens"}},
	[MODEL_RESPONSES] = {"/responses", false, {"max_output_tokens", NULL}},
	[MODEL_EMBEDDINGS] = {"/embeddings", false, {NULL, NULL}},
};
static_assert(ARRAY_LEN(rows) == MODEL_DIALECTS, "a row for every dialect");

bool
model_is_anthropic(enum model_dialect dialect)
{
	return rows[dialect].anthropic;
}

void
model_request_fini(struct model_request *request)
{
	free(request->model);
	*request = (struct model_request){.model = NULL};
}

static bool
member(struct str body, const char *name, struct str *ret)
{
	const struct json_step step = {.name = str_of(name)};

	return json_raw_find(body, &step, 1, ret);
}

/* A whole number of at least min; def where it is not there (or null). */
static bool
member_int(struct str body, const char *name, int64_t min, int64_t max, int64_t def, int64_t *ret,
	   struct err *err)
{
	struct str raw;

	*ret = def;
	if (!member(body, name, &raw) || str_eq_cstr(raw, "null"))
		return true;
	if (str_to_i64(raw, ret) && *ret >= min && *ret <= max)
		return true;
	return err_set(err, E_INVALID, "%s: expected a whole number from %lld to %lld", name,
		       (long long)min, (long long)max);
}

static bool
member_true(struct str body, const char *name)
{
	struct str raw;

	return member(body, name, &raw) && str_eq_cstr(raw, "true");
}

static bool
is_blob(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/' || c == '=' || c == '_' || c == '-';
}

static int64_t
tokens_of(struct str body)
{
	int64_t text = 0, blob = 0;

	for (size_t i = 0, from = 0; i <= body.len; i++) {
		size_t len = i - from;

		if (i < body.len && is_blob(body.p[i]))
			continue;
		if (len >= BLOB_BYTES)
			blob += BLOB_TOKENS + (int64_t)(len / BLOB_BYTES_A_TOKEN);
		else
			text += (int64_t)len;
		text += i < body.len;
		from = i + 1;
	}
	return text / BYTES_A_TOKEN + blob + 1;
}

/* Its answers' tokens: of each, times how many it wants. */
static bool
output_read(struct str body, struct model_request *ret, struct err *err)
{
	int64_t choices = 1;

	ret->output_max = -1;
	for (size_t i = 0; i < ARRAY_LEN(rows[0].output_keys); i++) {
		const char *key = rows[ret->dialect].output_keys[i];
		int64_t n;

		if (!key)
			continue;
		if (!member_int(body, key, 0, OUTPUT_MAX, -1, &n, err))
			return false;
		if (n > ret->output_max)
			ret->output_max = n;
	}
	if (ret->dialect == MODEL_CHAT && !member_int(body, "n", 1, CHOICES_MAX, 1, &choices, err))
		return false;
	if (ret->output_max > 0)
		ret->output_max *= choices;
	return true;
}

static bool
model_read(struct str body, struct model_request *ret, struct err *err)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	struct str raw;

	if (!member(body, "model", &raw) || !json_raw_string(raw, &name) || !name.len ||
	    name.len > MODEL_NAME_MAX || memchr(buf_cstr(&name), '\0', name.len))
		return err_set(err, E_INVALID,
			       "model: expected the name of a model, of at most %d bytes",
			       MODEL_NAME_MAX);
	ret->model = buf_take(&name);
	return true;
}

static bool
usage_is_asked(struct str body)
{
	const struct json_step steps[] = {{.name = STR("stream_options")},
					  {.name = STR("include_usage")}};
	struct str raw;

	return json_raw_find(body, steps, ARRAY_LEN(steps), &raw) && str_eq_cstr(raw, "true");
}

bool
model_request_read(enum model_dialect dialect, struct str body, struct model_request *ret,
		   struct err *err)
{
	struct str text = str_trim(body);

	*ret = (struct model_request){.dialect = dialect};
	/* Also that no name stands twice, of which we would read one and the provider the other. */
	if (!json_check(text, err))
		return err_prefix(err, "the request is no JSON that can be passed on");
	if (!text.len || text.p[0] != '{')
		return err_set(err, E_INVALID, "the request is no JSON object");
	if (dialect == MODEL_RESPONSES && member_true(text, "background"))
		return err_set(err, E_INVALID,
			       "background: what such a response costs is not known when it is "
			       "asked for; leave it out");
	if (!output_read(text, ret, err) || !model_read(text, ret, err))
		return false;
	ret->stream = member_true(text, "stream");
	ret->hides_usage = dialect == MODEL_CHAT && ret->stream && !usage_is_asked(text);
	ret->input_estimate = tokens_of(text);
	return true;
}

/* text with what stands at `hole` (a slice of it) replaced. */
static void
splice(struct buf *out, struct str text, struct str hole, const char *first, const char *second)
{
	size_t at = (size_t)(hole.p - text.p);

	buf_add_str(out, str_make(text.p, at));
	buf_cat(out, first, second);
	buf_add_str(out, str_make(text.p + at + hole.len, text.len - at - hole.len));
}

bool
model_request_body(const struct model_request *request, struct str body, struct buf *out)
{
	static const char asks[] = "\"include_usage\":true";
	const struct json_step steps[] = {{.name = STR("stream_options")},
					  {.name = STR("include_usage")}};
	struct str text = str_trim(body), options, asked;

	if (!buf_try_reserve(out, text.len + 64))
		return false;
	if (!request->hides_usage)
		buf_add_str(out, text);
	else if (!member(text, "stream_options", &options))
		splice(out, text, str_make(text.p + 1, 0),
		       "\"stream_options\":{\"include_usage\":true}",
		       ","); /* behind it stands "model" at least */
	else if (options.p[0] != '{')
		splice(out, text, options, "{\"include_usage\":true", "}");
	else if (json_raw_find(text, steps, ARRAY_LEN(steps), &asked))
		splice(out, text, asked, "true", "");
	else
		splice(out, text, str_make(options.p + 1, 0), asks,
		       str_trim(str_make(options.p + 1, options.len - 1)).p[0] == '}' ? "" : ",");
	return true;
}

static struct str
without(struct str s, struct str end)
{
	return str_ends(s, end) ? str_make(s.p, s.len - end.len) : s;
}

void
model_request_url(enum model_dialect dialect, const char *base, struct str query, struct buf *out)
{
	struct str url = without(str_of(base), STR("/"));
	const char *host = strstr(base, "://");

	if (model_is_anthropic(dialect))
		url = without(url, STR("/v1"));
	buf_add_str(out, url);
	if (!model_is_anthropic(dialect) &&
	    (!host || !memchr(host + 3, '/', url.len - (size_t)(host + 3 - base))))
		buf_puts(out, "/v1");
	buf_puts(out, rows[dialect].path);
	if (query.len) {
		buf_putc(out, '?');
		buf_add_str(out, query);
	}
}
