/* Tests of webhook signatures: the providers' vectors, then what no vector says. */
/* SPDX-License-Identifier: MIT */
#include "pure/signature.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/os.h"
#include "pure/signature_text.h"
#include "tests/unit/tap.h"

#define VECTORS_MAX (8 << 20)
#define HEADERS_MAX 16

/* The headers of one request, names in lower case. */
struct headers {
	struct {
		char *name, *value;
	} list[HEADERS_MAX];
	size_t count;
};

static void
headers_clear(struct headers *h)
{
	for (size_t i = 0; i < h->count; i++) {
		free(h->list[i].name);
		free(h->list[i].value);
	}
	h->count = 0;
}

static void
headers_add(void *arg, const char *name, const char *value)
{
	struct headers *h = arg;
	char *lower = mem_strdup(name);

	for (char *c = lower; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c | 0x20);
	h->list[h->count].name = lower;
	h->list[h->count++].value = mem_strdup(value);
}

static struct str
headers_get(void *arg, const char *name, size_t index)
{
	const struct headers *h = arg;

	for (size_t i = 0; i < h->count; i++)
		if (!strcmp(h->list[i].name, name) && !index--)
			return str_of(h->list[i].value);
	return STR_NONE;
}

static struct signature *
signature_named(const char *name)
{
	const struct signature_scheme *scheme = signature_find(str_of(name));
	struct signature *s = NULL;

	if (!scheme || !signature_new(scheme, NULL, &s, NULL))
		printf("# no scheme %s\n", name);
	return s;
}

static bool
vector_comes_out(const json_t *v)
{
	AUTO(signature_auto_free)
	struct signature *s = signature_named(json_str(v, "scheme"));
	AUTO(buf_fini) struct buf body = BUF_INIT;
	struct headers headers = {.count = 0};
	struct signature_request request = {.method = STR("POST"),
					    .url = str_of(json_str(v, "url")),
					    .header = headers_get,
					    .arg = &headers};
	struct str secret = str_of(json_str(v, "secret"));
	struct err err = ERR_INIT;
	const char *name;
	json_t *value;
	bool want = !strcmp(json_str(v, "expect"), "accept"), got;

	json_object_foreach (json_object_get(v, "headers"), name, value)
		headers_add(&headers, name, json_string_value(value));
	if (!s || !base64_decode(str_of(json_str(v, "body_b64")), &body))
		return false;
	request.body = buf_str(&body);
	got = signature_verify(s, &secret, 1, &request, (struct wall){json_int(v, "now", 0) * 1000},
			       NULL, &err);
	if (got != want || (!got && (err.code != E_UNAUTHORIZED || !*err_text(&err))))
		printf("# %s: %s\n", json_str(v, "id"), got ? "accepted" : err_text(&err));
	headers_clear(&headers);
	err_fini(&err);
	return got == want;
}

static void
check_vectors(const char *file, int least)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str rest, line;
	const char *top = getenv("srcdir");
	int count = 0;

	buf_printf(&path, "%s/tests/vectors/%s", top ? top : ".", file);
	CHECK(os_read_file(buf_cstr(&path), VECTORS_MAX, &text, NULL));
	for (rest = buf_str(&text); rest.p && rest.len; count++) {
		AUTO(json_auto_decref) json_t *v = NULL;

		rest = str_split(rest, '\n', &line);
		if (CHECK(json_read(line, &v, NULL)))
			CHECK(vector_comes_out(v));
	}
	CHECK(count >= least);
}

/* Signs with one secret, verifies with another; the request may be changed between. */
struct round {
	struct headers headers;
	struct signature_request request;
	struct wall now;
};

static void
round_init(struct round *r, const char *body)
{
	memset(r, 0, sizeof(*r));
	r->request = (struct signature_request){.method = STR("POST"),
						.url = STR("https://h.example/x?y=1"),
						.body = str_of(body),
						.header = headers_get,
						.arg = &r->headers};
	r->now.ms = INT64_C(1767225600500);
}

static bool
round_sign(struct round *r, const struct signature *s, const char *secret)
{
	headers_clear(&r->headers);
	return signature_sign(s, str_of(secret), &r->request, STR("msg_1"), r->now, headers_add,
			      &r->headers, NULL);
}

static bool
round_verify(struct round *r, const struct signature *s, const char *secret)
{
	struct str key = str_of(secret);

	return signature_verify(s, &key, 1, &r->request, r->now, NULL, NULL);
}

