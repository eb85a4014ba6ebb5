/* Webhook signatures: reads a row of the table and does what it says, for all schemes alike. */
/* SPDX-License-Identifier: MIT */
#include "pure/signature.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/evp.h>

#include "base/json.h"
#include "pure/signature_text.h"

#define ED25519_KEY 32
#define ED25519_SIGNATURE 64
#define TIMESTAMP_DIGITS 12
#define URL_SPELLINGS 2

struct signature {
	const struct signature_scheme *row;
	struct signature_scheme scheme; /* the row with the options filled in */
	char *header, *prefix, *signed_text, *timestamp_header, *id_header;
};

/* One request as the scheme sees it. */
struct signing {
	const struct signature_scheme *scheme;
	const struct signature_headers *headers;
	const struct signature_request *request;
	struct str signature, timestamp, id;
	struct buf form, other_url;
	size_t spellings; /* of the URL */
};

static void signing_fini(struct signing *s)
{
	buf_fini(&s->form);
	buf_fini(&s->other_url);
}

/* What keys become is wiped: they are secrets. */
static void key_fini(struct buf *key)
{
	if (key->data)
		mem_zero(key->data, key->cap);
	buf_fini(key);
}

static bool deny(struct err *err, const char *reason)
{
	return err_set(err, E_UNAUTHORIZED, "%s", reason);
}

/* ---- a scheme with its options ---- */

static char *lower_dup(struct str s)
{
	char *copy = str_dup(s);

	for (size_t i = 0; i < s.len; i++)
		if (copy[i] >= 'A' && copy[i] <= 'Z')
			copy[i] = (char)(copy[i] + 'a' - 'A');
	return copy;
}

static bool is_header_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", s.p[i]))
			return false;
	return s.len > 0;
}

static bool set_header(struct str name, const char *option, char **owned, const char **field,
		       struct err *err)
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

static bool set_words(struct signature *s, const struct signature_options *o, struct err *err)
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
	if (o->prefix.len)
		s->scheme.prefix = s->prefix = str_dup(o->prefix);
	if (o->signed_text.len)
		s->scheme.signed_text = s->signed_text = str_dup(o->signed_text);
	return true;
}

/* A text that leaves the body out protects nothing, a time that is not signed can be changed. */
static bool check_signed(const struct signature *s, struct err *err)
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

static bool set_options(struct signature *s, const struct signature_options *o, struct err *err)
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

bool signature_new(const struct signature_scheme *scheme, const struct signature_options *options,
		   struct signature **ret, struct err *err)
{
	AUTO(signature_auto_free) struct signature *s = mem_alloc(sizeof(*s));

	s->row = scheme;
	s->scheme = *scheme;
	if (!s->scheme.prefix)
		s->scheme.prefix = "";
	if (options) {
		if (options->tolerance_ms > 0)
			s->scheme.tolerance_ms = options->tolerance_ms;
		if (!strcmp(scheme->name, "hmac")) {
			if (!set_options(s, options, err))
				return false;
		} else if (options->header.len || options->algorithm.len || options->encoding.len ||
			   options->prefix.len || options->signed_text.len ||
			   options->timestamp_header.len || options->id_header.len)
			return err_set(
				err, E_CONFIG,
				"header, algorithm, encoding, prefix, signed, timestamp_header "
				"and id_header are for verify = hmac; %s knows its own",
				scheme->name);
	}
	*ret = TAKE(s);
	return true;
}

void signature_free(struct signature *s)
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

void signature_auto_free(struct signature **signature)
{
	signature_free(*signature);
}

const struct signature_scheme *signature_scheme(const struct signature *signature)
{
	return &signature->scheme;
}

/* ---- keys ---- */

/* Padding may be missing: secrets are copied by hand. */
static bool key_base64(struct str text, struct buf *out)
{
	AUTO(key_fini) struct buf padded = BUF_INIT;

	buf_add_str(&padded, text);
	while (padded.len % 4)
		buf_putc(&padded, '=');
	return base64_decode(buf_str(&padded), out) && out->len;
}

