/* Webhook signatures: a scheme with its options, its keys, and what it says of a delivery. */
/* SPDX-License-Identifier: MIT */
#include "pure/signature.h"

#include "base/json.h"
#include "pure/signature_impl.h"

#define URL_SPELLINGS 2

/* ---- a scheme with its options ---- */

static char *
lower_dup(struct str s)
{
	char *copy = str_dup(s);

	for (size_t i = 0; i < s.len; i++)
		if (copy[i] >= 'A' && copy[i] <= 'Z')
			copy[i] = (char)(copy[i] + 'a' - 'A');
	return copy;
}

static bool
is_header_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", s.p[i]))
			return false;
	return s.len > 0;
}

static bool
set_header(struct str name, const char *option, char **owned, const char **field, struct err *err)
{
	if (!name.len)
		return true;
	if (!is_header_name(name))
		return err_set(err, E_CONFIG,
			       "%s: '%.*s' is no header name; write it as in X-Signature", option,
			       STR_ARG(name));
	*field = *owned = lower_dup(name);
	return true;
}

static bool
set_words(struct signature *s, const struct signature_options *o, struct err *err)
{
	if (o->algorithm.len && !digest_kind_parse(o->algorithm, &s->scheme.algorithm))
		return err_set(err, E_CONFIG,
			       "algorithm: '%.*s' is unknown; expected sha1, sha256 or sha512",
			       STR_ARG(o->algorithm));
	if (str_eq(o->encoding, STR("base64")))
		s->scheme.encoding = SIGNATURE_BASE64;
	else if (o->encoding.len && !str_eq(o->encoding, STR("hex")))
		return err_set(err, E_CONFIG, "encoding: '%.*s' is unknown; expected hex or base64",
			       STR_ARG(o->encoding));
	if (o->separator.len > 1)
		return err_set(err, E_CONFIG, "separator: '%.*s'; expected one character",
			       STR_ARG(o->separator));
	if (o->separator.len)
		s->scheme.separator = o->separator.p[0];
	s->scheme.prefix_optional = o->prefix_optional;
	if (o->prefix.len)
		s->scheme.prefix = s->prefix = str_dup(o->prefix);
	if (o->signed_text.len)
		s->scheme.signed_text = s->signed_text = str_dup(o->signed_text);
	return true;
}

/* A text that leaves the body out protects nothing, a time that is not signed can be changed. */
static bool
check_signed(const struct signature *s, struct err *err)
{
	const struct signature_headers *h = &s->scheme.headers[0];
	unsigned used;

	if (!signed_text_check(s->scheme.signed_text, &used, err))
		return false;
	if (!(used & 1u << SIGNED_BODY))
		return err_set(err, E_CONFIG,
			       "signed: has no {body}; without it anybody may change the body");
	if (!(used & 1u << SIGNED_TIMESTAMP) != !h->timestamp)
		return err_set(err, E_CONFIG,
			       "timestamp_header and {timestamp} in signed belong together; give "
			       "both or none");
	if ((used & 1u << SIGNED_ID) && !h->id)
		return err_set(err, E_CONFIG,
			       "signed has {id}; say in id_header which header it is");
	return true;
}

static bool
set_options(struct signature *s, const struct signature_options *o, struct err *err)
{
	struct signature_headers *h = &s->scheme.headers[0];

	if (!set_header(o->header, "header", &s->header, &h->signature, err) ||
	    !set_header(o->timestamp_header, "timestamp_header", &s->timestamp_header,
			&h->timestamp, err) ||
	    !set_header(o->id_header, "id_header", &s->id_header, &h->id, err) ||
	    !set_words(s, o, err) || !check_signed(s, err))
		return false;
	if (h->timestamp) {
		s->scheme.time = SIGNATURE_TIME_HEADER;
		if (!s->scheme.tolerance_ms)
			s->scheme.tolerance_ms = 300000;
	}
	s->scheme.delivery[0] = h->id;
	return true;
}

bool
signature_new(const struct signature_scheme *scheme, const struct signature_options *options,
	      struct signature **ret, struct err *err)
{
	AUTO(signature_auto_free) struct signature *s = mem_alloc(sizeof(*s));