static const char *
secret_for(const struct signature_scheme *scheme)
{
	if (scheme->method == SIGNATURE_BASIC)
		return "user:pass:word";
	return scheme->key == SIGNATURE_KEY_BASE64 ? "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
						   : "s3cret";
}

static void
test_signing(void)
{
	IT ("accepts what it signs itself, for every scheme with a shared secret") {
		const struct signature_scheme *scheme;
		int count = 0;

		for (size_t i = 0; (scheme = signature_at(i)); i++) {
			AUTO(signature_auto_free)
			struct signature *s = signature_named(scheme->name);
			struct round r;

			if (scheme->method == SIGNATURE_ED25519 ||
			    scheme->method == SIGNATURE_BODY_TOKEN ||
			    scheme->method == SIGNATURE_NONE)
				continue;
			round_init(&r, "{\"webhookTimestamp\":1767225600000}");
			if (!CHECK(round_sign(&r, s, secret_for(scheme))) ||
			    !CHECK(round_verify(&r, s, secret_for(scheme))))
				printf("# %s\n", scheme->name);
			CHECK(!round_verify(&r, s, ""));
			CHECK(!round_verify(&r, s, "whsec_AAAA"));
			count++;
			headers_clear(&r.headers);
		}
		CHECK_INT(count, 21);
	}
	IT ("signs with an ed25519 private key what its public key verifies") {
		AUTO(signature_auto_free) struct signature *s = signature_named("standard_v1a");
		struct round r;

		round_init(&r, "{\"test\": 2432232314}");
		r.now.ms = INT64_C(1614265330000);
		CHECK(signature_sign(s, STR("whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="),
				     &r.request, STR("msg_p5jXN8AQM9LWM0D4loKWxJek"), r.now,
				     headers_add, &r.headers, NULL));
		CHECK_STR(headers_get(&r.headers, "webhook-signature", 0).p,
			  "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7"
			  "KaaBRdM5WqyeFiL8Ag==");
		CHECK(round_verify(&r, s, "whpk_ZlN4eg7dSSqi0moX9hQUk3orrOouK3QVQSlJa248c/g="));
		CHECK(!signature_sign(s, STR("whsk_AAAA"), &r.request, STR("m"), r.now, headers_add,
				      &r.headers, NULL));
		headers_clear(&r.headers);
	}
	IT ("cannot sign without an id where the id is signed") {
		AUTO(signature_auto_free) struct signature *s = signature_named("standard");
		struct round r;
		struct err err = ERR_INIT;

		round_init(&r, "{}");
		CHECK(!signature_sign(s, STR("whsec_AAAA"), &r.request, STR_NONE, r.now,
				      headers_add, &r.headers, &err));
		CHECK_STR(err_text(&err), "standard signs the delivery's id; give one");
		err_fini(&err);
	}
}