static bool key_of(const struct signature_scheme *scheme, struct str secret, bool private_key,
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

bool signature_check_secret(const struct signature *signature, struct str secret, struct err *err)
{
	static const char *const expected[] = {
		[SIGNATURE_KEY_TEXT] = "some text",
		[SIGNATURE_KEY_BASE64] = "base64, with or without its prefix (whsec_, whpk_)",
		[SIGNATURE_KEY_HEX] = "32 bytes in hex",
	};
	AUTO(key_fini) struct buf key = BUF_INIT;

	if (signature->scheme.method == SIGNATURE_NONE)
		return true;
	if (!secret.len)
		return err_set(err, E_CONFIG, "the secret is empty; %s needs one",
			       signature->scheme.name);
	if (signature->scheme.method == SIGNATURE_BASIC && !memchr(secret.p, ':', secret.len))
		return err_set(err, E_CONFIG, "the secret has no colon; basic needs user:password");
	if (!key_of(&signature->scheme, secret, false, &key))
		return err_set(err, E_CONFIG, "the secret cannot be read; %s expects %s",
			       signature->scheme.name, expected[signature->scheme.key]);
	return true;
}

/* ---- the request ---- */

/* A header that must be there once. */
static bool header_once(const struct signature_request *request, const char *name, struct str *ret,
			struct err *err)
{
	struct str value = request->header(request->arg, name, 0);

	if (!value.p)
		return err_set(err, E_UNAUTHORIZED, "the header %s is missing", name);
	if (!value.len)
		return err_set(err, E_UNAUTHORIZED, "the header %s is empty", name);
	if (request->header(request->arg, name, 1).p)
		return err_set(err, E_UNAUTHORIZED, "the header %s is given more than once", name);
	*ret = value;
	return true;
}

static bool find_headers(struct signing *s, struct err *err)
{
	const struct signature_headers *h = s->scheme->headers;
	struct str ignored;

	if (h[1].signature && !s->request->header(s->request->arg, h[0].signature, 0).p &&
	    s->request->header(s->request->arg, h[1].signature, 0).p)
		h++;
	s->headers = h;
	if (!header_once(s->request, h->signature, &s->signature, err) ||
	    (h->timestamp && !header_once(s->request, h->timestamp, &s->timestamp, err)) ||
	    (h->id && !header_once(s->request, h->id, &s->id, err)))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(h->required) && h->required[i]; i++)
		if (!header_once(s->request, h->required[i], &ignored, err))
			return false;
	if (s->scheme->body_required && !s->request->body.len)
		return deny(err, "the body is empty");
	return true;
}

static bool check_age(int64_t age_ms, int64_t tolerance_ms, struct err *err)
{
	if (age_ms > tolerance_ms || age_ms < -tolerance_ms)
		return err_set(err, E_UNAUTHORIZED,
			       "the timestamp is %" PRId64 " s %s; at most %" PRId64
			       " s are accepted (is a clock wrong?)",
			       (age_ms < 0 ? -age_ms : age_ms) / 1000,
			       age_ms < 0 ? "in the future" : "old", tolerance_ms / 1000);
	return true;
}

/* Strict digits: libraries that stop at the first other byte let two texts mean one time. */
static bool check_timestamp(const struct signing *s, struct wall now, struct err *err)
{
	int64_t now_s = now.ms / 1000 - (now.ms % 1000 < 0);
	uint64_t then;

	if (s->timestamp.len > TIMESTAMP_DIGITS + 1 || !str_to_u64(s->timestamp, &then))
		return deny(err, "the timestamp is not a whole number of seconds");
	return check_age((now_s - (int64_t)then) * 1000, s->scheme->tolerance_ms, err);
}

/* Of t=1,v1=...: the last t counts, as at the provider; it is signed, so none can be added. */
static void find_time_field(struct signing *s)
{
	struct str rest = s->signature, field;

	while (rest.p) {
		rest = str_split(rest, s->scheme->separator, &field);
		if (str_starts(field, STR("t=")))
			s->timestamp = str_make(field.p + 2, field.len - 2);
	}
}

static bool check_body_time(const struct signing *s, struct wall now, struct err *err)
{
	const struct json_step step = {.name = STR("webhookTimestamp")};
	struct str raw;
	int64_t then;

	if (!json_check(s->request->body, NULL) ||
	    !json_raw_find(s->request->body, &step, 1, &raw) || !str_to_i64(raw, &then) ||
	    then < 0 || then > INT64_MAX / 4)
		return deny(err, "the body has no webhookTimestamp in milliseconds");
	return check_age(now.ms - then, s->scheme->tolerance_ms, err);
}

