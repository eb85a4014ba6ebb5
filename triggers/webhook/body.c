/* What a delivery carries: its body as JSON, what of its headers may be kept. */
/* SPDX-License-Identifier: MIT */
#include "base/digest.h"
#include "base/json.h"
#include "triggers/webhook/webhook.h"

enum body_kind { BODY_JSON, BODY_FORM, BODY_TEXT, BODY_BYTES };

/* Content types by their beginning, or, with a '+', by their end. */
static const struct {
	const char *type;
	enum body_kind kind;
} body_types[] = {
	{"application/json", BODY_JSON},
	{"+json", BODY_JSON},
	{"text/json", BODY_JSON},
	{"application/x-www-form-urlencoded", BODY_FORM},
	{"text/", BODY_TEXT},
	{"application/xml", BODY_TEXT},
	{"+xml", BODY_TEXT},
	{"application/x-ndjson", BODY_TEXT},
	{"application/yaml", BODY_TEXT},
	{"application/octet-stream", BODY_BYTES},
};

struct str
hook_media_type(struct str content_type)
{
	struct str type;

	str_split(content_type, ';', &type);
	return str_trim(type);
}

static bool
type_matches(struct str type, const char *known)
{
	struct str k = str_of(known);

	if (*known == '+')
		return type.len > k.len &&
		       str_eq_nocase(str_make(type.p + type.len - k.len, k.len), k);
	return known[k.len - 1] == '/' ? str_starts_nocase(type, k) : str_eq_nocase(type, k);
}

static bool
kind_of(struct str content_type, enum body_kind *ret)
{
	struct str type = hook_media_type(content_type);

	for (size_t i = 0; i < ARRAY_LEN(body_types); i++) {
		if (type_matches(type, body_types[i].type)) {
			*ret = body_types[i].kind;
			return true;
		}
	}
	return false;
}

bool
hook_takes(struct str content_type)
{
	enum body_kind kind;

	return !content_type.len || kind_of(content_type, &kind);
}

static bool
looks_like_json(struct str body)
{
	struct str s = str_trim(body);

	return s.len && (*s.p == '{' || *s.p == '[');
}

static bool
json_body(struct str body, struct str *ret_data, struct err *err)
{
	*ret_data = str_trim(body);
	if (!ret_data->len) {
		*ret_data = STR("null");
		return true;
	}
	return json_check(*ret_data, err) || err_prefix(err, "body");
}

bool
hook_body(struct str content_type, struct str body, bool any, struct buf *made,
	  struct str *ret_data, struct err *err)
{
	enum body_kind kind = BODY_BYTES;

	if (!content_type.len)
		kind = looks_like_json(body) ? BODY_JSON : BODY_TEXT;
	else if (!kind_of(content_type, &kind) && !any)
		return err_set(err, E_MEDIA,
			       "content type %.*s is not taken; send application/json, a form, "
			       "text or application/octet-stream",
			       STR_ARG(hook_media_type(content_type)));
	/* What `curl -d '{…}'` sends calls itself a form. */
	if (kind == BODY_FORM && looks_like_json(body) && json_check(str_trim(body), NULL))
		kind = BODY_JSON;
	if (kind == BODY_JSON)
		return json_body(body, ret_data, err);
	if (kind == BODY_FORM) {
		if (!form_write(body, made, err))
			return false;
	} else if (kind == BODY_TEXT && str_is_utf8(body)) {
		buf_json_str(made, body);
	} else {
		buf_puts(made, "{\"base64\":\"");
		base64_encode(made, body);
		buf_puts(made, "\"}");
	}
	*ret_data = buf_str(made);
	return true;
}

/* Did a header of this name come before the i-th? */
static bool
header_came_before(const struct http_request *req, size_t i, struct str name)
{
	for (size_t j = 0; j < i; j++) {
		struct str other, value;

		http_header_at(req, j, &other, &value);
		if (str_eq(other, name))
			return true;
	}
	return false;
}

static void
headers_build(const struct http_request *req, struct buf *out)
{
	bool first = true;

	buf_puts(out, "\"headers\":{");
	for (size_t i = 0; i < http_header_count(req); i++) {
		struct str name, value;

		http_header_at(req, i, &name, &value);
		if (signature_header_is_secret(name) || header_came_before(req, i, name))
			continue;
		if (!first)
			buf_putc(out, ',');
		first = false;
		buf_json_str(out, name);
		buf_putc(out, ':');
		buf_json_str(out, value);
	}
	buf_putc(out, '}');
}

void
hook_extension(const struct http_request *req, struct buf *out)
{
	struct str query = http_query(req);

	buf_reserve(out, 512);
	headers_build(req, out);
	buf_puts(out, ",\"query\":");
	/* The head is never so long that a query could have too many names. */
	form_write(query, out, NULL);
	buf_puts(out, ",\"method\":");
	buf_json_str(out, http_method(req));
	buf_puts(out, ",\"path\":");
	buf_json_str(out, http_path(req));
	buf_puts(out, ",\"remote\":");
	buf_json_cstr(out, http_client(req));
}
