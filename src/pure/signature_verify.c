/* Webhook signatures: reads a row of the table and does what it says, for all schemes alike. */
/* SPDX-License-Identifier: MIT */
#include "pure/signature.h"

#include <inttypes.h>
#include <openssl/evp.h>

#include "base/json.h"
#include "pure/signature_impl.h"

#define TIMESTAMP_DIGITS 12
/* Looked at in one header: ed25519 is slow, and anybody may send many. */
#define SIGNATURES_MAX 16

static bool
deny(struct err *err, const char *reason)
{
	return err_set(err, E_UNAUTHORIZED, "%s", reason);
}

/* ---- the request ---- */

/* A header that must be there once. */
static bool
header_once(const struct signature_request *request, const char *name, struct str *ret,
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

static bool
find_headers(struct signing *s, struct err *err)
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

static bool
check_age(int64_t age_ms, int64_t tolerance_ms, struct err *err)
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
static bool
check_timestamp(const struct signing *s, struct wall now, struct err *err)
{
	int64_t now_s = now.ms / 1000 - (now.ms % 1000 < 0);
	uint64_t then;

	if (s->timestamp.len > TIMESTAMP_DIGITS + 1 || !str_to_u64(s->timestamp, &then))
		return deny(err, "the timestamp is not a whole number of seconds");
	return check_age((now_s - (int64_t)then) * 1000, s->scheme->tolerance_ms, err);
}

/* Of t=1,v1=...: the last t counts, as at the provider; it is signed, so none can be added. */
static void
find_time_field(struct signing *s)
{
	struct str rest = s->signature, field;

	while (rest.p) {
		rest = str_split(rest, s->scheme->separator, &field);
		if (str_starts(field, STR("t=")))
			s->timestamp = str_make(field.p + 2, field.len - 2);
	}
}

/* As Scalr writes it; of zones only UTC. */
static bool
date_parse(struct str text, struct wall *ret)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	static const char shape[] = "Www 00 Mmm 0000 00:00:00 UTC";
	AUTO(buf_fini) struct buf rfc3339 = BUF_INIT;
	const char *month;

	if (text.len != sizeof(shape) - 1)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		bool digit = text.p[i] >= '0' && text.p[i] <= '9';
		bool letter = (text.p[i] | 0x20) >= 'a' && (text.p[i] | 0x20) <= 'z';

		if (shape[i] == '0'		    ? !digit
		    : (i < 3 || (i >= 7 && i < 10)) ? !letter
						    : text.p[i] != shape[i])
			return false;
	}
	month = memmem(months, sizeof(months) - 1, text.p + 7, 3);
	if (!month || (month - months) % 3)
		return false;
	buf_printf(&rfc3339, "%.4s-%02d-%.2sT%.8sZ", text.p + 11, (int)(month - months) / 3 + 1,
		   text.p + 4, text.p + 16);
	return wall_parse(buf_str(&rfc3339), ret);
}

static bool
check_date(const struct signing *s, struct wall now, struct err *err)
{
	struct wall then;

	if (!date_parse(s->timestamp, &then))
		return err_set(err, E_UNAUTHORIZED,
			       "the header %s is no date as 'Fri 08 Sep 2017 11:24:32 UTC'",
			       s->headers->timestamp);
	return check_age(now.ms / 1000 * 1000 - then.ms, s->scheme->tolerance_ms, err);
}

static bool
check_body_time(const struct signing *s, struct wall now, struct err *err)
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

/* ---- comparing ---- */

/* Text is compared, not what it decodes to: one signature has one spelling. */
static bool
same_text(enum signature_encoding encoding, struct str given, const struct buf *want)
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

static bool
ed25519_holds(const struct signing *s, struct str given, struct str key, struct str text)
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
static bool
key_signed(const struct signing *s, struct str key, size_t spelling)
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
		signature_encode(s->scheme->encoding, str_make(d.bytes, d.len), &want);
	}
	for (int looked = 0; rest.p && !found && looked < SIGNATURES_MAX; looked++) {
		if (s->scheme->separator)
			rest = str_split(rest, s->scheme->separator, &given);
		else {
			given = rest;
			rest = STR_NONE;
		}
		if (str_starts(given, prefix))
			given = str_make(given.p + prefix.len, given.len - prefix.len);
		else if (!s->scheme->prefix_optional || given.len != s->signature.len)
			continue;
		found = ed25519 ? ed25519_holds(s, given, key, buf_str(&want))
				: same_text(s->scheme->encoding, given, &want);
	}
	return found;
}

static bool
find_signer(const struct signing *s, const struct str *secrets, size_t count, size_t *ret_secret,
	    struct err *err)
{
	bool usable = false;

	for (size_t i = 0; i < count; i++) {
		AUTO(signature_wipe) struct buf key = BUF_INIT;

		if (!signature_key(s->scheme, secrets[i], false, &key))
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

static bool
verify_signed(struct signing *s, const struct str *secrets, size_t count, struct wall now,
	      size_t *ret_secret, struct err *err)
{
	if (!find_headers(s, err))
		return false;
	if (s->scheme->time == SIGNATURE_TIME_FIELD)
		find_time_field(s);
	if ((s->scheme->time == SIGNATURE_TIME_FIELD || s->scheme->time == SIGNATURE_TIME_HEADER) &&
	    !check_timestamp(s, now, err))
		return false;
	if (s->scheme->time == SIGNATURE_TIME_DATE && !check_date(s, now, err))
		return false;
	if (!signing_find_url(s, err) || !find_signer(s, secrets, count, ret_secret, err))
		return false;
	return s->scheme->time != SIGNATURE_TIME_BODY || check_body_time(s, now, err);
}

static bool
verify_token(struct signing *s, const struct str *secrets, size_t count, size_t *ret_secret,
	     struct err *err)
{
	AUTO(signature_wipe) struct buf decoded = BUF_INIT;
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
static bool
verify_body_token(const struct signature_request *request, const struct str *secrets, size_t count,
		  size_t *ret_secret, struct err *err)
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

bool
signature_verify(const struct signature *signature, const struct str *secrets, size_t count,
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