/* Twilio: the URL with or without its port, and the form; a JSON body by its digest in the URL. */
static bool find_url(struct signing *s, struct err *err)
{
	struct str sha256 = signed_url_sha256(s->request->url);
	struct digest body;

	AUTO(buf_fini) struct buf want = BUF_INIT;

	if (!strstr(s->scheme->signed_text, "{url}"))
		return true;
	if (signed_url_other_port(s->request->url, &s->other_url))
		s->spellings = URL_SPELLINGS;
	if (!strstr(s->scheme->signed_text, "{form}"))
		return true;
	if (!sha256.p) {
		signed_form(s->request->body, &s->form);
		return true;
	}
	body = digest_of(DIGEST_SHA256, s->request->body);
	if (!hex_decode(sha256, &want) || !digest_equal(want.data, want.len, body.bytes, body.len))
		return deny(err, "the body is not the one whose bodySHA256 the URL has");
	return true;
}

static size_t signing_parts(const struct signing *s, size_t spelling,
			    struct str parts[SIGNED_PARTS_MAX])
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

/* ---- comparing ---- */

/* Text is compared, not what it decodes to: one signature has one spelling. */
static bool same_text(enum signature_encoding encoding, struct str given, const struct buf *want)
{
	char folded[2 * DIGEST_MAX];

	if (given.len != want->len || given.len > sizeof(folded))
		return false;
	memcpy(folded, given.p, given.len);
	for (size_t i = 0; encoding == SIGNATURE_HEX && i < given.len; i++)
		if (folded[i] >= 'A' && folded[i] <= 'F')
			folded[i] = (char)(folded[i] + 'a' - 'A');
	return digest_equal(folded, given.len, want->data, want->len);
}

static void encode(enum signature_encoding encoding, struct str bytes, struct buf *out)
{
	if (encoding == SIGNATURE_BASE64)
		base64_encode(out, bytes);
	else
		hex_encode(out, bytes);
}

static bool ed25519_holds(const struct signing *s, struct str given, struct str key,
			  struct str text)
{
	AUTO(buf_fini) struct buf bytes = BUF_INIT;
	EVP_PKEY *pkey;
	EVP_MD_CTX *ctx;
	bool ok;

	if (s->scheme->encoding == SIGNATURE_BASE64 ? !base64_decode(given, &bytes)
						    : !hex_decode(given, &bytes))
		return false;
	if (bytes.len != ED25519_SIGNATURE)
		return false;
	pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)key.p,
					   key.len);
	ctx = EVP_MD_CTX_new();
	ok = pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
	     EVP_DigestVerify(ctx, (const unsigned char *)bytes.data, bytes.len,
			      (const unsigned char *)text.p, text.len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return ok;
}

/* Whether one of the signatures in the header is this key's over this spelling. */
static bool key_signed(const struct signing *s, struct str key, size_t spelling)
{
	AUTO(buf_fini) struct buf want = BUF_INIT;
	struct str parts[SIGNED_PARTS_MAX], rest = s->signature, given;
	struct str prefix = str_of(s->scheme->prefix);
	size_t count = signing_parts(s, spelling, parts);
	struct digest d;
	bool ed25519 = s->scheme->method == SIGNATURE_ED25519, found = false;

	if (ed25519) {
		for (size_t i = 0; i < count; i++)
			buf_add_str(&want, parts[i]);
	} else {
		d = digest_hmac(s->scheme->algorithm, key, parts, count);
		encode(s->scheme->encoding, str_make(d.bytes, d.len), &want);
	}
	while (rest.p && !found) {
		if (s->scheme->separator)
			rest = str_split(rest, s->scheme->separator, &given);
		else {
			given = rest;
			rest = STR_NONE;
		}
		if (!str_starts(given, prefix))
			continue;
		given = str_make(given.p + prefix.len, given.len - prefix.len);
		found = ed25519 ? ed25519_holds(s, given, key, buf_str(&want))
				: same_text(s->scheme->encoding, given, &want);
	}
	return found;
}

static bool find_signer(const struct signing *s, const struct str *secrets, size_t count,
			size_t *ret_secret, struct err *err)
{
	bool usable = false;

	for (size_t i = 0; i < count; i++) {
		AUTO(key_fini) struct buf key = BUF_INIT;

		if (!key_of(s->scheme, secrets[i], false, &key))
			continue;
		usable = true;
		for (size_t spelling = 0; spelling < s->spellings; spelling++)
			if (key_signed(s, buf_str(&key), spelling)) {
				*ret_secret = i;
				return true;
			}
	}
	return deny(err, usable ? "the signature does not match the body and the secret"
				: "no usable secret is configured");
}

