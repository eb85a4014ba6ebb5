/* Hashes, encodings, and comparison in constant time; OpenSSL's libcrypto behind. */
/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

static const struct {
	const char *name;
	const char *openssl_name;
} digest_kinds[] = {
	[DIGEST_SHA1] = {"sha1", "SHA1"},
	[DIGEST_SHA256] = {"sha256", "SHA256"},
	[DIGEST_SHA512] = {"sha512", "SHA512"},
};

_Static_assert(ARRAY_LEN(digest_kinds) == DIGEST_KINDS, "every kind has its row");

/* libcrypto refuses these calls only when memory is out or it is not whole; a digest that is
 * missing must never be taken for one that matches, so the process ends. */
static void
digest_must(bool ok)
{
	if (!ok)
		abort();
}

bool
digest_kind_parse(struct str name, enum digest_kind *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(digest_kinds); i++) {
		if (str_eq_cstr(name, digest_kinds[i].name)) {
			*ret = (enum digest_kind)i;
			return true;
		}
	}
	return false;
}

/* To find a hash among libcrypto's providers takes longer than to hash a short text: it is done
 * once, and what was found is kept until the process ends. */
static EVP_MD *digest_mds[DIGEST_KINDS];

static void
digest_find_all(void)
{
	for (size_t i = 0; i < DIGEST_KINDS; i++)
		digest_mds[i] = EVP_MD_fetch(NULL, digest_kinds[i].openssl_name, NULL);
}

static const EVP_MD *
digest_md(enum digest_kind kind)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	assert((unsigned)kind < DIGEST_KINDS);
	digest_must(!pthread_once(&once, digest_find_all) && digest_mds[kind]);
	return digest_mds[kind];
}

struct digest
digest_of(enum digest_kind kind, struct str data)
{
	return digest_of_parts(kind, &data, 1);
}

struct digest
digest_of_parts(enum digest_kind kind, const struct str *parts, size_t count)
{
	struct digest d = {{0}, 0};
	unsigned len = 0;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	digest_must(ctx && EVP_DigestInit_ex(ctx, digest_md(kind), NULL));
	for (size_t i = 0; i < count; i++)
		digest_must(!parts[i].len || EVP_DigestUpdate(ctx, parts[i].p, parts[i].len));
	digest_must(EVP_DigestFinal_ex(ctx, d.bytes, &len));
	EVP_MD_CTX_free(ctx);
	d.len = len;
	return d;
}

/* The same for HMAC, once for each thread: its context holds what it is doing. */
static EVP_MAC_CTX *
hmac_context(enum digest_kind kind)
{
	static _Thread_local EVP_MAC_CTX *contexts[DIGEST_KINDS];
	if (contexts[kind])
		return contexts[kind];
	/* The parameter is not written to; OpenSSL's type merely lacks the const. */
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
						 (char *)(uintptr_t)digest_kinds[kind].openssl_name,
						 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	digest_must(ctx && EVP_MAC_CTX_set_params(ctx, params));
	EVP_MAC_free(mac);
	contexts[kind] = ctx;
	return ctx;
}

static void
hmac_key(EVP_MAC_CTX *ctx, struct str key)
{
	/* A NULL key would mean "the key of before". */
	const char *bytes = key.len ? key.p : "";
	digest_must(EVP_MAC_init(ctx, (const unsigned char *)bytes, key.len, NULL));
}

struct digest
digest_hmac(enum digest_kind kind, struct str key, const struct str *parts, size_t count)
{
	struct digest d = {{0}, 0};
	assert((unsigned)kind < DIGEST_KINDS);
	EVP_MAC_CTX *ctx = hmac_context(kind);
	hmac_key(ctx, key);
	for (size_t i = 0; i < count; i++)
		digest_must(!parts[i].len ||
			    EVP_MAC_update(ctx, (const unsigned char *)parts[i].p, parts[i].len));
	digest_must(EVP_MAC_final(ctx, d.bytes, &d.len, sizeof(d.bytes)));
	hmac_key(ctx, STR("")); /* nothing of the key stays */
	return d;
}