static void
test_refusals(void)
{
	IT ("refuses a signature header that is given twice, even twice the same") {
		AUTO(signature_auto_free) struct signature *s = signature_named("github");
		struct round r;
		struct err err = ERR_INIT;
		struct str key = STR("k");

		round_init(&r, "{}");
		CHECK(round_sign(&r, s, "k") && round_verify(&r, s, "k"));
		headers_add(&r.headers, "X-Hub-Signature-256",
			    headers_get(&r.headers, "x-hub-signature-256", 0).p);
		CHECK(!signature_verify(s, &key, 1, &r.request, r.now, NULL, &err));
		CHECK_INT(err.code, E_UNAUTHORIZED);
		CHECK_STR(err_text(&err), "the header x-hub-signature-256 is given more than once");
		err_fini(&err);
		headers_clear(&r.headers);
	}
	IT ("refuses everything where no secret or only empty ones are configured") {
		AUTO(signature_auto_free) struct signature *s = signature_named("github");
		AUTO(signature_auto_free) struct signature *token = signature_named("gitlab_token");
		struct str empty[2] = {STR(""), STR_NONE};
		struct round r;

		round_init(&r, "{}");
		/* HMAC with an empty key, as anybody can make it */
		headers_add(
			&r.headers, "x-hub-signature-256",
			"sha256=a3c024f01cccb3b63457d848b0d2f89c1f744a3dd5f35a4a2e8e1a4a4ee4bd7c");
		headers_add(&r.headers, "x-gitlab-token", "");
		CHECK(!signature_verify(s, empty, 2, &r.request, r.now, NULL, NULL));
		CHECK(!signature_verify(s, empty, 0, &r.request, r.now, NULL, NULL));
		CHECK(!signature_verify(token, empty, 2, &r.request, r.now, NULL, NULL));
		headers_clear(&r.headers);
	}
	IT ("says which of several secrets signed, so that one can be rotated out") {
		AUTO(signature_auto_free) struct signature *s = signature_named("standard");
		struct str secrets[3] = {STR("whsec_%%%"), STR("whsec_AAAA"), STR("whsec_BBBB")};
		struct round r;
		size_t which = 9;

		round_init(&r, "{}");
		CHECK(round_sign(&r, s, "whsec_BBBB"));
		CHECK(signature_verify(s, secrets, 3, &r.request, r.now, &which, NULL));
		CHECK_INT(which, 2);
		which = 9;
		CHECK(!signature_verify(s, secrets, 2, &r.request, r.now, &which, NULL));
		CHECK_INT(which, 9);
		headers_clear(&r.headers);
	}
	IT ("takes the tolerance of the trigger instead of the scheme's") {
		AUTO(signature_auto_free) struct signature *s = NULL;
		struct signature_options options = {.tolerance_ms = 10000};
		struct round r;

		CHECK(signature_new(signature_find(STR("slack")), &options, &s, NULL));
		round_init(&r, "{}");
		CHECK(round_sign(&r, s, "k"));
		r.now.ms += 10000;
		CHECK(round_verify(&r, s, "k"));
		r.now.ms += 1000;
		CHECK(!round_verify(&r, s, "k"));
		headers_clear(&r.headers);
	}
	IT ("takes whsec_ for base64 only where the scheme says so") {
		AUTO(signature_auto_free) struct signature *stripe = signature_named("stripe");
		AUTO(signature_auto_free) struct signature *github = signature_named("github");
		AUTO(signature_auto_free) struct signature *standard = signature_named("standard");

		CHECK(signature_check_secret(stripe, STR("whsec_!"), NULL));
		CHECK(signature_check_secret(github, STR("whsec_!"), NULL));
		CHECK(!signature_check_secret(standard, STR("whsec_!"), NULL));
		CHECK(!signature_check_secret(standard, STR("whsec_"), NULL));
		CHECK(!signature_check_secret(github, STR(""), NULL));
		CHECK(signature_check_secret(standard, STR("whsec_AAA"), NULL));
	}
	IT ("looks at a few of a hundred thousand signatures") {
		AUTO(signature_auto_free) struct signature *s = signature_named("pagerduty");
		AUTO(buf_fini) struct buf many = BUF_INIT;
		struct round r;

		round_init(&r, "{}");
		for (int i = 0; i < 100000; i++)
			buf_puts(&many, "v1=00,");
		headers_add(&r.headers, "x-pagerduty-signature", buf_cstr(&many));
		CHECK(!round_verify(&r, s, "k"));
		headers_clear(&r.headers);
		CHECK(round_sign(&r, s, "k"));
		CHECK(round_verify(&r, s, "k"));
		buf_add_str(&many, headers_get(&r.headers, "x-pagerduty-signature", 0));
		headers_clear(&r.headers);
		headers_add(&r.headers, "x-pagerduty-signature", buf_cstr(&many));
		CHECK(!round_verify(&r, s, "k"));
		headers_clear(&r.headers);
	}
}

static bool
hmac_new(const struct signature_options *o, struct signature **ret, struct err *err)
{
	return signature_new(signature_find(STR("hmac")), o, ret, err);
}