static bool verify_signed(struct signing *s, const struct str *secrets, size_t count,
			  struct wall now, size_t *ret_secret, struct err *err)
{
	if (!find_headers(s, err))
		return false;
	if (s->scheme->time == SIGNATURE_TIME_FIELD)
		find_time_field(s);
	if ((s->scheme->time == SIGNATURE_TIME_FIELD || s->scheme->time == SIGNATURE_TIME_HEADER) &&
	    !check_timestamp(s, now, err))
		return false;
	if (!find_url(s, err) || !find_signer(s, secrets, count, ret_secret, err))
		return false;
	return s->scheme->time != SIGNATURE_TIME_BODY || check_body_time(s, now, err);
}

static bool verify_token(struct signing *s, const struct str *secrets, size_t count,
			 size_t *ret_secret, struct err *err)
{
	AUTO(key_fini) struct buf decoded = BUF_INIT;
	struct str prefix = str_of(s->scheme->prefix), given;

	if (!find_headers(s, err))
		return false;
	if (!str_starts_nocase(s->signature, prefix))
		return err_set(err, E_UNAUTHORIZED, "the header %s does not begin with '%s'",
			       s->headers->signature, s->scheme->prefix);
	given = str_make(s->signature.p + prefix.len, s->signature.len - prefix.len);
	if (s->scheme->method == SIGNATURE_BASIC) {
		if (!base64_decode(given, &decoded))
			return deny(err, "the credentials are not base64");
		given = buf_str(&decoded);
	}
	for (size_t i = 0; i < count; i++)
		if (secrets[i].len &&
		    digest_equal(given.p, given.len, secrets[i].p, secrets[i].len)) {
			*ret_secret = i;
			return true;
		}
	return deny(err, "the token is not the configured one");
}

/* Every notification in the body must carry the secret: a forged one may hide among others. */
static bool verify_body_token(const struct signature_request *request, const struct str *secrets,
			      size_t count, size_t *ret_secret, struct err *err)
{
	AUTO(json_auto_decref) json_t *body = NULL;
	const json_t *list, *state;
	size_t same;

	if (!json_read(request->body, &body, NULL))
		return deny(err, "the body is not JSON");
	list = json_object_get(body, "value");
	if (!json_array_size(list))
		return deny(err, "the body has no notification in value");
	for (size_t i = 0; i < count; i++) {
		for (same = 0; secrets[i].len && same < json_array_size(list); same++) {
			state = json_object_get(json_array_get(list, same), "clientState");
			if (!json_is_string(state) ||
			    !digest_equal(json_string_value(state), json_string_length(state),
					  secrets[i].p, secrets[i].len))
				break;
		}
		if (same == json_array_size(list)) {
			*ret_secret = i;
			return true;
		}
	}
	return deny(err, "a notification's clientState is not the configured secret");
}

bool signature_verify(const struct signature *signature, const struct str *secrets, size_t count,
		      const struct signature_request *request, struct wall now, size_t *ret_secret,
		      struct err *err)
{
	AUTO(signing_fini)
	struct signing s = {.scheme = &signature->scheme,
			    .request = request,
			    .form = BUF_INIT,
			    .other_url = BUF_INIT,
			    .spellings = 1};
	size_t ignored;

	if (!ret_secret)
		ret_secret = &ignored;
	switch (signature->scheme.method) {
	case SIGNATURE_NONE:
		*ret_secret = 0;
		return true;
	case SIGNATURE_BODY_TOKEN:
		return verify_body_token(request, secrets, count, ret_secret, err);
	case SIGNATURE_TOKEN:
	case SIGNATURE_BASIC:
		return verify_token(&s, secrets, count, ret_secret, err);
	case SIGNATURE_HMAC:
	case SIGNATURE_ED25519:
		break;
	}
	return verify_signed(&s, secrets, count, now, ret_secret, err);
}

/* ---- signing ---- */

static bool ed25519_sign(struct str key, struct str text, struct buf *out)
{
	unsigned char bytes[ED25519_SIGNATURE];
	size_t len = sizeof(bytes);
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL,
						      (const unsigned char *)key.p, ED25519_KEY);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = pkey && ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		  EVP_DigestSign(ctx, bytes, &len, (const unsigned char *)text.p, text.len) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	if (ok)
		buf_add(out, bytes, len);
	return ok;
}