	s->scheme = *scheme;
	if (!s->scheme.prefix)
		s->scheme.prefix = "";
	if (options) {
		if (options->tolerance_ms > 0)
			s->scheme.tolerance_ms = options->tolerance_ms;
		if (!strcmp(scheme->name, "hmac")) {
			if (!set_options(s, options, err))
				return false;
		} else if (!strcmp(scheme->name, "token") && !options->algorithm.len &&
			   !options->encoding.len && !options->signed_text.len &&
			   !options->timestamp_header.len && !options->id_header.len) {
			if (!set_header(options->header, "header", &s->header,
					&s->scheme.headers[0].signature, err) ||
			    !set_words(s, options, err))
				return false;
		} else if (options->separator.len || options->prefix_optional ||
			   options->header.len || options->algorithm.len || options->encoding.len ||
			   options->prefix.len || options->signed_text.len ||
			   options->timestamp_header.len || options->id_header.len)
			return err_set(
				err, E_CONFIG,
				"header, algorithm, encoding, prefix, signed, separator, "
				"prefix_optional, timestamp_header and id_header are for verify = "
				"hmac (header and prefix also for token); %s knows its own",
				scheme->name);
	}
	*ret = TAKE(s);
	return true;
}

void
signature_free(struct signature *s)
{
	if (!s)
		return;
	auto_free(&s->header);
	auto_free(&s->prefix);
	auto_free(&s->signed_text);
	auto_free(&s->timestamp_header);
	auto_free(&s->id_header);
	auto_free(&s);
}

void
signature_auto_free(struct signature **signature)
{
	signature_free(*signature);
}

const struct signature_scheme *
signature_scheme(const struct signature *signature)
{
	return &signature->scheme;
}

/* ---- keys ---- */

/* What keys become is wiped: they are secrets. */
void
signature_wipe(struct buf *key)
{
	if (key->data)
		mem_zero(key->data, key->cap);
	buf_fini(key);
}

/* Padding may be missing: secrets are copied by hand. */
static bool
key_base64(struct str text, struct buf *out)
{
	AUTO(signature_wipe) struct buf padded = BUF_INIT;

	buf_add_str(&padded, text);
	while (padded.len % 4)
		buf_putc(&padded, '=');
	return base64_decode(buf_str(&padded), out) && out->len;
}

bool
signature_key(const struct signature_scheme *scheme, struct str secret, bool private_key,
	      struct buf *out)
{
	struct str prefix = str_of(private_key ? "whsk_" : scheme->key_prefix);

	if (!secret.len)
		return false;
	if (scheme->key == SIGNATURE_KEY_TEXT) {
		buf_add_str(out, secret);
		return true;
	}
	if (prefix.p && str_starts(secret, prefix))
		secret = str_make(secret.p + prefix.len, secret.len - prefix.len);
	if (scheme->key == SIGNATURE_KEY_HEX ? !hex_decode(secret, out) : !key_base64(secret, out))
		return false;
	if (scheme->method != SIGNATURE_ED25519)
		return out->len > 0;
	return out->len == ED25519_KEY || (private_key && out->len == ED25519_SIGNATURE);
}

bool
signature_check_secret(const struct signature *signature, struct str secret, struct err *err)
{
	static const char *const expected[] = {
		[SIGNATURE_KEY_TEXT] = "some text",
		[SIGNATURE_KEY_BASE64] = "base64, with or without its prefix (whsec_, whpk_)",
		[SIGNATURE_KEY_HEX] = "32 bytes in hex",
	};
	AUTO(signature_wipe) struct buf key = BUF_INIT;

	if (signature->scheme.method == SIGNATURE_NONE)
		return true;
	if (!secret.len)
		return err_set(err, E_CONFIG, "the secret is empty; %s needs one",
			       signature->scheme.name);
	if (signature->scheme.method == SIGNATURE_BASIC && !memchr(secret.p, ':', secret.len))
		return err_set(err, E_CONFIG, "the secret has no colon; basic needs user:password");
	if (!signature_key(&signature->scheme, secret, false, &key))
		return err_set(err, E_CONFIG, "the secret cannot be read; %s expects %s",
			       signature->scheme.name, expected[signature->scheme.key]);
	return true;
}

