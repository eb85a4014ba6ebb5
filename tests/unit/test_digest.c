/* Hashes and encodings, held against the vectors of FIPS 180, RFC 2202, 4231 and 4648. */
/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include "tests/unit/tap.h"

static const char *
hex_of(struct buf *b, struct digest d)
{
	buf_clear(b);
	hex_encode(b, str_make(d.bytes, d.len));
	return buf_cstr(b);
}

static void
test_hash(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	IT ("the hashes of abc are those of FIPS 180") {
		CHECK_STR(hex_of(&b, digest_of(DIGEST_SHA1, STR("abc"))),
			  "a9993e364706816aba3e25717850c26c9cd0d89d");
		CHECK_STR(hex_of(&b, digest_of(DIGEST_SHA256, STR("abc"))),
			  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
		CHECK_STR(hex_of(&b, digest_of(DIGEST_SHA512, STR("abc"))),
			  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
			  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
	}
	IT ("nothing has a hash, and parts hash as their whole") {
		const char *empty =
			"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
		CHECK_STR(hex_of(&b, digest_of(DIGEST_SHA256, STR_NONE)), empty);
		CHECK_STR(hex_of(&b, digest_of_parts(DIGEST_SHA256, NULL, 0)), empty);
		const struct str parts[] = {STR("a"), STR_NONE, STR("bc")};
		struct digest whole = digest_of(DIGEST_SHA256, STR("abc"));
		struct digest split = digest_of_parts(DIGEST_SHA256, parts, 3);
		CHECK(digest_equal(whole.bytes, whole.len, split.bytes, split.len));
	}
	IT ("names are known exactly") {
		enum digest_kind kind = DIGEST_SHA1;
		CHECK(digest_kind_parse(STR("sha512"), &kind) && kind == DIGEST_SHA512);
		CHECK(!digest_kind_parse(STR("md5"), &kind));
		CHECK(!digest_kind_parse(STR("sha25"), &kind));
		CHECK(!digest_kind_parse(STR(""), &kind) && kind == DIGEST_SHA512);
	}
}

static void
test_hmac(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	IT ("HMACs are those of RFC 2202 and RFC 4231, in parts as well") {
		const struct str parts[] = {STR("what do ya want "), STR("for nothing?")};
		CHECK_STR(hex_of(&b, digest_hmac(DIGEST_SHA1, STR("Jefe"), parts, 2)),
			  "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
		CHECK_STR(hex_of(&b, digest_hmac(DIGEST_SHA256, STR("Jefe"), parts, 2)),
			  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
		CHECK_STR(hex_of(&b, digest_hmac(DIGEST_SHA512, STR("Jefe"), parts, 2)),
			  "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
			  "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
	}
	IT ("a key longer than a block is hashed first") {
		char key[131];
		memset(key, 0xaa, sizeof(key));
		const struct str text =
			STR("Test Using Larger Than Block-Size Key - Hash Key First");
		CHECK_STR(hex_of(&b, digest_hmac(DIGEST_SHA256, str_make(key, 131), &text, 1)),
			  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	}
	IT ("no key is a key, and not the one of before") {
		CHECK_STR(hex_of(&b, digest_hmac(DIGEST_SHA256, STR_NONE, NULL, 0)),
			  "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
	}
}

static void
test_equal(void)
{
	IT ("a digest equals itself alone, at its length") {
		CHECK(digest_equal("abc", 3, "abc", 3));
		CHECK(!digest_equal("abc", 3, "abd", 3));
		CHECK(!digest_equal("abc", 3, "abcd", 4));
		CHECK(!digest_equal("abc", 3, NULL, 0));
		CHECK(digest_equal(NULL, 0, NULL, 0));
	}
}

static const char *
decoded(struct buf *b, bool (*decode)(struct str, struct buf *), const char *s)
{
	buf_clear(b);
	buf_puts(b, ">");
	return decode(str_of(s), b) ? buf_cstr(b) : NULL;
}

static void
test_hex(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	IT ("every byte goes to hex and back") {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		char all[256];
		for (int i = 0; i < 256; i++)
			all[i] = (char)i;
		hex_encode(&text, str_make(all, sizeof(all)));
		CHECK_INT(text.len, 512);
		CHECK(hex_decode(buf_str(&text), &b) && str_eq(buf_str(&b), str_make(all, 256)));
		CHECK_STR(decoded(&b, hex_decode, "4A4b"), ">JK");
		CHECK_STR(decoded(&b, hex_decode, ""), ">");
	}
	IT ("what is not hex is refused whole") {
		static const char *const bad[] = {"4", "4g", "414", "41 42", "0x41", "-1", "41\n"};
		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			CHECK(decoded(&b, hex_decode, bad[i]) == NULL);
			CHECK_STR(buf_cstr(&b), ">");
		}
	}
}

static void
test_base64(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	static const struct {
		const char *plain, *text, *url;
	} rows[] = {
		{"", "", ""},
		{"f", "Zg==", "Zg"},
		{"fo", "Zm8=", "Zm8"},
		{"foo", "Zm9v", "Zm9v"},
		{"foob", "Zm9vYg==", "Zm9vYg"},
		{"fooba", "Zm9vYmE=", "Zm9vYmE"},
		{"foobar", "Zm9vYmFy", "Zm9vYmFy"},
		{"\xfb\xff\xfe", "+//+", "-__-"},
	};
	IT ("the vectors of RFC 4648 go there and back") {
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			buf_clear(&b);
			base64_encode(&b, str_of(rows[i].plain));
			CHECK_STR(buf_cstr(&b), rows[i].text);
			buf_clear(&b);
			base64url_encode(&b, str_of(rows[i].plain));
			CHECK_STR(buf_cstr(&b), rows[i].url);
			const char *got = decoded(&b, base64_decode, rows[i].text);
			CHECK_STR(got ? got + 1 : NULL, rows[i].plain);
		}
	}
	IT ("missing padding, white space, other alphabets and loose bits are refused") {
		static const char *const bad[] = {
			"Zg",	"Zg=",	 "Zg===",    "=",     "==",	"===",	    "====",
			"Z===", "Zm9v=", "Zm9v====", "Zm 9v", "Zm9v\n", "Zg==Zg==", "Z=g=",
			"Zh==", "Zm9=",	 "-__-",     "Zm9*",  "=m9v",	"Zm9vYg=a",
		};
		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			CHECK(decoded(&b, base64_decode, bad[i]) == NULL);
			CHECK_STR(buf_cstr(&b), ">");
		}
		CHECK(!base64_decode(STR("Zm9\0"), &b));
	}
}

int
main(void)
{
	test_hash();
	test_hmac();
	test_equal();
	test_hex();
	test_base64();
	return tap_done();
}