static bool sign_text(const struct signing *s, struct str key, struct buf *value, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(buf_fini) struct buf bytes = BUF_INIT;
	struct str parts[SIGNED_PARTS_MAX];
	size_t count = signing_parts(s, 0, parts);
	struct digest d;

	if (s->scheme->method == SIGNATURE_ED25519) {
		for (size_t i = 0; i < count; i++)
			buf_add_str(&text, parts[i]);
		if (!ed25519_sign(key, buf_str(&text), &bytes))
			return err_set(err, E_INVALID, "the secret is no ed25519 private key");
	} else {
		d = digest_hmac(s->scheme->algorithm, key, parts, count);
		buf_add(&bytes, d.bytes, d.len);
	}
	if (s->scheme->time == SIGNATURE_TIME_FIELD) {
		buf_puts(value, "t=");
		buf_add_str(value, s->timestamp);
		buf_putc(value, s->scheme->separator);
	}
	buf_puts(value, s->scheme->prefix);
	encode(s->scheme->encoding, buf_str(&bytes), value);
	return true;
}

static void emit_str(void (*emit)(void *, const char *, const char *), void *arg, const char *name,
		     struct str value)
{
	AUTO(auto_free) char *text = str_dup(value);

	emit(arg, name, text);
}

/* The headers beside the signature: time, id, and what the scheme wants to see. */
static void emit_rest(const struct signing *s, struct str id,
		      void (*emit)(void *, const char *, const char *), void *arg)
{
	const struct signature_headers *h = s->headers;
	const char *delivery = s->scheme->delivery[0];

	if (h->id)
		emit_str(emit, arg, h->id, s->id);
	if (h->timestamp)
		emit_str(emit, arg, h->timestamp, s->timestamp);
	for (size_t i = 0; i < ARRAY_LEN(h->required) && h->required[i]; i++)
		if (!delivery || strcmp(h->required[i], delivery))
			emit(arg, h->required[i], "rouse");
		else
			emit_str(emit, arg, delivery, id.len ? id : STR("rouse"));
	if (delivery && id.len && !h->id && !h->required[0])
		emit_str(emit, arg, delivery, id);
}

static void sign_token(const struct signature_scheme *scheme, struct str secret, struct buf *value)
{
	buf_puts(value, scheme->prefix);
	if (scheme->method == SIGNATURE_BASIC)
		base64_encode(value, secret);
	else
		buf_add_str(value, secret);
}

bool signature_sign(const struct signature *signature, struct str secret,
		    const struct signature_request *request, struct str id, struct wall now,
		    void (*emit)(void *arg, const char *name, const char *value), void *arg,
		    struct err *err)
{
	const struct signature_scheme *scheme = &signature->scheme;

	AUTO(signing_fini)
	struct signing s = {.scheme = scheme,
			    .headers = scheme->headers,
			    .request = request,
			    .id = id,
			    .form = BUF_INIT,
			    .other_url = BUF_INIT,
			    .spellings = 1};
	AUTO(buf_fini) struct buf timestamp = BUF_INIT;
	AUTO(key_fini) struct buf key = BUF_INIT;
	AUTO(key_fini) struct buf value = BUF_INIT;

	if (scheme->method == SIGNATURE_NONE)
		return true;
	if (scheme->method == SIGNATURE_BODY_TOKEN)
		return err_set(err, E_INVALID, "%s has no header: its secret stands in the body",
			       scheme->name);
	if (s.headers->id && !id.len)
		return err_set(err, E_INVALID, "%s signs the delivery's id; give one",
			       scheme->name);
	if (!key_of(scheme, secret, scheme->method == SIGNATURE_ED25519, &key))
		return err_set(err, E_INVALID, "the secret is empty or not what %s expects",
			       scheme->name);
	buf_printf(&timestamp, "%" PRId64, now.ms / 1000);
	s.timestamp = buf_str(&timestamp);
	if (scheme->method == SIGNATURE_TOKEN || scheme->method == SIGNATURE_BASIC)
		sign_token(scheme, secret, &value);
	else if (!find_url(&s, err) || !sign_text(&s, buf_str(&key), &value, err))
		return false;
	emit_rest(&s, id, emit, arg);
	emit_str(emit, arg, s.headers->signature, buf_str(&value));
	return true;
}

/* ---- what the provider calls the delivery ---- */

static struct str body_member(struct str body, const char *name)
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

struct str signature_delivery_id(const struct signature *signature,
				 const struct signature_request *request)
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

bool signature_is_ping(const struct signature *signature, const struct signature_request *request)
{
	const struct signature_scheme *scheme = &signature->scheme;

	return scheme->ping_header &&
	       str_eq_cstr(request->header(request->arg, scheme->ping_header, 0),
			   scheme->ping_value);
}