/* ---- the signed text ---- */

void
signing_fini(struct signing *s)
{
	buf_fini(&s->form);
	buf_fini(&s->other_url);
}

/* Twilio: the URL with or without its port, and the form; a JSON body by its digest in the URL. */
bool
signing_find_url(struct signing *s, struct err *err)
{
	struct str sha256;
	struct digest body;

	AUTO(buf_fini) struct buf want = BUF_INIT;

	if (!strstr(s->scheme->signed_text, "{url}"))
		return true;
	if (signed_url_other_port(s->request->url, &s->other_url))
		s->spellings = URL_SPELLINGS;
	if (!strstr(s->scheme->signed_text, "{form}"))
		return true;
	sha256 = signed_url_sha256(s->request->url);
	if (!sha256.p) {
		signed_form(s->request->body, &s->form);
		return true;
	}
	body = digest_of(DIGEST_SHA256, s->request->body);
	if (!hex_decode(sha256, &want) || !digest_equal(want.data, want.len, body.bytes, body.len))
		return err_set(err, E_UNAUTHORIZED, "%s",
			       "the body is not the one whose bodySHA256 the URL has");
	return true;
}

size_t
signing_parts(const struct signing *s, size_t spelling, struct str parts[SIGNED_PARTS_MAX])
{
	const struct str values[SIGNED_NAMES] = {
		[SIGNED_TIMESTAMP] = s->timestamp,
		[SIGNED_ID] = s->id,
		[SIGNED_BODY] = s->request->body,
		[SIGNED_METHOD] = s->request->method,
		[SIGNED_URL] = spelling ? buf_str(&s->other_url) : s->request->url,
		[SIGNED_FORM] = buf_str(&s->form),
	};

	return signed_text_parts(s->scheme->signed_text, values, parts);
}

void
signature_encode(enum signature_encoding encoding, struct str bytes, struct buf *out)
{
	if (encoding == SIGNATURE_BASE64)
		base64_encode(out, bytes);
	else
		hex_encode(out, bytes);
}

bool
signature_needs_url(const struct signature *signature)
{
	return signature->scheme.signed_text && strstr(signature->scheme.signed_text, "{url}");
}

bool
signature_header_is_secret(struct str name)
{
	static const struct str names[] = {STR("authorization"), STR("cookie"),
					   STR("proxy-authorization"), STR("x-gitlab-token"),
					   STR("x-api-key")};
	static const struct str parts[] = {STR("signature"), STR("token"), STR("secret"),
					   STR("hmac")};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(name, names[i]))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (memmem(name.p, name.len, parts[i].p, parts[i].len))
			return true;
	return false;
}

/* ---- what the provider calls the delivery ---- */

static struct str
body_member(struct str body, const char *name)
{
	const struct json_step step = {.name = str_of(name)};
	struct str raw;

	if (!body.len || body.p[0] != '{' || !json_check(body, NULL) ||
	    !json_raw_find(body, &step, 1, &raw))
		return STR_NONE;
	if (raw.len < 3 || raw.p[0] != '"' || memchr(raw.p, '\\', raw.len))
		return STR_NONE;
	return str_make(raw.p + 1, raw.len - 2);
}

struct str
signature_delivery_id(const struct signature *signature, const struct signature_request *request)
{
	const struct signature_scheme *scheme = &signature->scheme;
	struct str value;

	for (size_t i = 0; i < ARRAY_LEN(scheme->delivery) && scheme->delivery[i]; i++) {
		value = request->header(request->arg, scheme->delivery[i], 0);
		if (value.len)
			return value;
	}
	return scheme->delivery_member ? body_member(request->body, scheme->delivery_member)
				       : STR_NONE;
}

bool
signature_is_ping(const struct signature *signature, const struct signature_request *request)
{
	const struct signature_scheme *scheme = &signature->scheme;

	return scheme->ping_header &&
	       str_eq_cstr(request->header(request->arg, scheme->ping_header, 0),
			   scheme->ping_value);
}
