/* Webhook signatures: makes the headers that a verifier accepts. */
/* SPDX-License-Identifier: MIT */
#include "pure/signature.h"

#include <inttypes.h>
#include <openssl/evp.h>

#include "pure/signature_impl.h"

static bool
ed25519_sign(struct str key, struct str text, struct buf *out)
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

static bool
sign_text(const struct signing *s, struct str key, struct buf *value, struct err *err)
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
	signature_encode(s->scheme->encoding, buf_str(&bytes), value);
	return true;
}

static void
emit_str(void (*emit)(void *, const char *, const char *), void *arg, const char *name,
	 struct str value)
{
	AUTO(auto_free) char *text = str_dup(value);

	emit(arg, name, text);
}

/* The headers beside the signature: time, id, and what the scheme wants to see. */
static void
emit_rest(const struct signing *s, struct str id, void (*emit)(void *, const char *, const char *),
	  void *arg)
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

static void
sign_token(const struct signature_scheme *scheme, struct str secret, struct buf *value)
{
	buf_puts(value, scheme->prefix);
	if (scheme->method == SIGNATURE_BASIC)
		base64_encode(value, secret);
	else
		buf_add_str(value, secret);
}

/* "Fri 08 Sep 2017 11:24:32 UTC" */
static void
date_format(struct wall at, struct buf *out)
{
	static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970 began with a Thursday */
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	AUTO(buf_fini) struct buf text = BUF_INIT;
	uint64_t month = 1;
	const char *t;

	wall_format(at, &text);
	t = buf_cstr(&text); /* 2017-09-08T11:24:32.000Z */
	str_to_u64(str_make(t + 5, 2), &month);
	buf_printf(out, "%.3s %.2s %.3s %.4s %.8s UTC", days + at.ms / 86400000 % 7 * 3, t + 8,
		   months + (month - 1) * 3, t, t + 11);
}

bool
signature_sign(const struct signature *signature, struct str secret,
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
	AUTO(signature_wipe) struct buf key = BUF_INIT;
	AUTO(signature_wipe) struct buf value = BUF_INIT;

	if (scheme->method == SIGNATURE_NONE)
		return true;
	if (scheme->method == SIGNATURE_BODY_TOKEN)
		return err_set(err, E_INVALID, "%s has no header: its secret stands in the body",
			       scheme->name);
	if (s.headers->id && !id.len)
		return err_set(err, E_INVALID, "%s signs the delivery's id; give one",
			       scheme->name);
	if (!signature_key(scheme, secret, scheme->method == SIGNATURE_ED25519, &key))
		return err_set(err, E_INVALID, "the secret is empty or not what %s expects",
			       scheme->name);
	if (scheme->time == SIGNATURE_TIME_DATE)
		date_format(now, &timestamp);
	else
		buf_printf(&timestamp, "%" PRId64, now.ms / 1000);
	s.timestamp = buf_str(&timestamp);
	if (scheme->method == SIGNATURE_TOKEN || scheme->method == SIGNATURE_BASIC)
		sign_token(scheme, secret, &value);
	else if (!signing_find_url(&s, err) || !sign_text(&s, buf_str(&key), &value, err))
		return false;
	emit_rest(&s, id, emit, arg);
	emit_str(emit, arg, s.headers->signature, buf_str(&value));
	return true;
}
