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

/* Headers that prove who sent it are nobody else's business. */
static const struct str secret_headers[] = {STR("authorization"), STR("cookie"),
					    STR("proxy-authorization"), STR("x-gitlab-token"),
					    STR("x-api-key")};
static const struct str secret_parts[] = {STR("signature"), STR("token"), STR("secret"),
					  STR("hmac")};

static struct str
media_type(struct str content_type)
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
	struct str type = media_type(content_type);

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

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* application/x-www-form-urlencoded; a broken escape stands for itself. */
static void
form_decode(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '+') {
			buf_putc(out, ' ');
		} else if (s.p[i] == '%' && i + 2 < s.len && hex_digit(s.p[i + 1]) >= 0 &&
			   hex_digit(s.p[i + 2]) >= 0) {
			buf_putc(out, (char)(hex_digit(s.p[i + 1]) * 16 + hex_digit(s.p[i + 2])));
			i += 2;
		} else {
			buf_putc(out, s.p[i]);
		}
	}
}

/* name=value pairs as an object; a name that comes again makes an array. */
static json_t *
form_object(struct str form)
{
	json_t *object = json_object();

	while (form.p && form.len) {
		AUTO(buf_fini) struct buf name = BUF_INIT;
		AUTO(buf_fini) struct buf value = BUF_INIT;
		struct str pair, head;
		json_t *text, *before;

		form = str_split(form, '&', &pair);
		if (!pair.len)
			continue;
		pair = str_split(pair, '=', &head);
		form_decode(head, &name);
		form_decode(pair.p ? pair : STR(""), &value);
		text = json_stringn(buf_cstr(&value), value.len);
		if (!text)
			text = json_string("\xEF\xBF\xBD");
		before = json_object_get(object, buf_cstr(&name));
		if (!before)
			json_object_set_new(object, buf_cstr(&name), text);
		else if (json_is_array(before))
			json_array_append_new(before, text);
		else
			json_object_set_new(object, buf_cstr(&name),
					    json_pack("[O,o]", before, text));
	}
	return object;
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
hook_body(struct str content_type, struct str body, struct buf *made, struct str *ret_data,
	  struct err *err)
{
	enum body_kind kind = BODY_BYTES;

	if (!content_type.len)
		kind = looks_like_json(body) ? BODY_JSON : BODY_TEXT;
	else if (!kind_of(content_type, &kind))
		return err_set(err, E_MEDIA,
			       "content type %.*s is not taken; send application/json, a form, "
			       "text or application/octet-stream",
			       STR_ARG(media_type(content_type)));
	/* What `curl -d '{…}'` sends calls itself a form. */
	if (kind == BODY_FORM && looks_like_json(body) && json_check(str_trim(body), NULL))
		kind = BODY_JSON;
	if (kind == BODY_JSON)
		return json_body(body, ret_data, err);
	if (kind == BODY_FORM) {
		AUTO(json_auto_decref) json_t *object = form_object(body);

		json_write(made, object);
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

static bool
header_is_secret(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(secret_headers); i++)
		if (str_eq(name, secret_headers[i]))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(secret_parts); i++)
		if (memmem(name.p, name.len, secret_parts[i].p, secret_parts[i].len))
			return true;
	return false;
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
		if (header_is_secret(name) || header_came_before(req, i, name))
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
	const struct http_peer *peer = http_peer(req);
	struct str query = http_query(req);

	buf_reserve(out, 512);
	headers_build(req, out);
	buf_puts(out, ",\"query\":");
	if (query.len) {
		AUTO(json_auto_decref) json_t *object = form_object(query);

		json_write(out, object);
	} else {
		buf_puts(out, "{}");
	}
	buf_puts(out, ",\"method\":");
	buf_json_str(out, http_method(req));
	buf_puts(out, ",\"path\":");
	buf_json_str(out, http_path(req));
	buf_puts(out, ",\"remote\":");
	buf_json_cstr(out, peer->address);
}

/* --- CloudEvents --------------------------------------------------------------------------- */

static bool
attribute(json_t *object, const char *name, struct str *ret, struct err *err)
{
	json_t *value = json_object_get(object, name);

	if (!json_is_string(value) || !json_string_length(value))
		return err_set(err, E_INVALID,
			       "CloudEvent without %s; it needs specversion, id, source and type",
			       name);
	*ret = str_make(json_string_value(value), json_string_length(value));
	return true;
}

static void
keep(struct buf *made, size_t *ret_at, struct str s)
{
	*ret_at = made->len;
	buf_add(made, s.p, s.len);
}

/* Structured mode: the body is the event. Its data stays the raw text that it was. */
static bool
structured(struct happening *h, struct buf *made, struct err *err)
{
	static const struct json_step data_step = {.name = {"data", 4}};
	AUTO(json_auto_decref) json_t *object = NULL;
	struct str id, source, type, specversion, whole = h->data;
	size_t at_id, at_source, at_type;

	if (!json_read(whole, &object, err))
		return false;
	if (!attribute(object, "specversion", &specversion, err) ||
	    !attribute(object, "id", &id, err) || !attribute(object, "source", &source, err) ||
	    !attribute(object, "type", &type, err))
		return false;
	if (!str_eq_cstr(specversion, "1.0"))
		return err_set(err, E_INVALID, "CloudEvent of specversion %.*s; expected 1.0",
			       STR_ARG(specversion));
	if (!json_raw_find(whole, &data_step, 1, &h->data))
		h->data = STR("null");
	keep(made, &at_id, id);
	keep(made, &at_source, source);
	keep(made, &at_type, type);
	h->id = str_make(made->data + at_id, id.len);
	h->source = str_make(made->data + at_source, source.len);
	h->type = str_make(made->data + at_type, type.len);
	return true;
}

bool
hook_cloudevent(const struct http_request *req, struct happening *h, struct buf *made,
		struct err *err)
{
	struct str type = media_type(http_header(req, "content-type", 0));

	if (str_starts_nocase(type, STR("application/cloudevents-batch")))
		return err_set(err, E_MEDIA,
			       "batched CloudEvents are not taken; send one event a request");
	if (str_starts_nocase(type, STR("application/cloudevents")))
		return structured(h, made, err);
	if (!http_header(req, "ce-specversion", 0).p || !http_header(req, "ce-id", 0).len ||
	    !http_header(req, "ce-source", 0).len || !http_header(req, "ce-type", 0).len)
		return true;
	h->id = http_header(req, "ce-id", 0);
	h->source = http_header(req, "ce-source", 0);
	h->type = http_header(req, "ce-type", 0);
	h->subject = http_header(req, "ce-subject", 0);
	return true;
}