bool
digest_equal(const void *a, size_t alen, const void *b, size_t blen)
{
	return alen == blen && (!alen || !CRYPTO_memcmp(a, b, alen));
}

void
hex_encode(struct buf *out, struct str bytes)
{
	static const char digits[] = "0123456789abcdef";

	buf_reserve(out, bytes.len * 2);
	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char c = (unsigned char)bytes.p[i];

		out->data[out->len++] = digits[c >> 4];
		out->data[out->len++] = digits[c & 15];
	}
	if (out->data)
		out->data[out->len] = '\0';
}

bool
hex_decode(struct str text, struct buf *out)
{
	size_t start = out->len;
	if (text.len % 2 || !buf_try_reserve(out, text.len / 2))
		return false;
	for (size_t i = 0; i < text.len; i += 2) {
		int high = hex_value(text.p[i]), low = hex_value(text.p[i + 1]);
		if (high < 0 || low < 0) {
			buf_truncate(out, start);
			return false;
		}
		buf_putc(out, (char)(high << 4 | low));
	}
	return true;
}

int
percent_byte(struct str s, size_t i)
{
	if (i + 2 >= s.len || s.p[i] != '%')
		return -1;
	int high = hex_value(s.p[i + 1]), low = hex_value(s.p[i + 2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

void
percent_decode(struct str raw, bool plus, struct buf *out)
{
	buf_reserve(out, raw.len);
	if (!plus && (!raw.len || !memchr(raw.p, '%', raw.len))) {
		buf_add_str(out, raw);
		return;
	}
	for (size_t i = 0; i < raw.len; i++) {
		int byte = percent_byte(raw, i);
		if (byte >= 0)
			i += 2;
		else
			byte = plus && raw.p[i] == '+' ? ' ' : (unsigned char)raw.p[i];
		buf_putc(out, (char)byte);
	}
}

static const char base64_standard[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void
base64_write(struct buf *out, struct str bytes, const char *alphabet, bool pad)
{
	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
		uint32_t bits = 0;
		for (size_t j = 0; j < 3; j++)
			bits = bits << 8 | (j < n ? (unsigned char)bytes.p[i + j] : 0);
		char group[4];
		for (size_t j = 0; j < 4; j++)
			group[j] = j <= n ? alphabet[bits >> (18 - 6 * j) & 63] : '=';
		buf_add(out, group, pad ? 4 : n + 1);
	}
}

void
base64_encode(struct buf *out, struct str bytes)
{
	base64_write(out, bytes, base64_standard, true);
}

void
base64url_encode(struct buf *out, struct str bytes)
{
	base64_write(out, bytes, base64_url, false);
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* n characters (2 to 4) that stand for n - 1 bytes; bits that no byte needs must be zero, so that
 * one value has one text. */
static bool
base64_group(const char *p, size_t n, struct buf *out)
{
	uint32_t bits = 0;
	for (size_t j = 0; j < 4; j++) {
		int value = j < n ? base64_value(p[j]) : 0;
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
	}
	if (bits & ((1U << 8 * (4 - n)) - 1))
		return false;
	char bytes[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
	buf_add(out, bytes, n - 1);
	return true;
}

bool
base64_decode(struct str text, struct buf *out)
{
	size_t start = out->len;
	if (text.len % 4 || !buf_try_reserve(out, text.len / 4 * 3))
		return false;
	for (size_t i = 0; i < text.len; i += 4) {
		const char *p = text.p + i;
		size_t n = 4;
		if (i + 4 == text.len && p[3] == '=')
			n = p[2] == '=' ? 2 : 3;
		if (!base64_group(p, n, out)) {
			buf_truncate(out, start);
			return false;
		}
	}
	return true;
}