static void
test_hmac(void)
{
	IT ("lets hmac name its header, algorithm, encoding, prefix, text, time and id") {
		AUTO(signature_auto_free) struct signature *s = NULL;
		struct signature_options o = {.header = STR("X-Acme-Sig"),
					      .algorithm = STR("sha512"),
					      .encoding = STR("base64"),
					      .prefix = STR("a="),
					      .signed_text =
						      STR("{method}|{id}|{timestamp}|{body}"),
					      .timestamp_header = STR("X-Acme-Time"),
					      .id_header = STR("X-Acme-Id")};
		struct round r;

		CHECK(hmac_new(&o, &s, NULL));
		round_init(&r, "body");
		CHECK(round_sign(&r, s, "k"));
		CHECK(str_starts(headers_get(&r.headers, "x-acme-sig", 0), STR("a=")));
		CHECK_INT(headers_get(&r.headers, "x-acme-sig", 0).len, 90);
		CHECK_STR(headers_get(&r.headers, "x-acme-time", 0).p, "1767225600");
		CHECK(round_verify(&r, s, "k"));
		CHECK(str_eq(signature_delivery_id(s, &r.request), STR("msg_1")));
		r.request.method = STR("PUT");
		CHECK(!round_verify(&r, s, "k"));
		r.request.method = STR("POST");
		r.now.ms += 301000;
		CHECK(!round_verify(&r, s, "k"));
		headers_clear(&r.headers);
	}
	IT ("agrees with the published hex of sha256 over the body when nothing is set") {
		AUTO(signature_auto_free) struct signature *s = signature_named("hmac");
		struct round r;

		round_init(&r, "Hello, World!");
		headers_add(&r.headers, "x-signature",
			    "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
		CHECK(round_verify(&r, s, "It's a Secret to Everybody"));
		headers_clear(&r.headers);
	}
	IT ("refuses options that protect nothing or are unknown, saying what may be") {
		static const struct {
			struct signature_options o;
			const char *text;
		} bad[] = {
			{{.signed_text = STR("{timestamp}")}, "signed: has no {body}"},
			{{.signed_text = STR("{timestamp}.{body}")}, "belong together"},
			{{.timestamp_header = STR("X-T")}, "belong together"},
			{{.signed_text = STR("{id}.{body}")}, "id_header"},
			{{.signed_text = STR("{nonsense}{body}")}, "unknown '{nonsense}'"},
			{{.signed_text = STR("{body")}, "unknown '{body'"},
			{{.signed_text = STR("{}{}{}")}, "unknown '{}'"},
			{{.algorithm = STR("md5")}, "expected sha1, sha256 or sha512"},
			{{.encoding = STR("utf")}, "expected hex or base64"},
			{{.header = STR("X Y")}, "no header name"},
			{{.header = STR("X\r\nY")}, "no header name"},
		};

		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			AUTO(signature_auto_free) struct signature *s = NULL;
			struct err err = ERR_INIT;

			CHECK(!hmac_new(&bad[i].o, &s, &err));
			CHECK_INT(err.code, E_CONFIG);
			if (!CHECK(strstr(err_text(&err), bad[i].text)))
				printf("# %s\n", err_text(&err));
			err_fini(&err);
		}
	}
	IT ("takes a signature without its prefix, or one of several, only where it is told to") {
		const char *const hex =
			"757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
		const struct {
			const char *format;
			bool strict, loose;
		} cases[] = {{"sha256=%s", true, true},
			     {"%s", false, true},
			     {"sha256=00,sha256=%s", false, true},
			     {"00,%s", false, false},
			     {"sha256=%s,", false, true},
			     {",%s", false, false},
			     {"sha1=%s", false, false},
			     {"sha256=sha256=%s", false, false}};

		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			AUTO(signature_auto_free) struct signature *strict = NULL;
			AUTO(signature_auto_free) struct signature *loose = NULL;
			struct signature_options o = {.prefix = STR("sha256=")};
			AUTO(buf_fini) struct buf value = BUF_INIT;
			struct round r;

			CHECK(hmac_new(&o, &strict, NULL));
			o.prefix_optional = true;
			o.separator = STR(",");
			CHECK(hmac_new(&o, &loose, NULL));
			round_init(&r, "Hello, World!");
			for (const char *c = cases[i].format; *c; c++)
				if (*c == '%' && c++)
					buf_puts(&value, hex);
				else
					buf_putc(&value, *c);
			headers_add(&r.headers, "x-signature", buf_cstr(&value));
			if (!CHECK(round_verify(&r, strict, "It's a Secret to Everybody") ==
				   cases[i].strict) ||
			    !CHECK(round_verify(&r, loose, "It's a Secret to Everybody") ==
				   cases[i].loose))
				printf("# %s\n", buf_cstr(&value));
			headers_clear(&r.headers);
		}
	}
	IT ("reads Scalr's date to the letter") {
		static const struct {
			const char *date;
			bool good;
		} cases[] = {{"Thu 01 Jan 2026 00:00:00 UTC", true},
			     {"Thu 01 Jan 2026 00:05:00 UTC", true},
			     {"Thu 01 Jan 2026 00:05:01 UTC", false},
			     {"Wed 31 Dec 2025 23:55:00 UTC", true},
			     {"Wed 31 Dec 2025 23:54:59 UTC", false},
			     {"Thu, 01 Jan 2026 00:00:00 GMT", false},
			     {"Thu 01 anF 2026 00:00:00 UTC", false},
			     {"Thu 41 Jan 2026 00:00:00 UTC", false},
			     {"Thu 01 Jan 2026 00:00:00 UT", false},
			     {"1767225600", false}};
		AUTO(signature_auto_free) struct signature *s = signature_named("scalr");

		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			AUTO(buf_fini) struct buf hex = BUF_INIT;
			struct str parts[] = {STR("{}"), str_of(cases[i].date)};
			struct digest d = digest_hmac(DIGEST_SHA1, STR("k"), parts, 2);
			struct round r;

			round_init(&r, "{}");
			hex_encode(&hex, str_make(d.bytes, d.len));
			headers_add(&r.headers, "x-signature", buf_cstr(&hex));
			headers_add(&r.headers, "date", cases[i].date);
			if (!CHECK(round_verify(&r, s, "k") == cases[i].good))
				printf("# %s\n", cases[i].date);
			headers_clear(&r.headers);
		}
	}
	IT ("refuses hmac's options for a scheme that knows its own") {
		AUTO(signature_auto_free) struct signature *s = NULL;
		struct signature_options o = {.header = STR("X-Y")};

		CHECK(!signature_new(signature_find(STR("github")), &o, &s, NULL));
		CHECK(!s);
	}
}

static void
test_deliveries(void)
{
	IT ("finds the delivery's id in header or body") {
		AUTO(signature_auto_free) struct signature *github = signature_named("github");
		AUTO(signature_auto_free) struct signature *stripe = signature_named("stripe");
		AUTO(signature_auto_free) struct signature *none = signature_named("none");
		struct round r;

		round_init(&r, "{\"object\":\"event\", \"id\" : \"evt_1\"}");
		CHECK(!signature_delivery_id(github, &r.request).p);
		headers_add(&r.headers, "X-GitHub-Delivery", "g-1");
		CHECK(str_eq(signature_delivery_id(github, &r.request), STR("g-1")));
		CHECK(str_eq(signature_delivery_id(stripe, &r.request), STR("evt_1")));
		CHECK(!signature_delivery_id(none, &r.request).p);
		r.request.body = STR("{\"id\":");
		CHECK(!signature_delivery_id(stripe, &r.request).p);
		r.request.body = STR("{\"id\":17}");
		CHECK(!signature_delivery_id(stripe, &r.request).p);
		headers_clear(&r.headers);
	}
	IT ("knows a provider's ping") {
		AUTO(signature_auto_free) struct signature *github = signature_named("github");
		struct round r;

		round_init(&r, "{}");
		CHECK(!signature_is_ping(github, &r.request));
		headers_add(&r.headers, "X-GitHub-Event", "ping");
		CHECK(signature_is_ping(github, &r.request));
		headers_clear(&r.headers);
	}
	IT ("lists every scheme once, by the name that finds it") {
		size_t count = 0;

		for (; signature_at(count); count++)
			CHECK(signature_find(str_of(signature_at(count)->name)) ==
			      signature_at(count));
		CHECK_INT(count, 25);
		CHECK(!signature_find(STR("GitHub")));
		CHECK(!signature_find(STR("")));
	}
	IT ("spells a URL with and without its port") {
		static const char *const urls[][2] = {
			{"https://a/b", "https://a:443/b"},
			{"http://a", "http://a:80"},
			{"https://a:8443/b?c=d:1", "https://a/b?c=d:1"},
			{"https://u:p@a/b", "https://u:p@a:443/b"},
			{"https://u:p@[::1]:5/b", "https://u:p@[::1]/b"},
			{"https://[::1]/b", "https://[::1]:443/b"},
		};

		for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
			AUTO(buf_fini) struct buf out = BUF_INIT;

			CHECK(signed_url_other_port(str_of(urls[i][0]), &out));
			CHECK_STR(buf_cstr(&out), urls[i][1]);
		}
	}
}

int
main(void)
{
	IT ("decides every provider's vector as it says") {
		check_vectors("webhook-vectors.jsonl", 438);
	}
	IT ("decides the vectors where libraries are lax as it says") {
		check_vectors("webhook-vectors-strict.jsonl", 32);
	}
	test_signing();
	test_refusals();
	test_hmac();
	test_deliveries();
	return tap_done();
}
