/* What a trusted mail server says of a sender, and what others would like it to have said. */
/* SPDX-License-Identifier: MIT */
#include "pure/authres.h"
#include "tests/unit/tap.h"

#define FROM "From: Maria <maria@Example.org>\r\n"
#define BODY "\r\nhello\r\n"
#define PASS "Authentication-Results: mx.ours.net; dmarc=pass header.from=example.org\r\n"

static const char *
domain_of(const char *message)
{
	static struct buf out;
	AUTO(auto_free) char *copy = mem_memdup(message, strlen(message));

	buf_clear(&out);
	if (!authres_vouches(str_make(copy, strlen(message)), STR("mx.ours.net"), &out))
		return NULL;
	return buf_cstr(&out);
}

static void
passes(void)
{
	IT ("dmarc=pass of the trusted server for the domain of From vouches") {
		CHECK_STR(domain_of(PASS FROM BODY), "example.org");
		CHECK_STR(domain_of("Received: x\r\n" PASS FROM BODY), "example.org");
		CHECK_STR(domain_of("authentication-results: MX.OURS.NET 1; spf=pass "
				    "smtp.mailfrom=x.org;\r\n\tdkim=pass (good; signature) "
				    "header.d=example.org; dmarc=pass (p=none; dis=none)\r\n "
				    "header.from=EXAMPLE.ORG\r\n" FROM BODY),
			  "example.org");
		CHECK_STR(domain_of("Authentication-Results: (c) \"mx.ours.net\" (c); dmarc = pass "
				    "header.from = example.org\nFrom: maria@example.org\n\nx"),
			  "example.org");
	}
	IT ("another server's word counts nothing") {
		CHECK_STR(domain_of("Authentication-Results: mx.evil.net; dmarc=pass "
				    "header.from=example.org\r\n" FROM BODY),
			  NULL);
		CHECK_STR(domain_of("Authentication-Results: mx.ours.net.evil.net; dmarc=pass "
				    "header.from=example.org\r\n" FROM BODY),
			  NULL);
		CHECK_STR(domain_of(FROM BODY), NULL);
	}
	IT ("only the topmost with that name counts: what is below may be the sender's") {
		CHECK_STR(domain_of("Authentication-Results: mx.ours.net; dmarc=fail "
				    "header.from=example.org\r\n" PASS FROM BODY),
			  NULL);
		CHECK_STR(
			domain_of(
				"Authentication-Results: mx.ours.net; spf=pass\r\n" PASS FROM BODY),
			NULL);
		CHECK_STR(domain_of("Authentication-Results: mx.ours.net; none\r\n" PASS FROM BODY),
			  NULL);
		CHECK_STR(domain_of("Authentication-Results: mx.other.net; spf=fail\r\n" PASS FROM
					    BODY),
			  "example.org");
	}
}

static void
forgeries(void)
{
	IT ("words in comments, quotes or other places do not pass") {
		CHECK_STR(domain_of("Authentication-Results: mx.ours.net; spf=fail "
				    "(dmarc=pass header.from=example.org)\r\n" FROM BODY),
			  NULL);
		CHECK_STR(
			domain_of("Authentication-Results: mx.ours.net; spf=fail "
				  "smtp.mailfrom=\"x; dmarc=pass header.from=example.org\"\r\n" FROM
					  BODY),
			NULL);
		CHECK_STR(domain_of("Authentication-Results: mx.ours.net; dmarc=fail; dmarc=pass "
				    "header.from=example.org\r\n" FROM BODY),
			  NULL);
		CHECK_STR(domain_of("Authentication-Results: mx.ours.net; dmarc=pass "
				    "header.from=example.org (\r\n" FROM BODY),
			  NULL);
		CHECK_STR(domain_of("Authentication-Results: mx.ours.net; dmarc=passed "
				    "header.from=example.org\r\n" FROM BODY),
			  NULL);
		CHECK_STR(domain_of(FROM "Subject: x\r\n\r\n" PASS), NULL);
	}
	IT ("it vouches for the domain that a reader sees, and for no other") {
		CHECK_STR(domain_of(PASS "From: maria@other.org\r\n" BODY), NULL);
		CHECK_STR(domain_of(PASS "From: maria@sub.example.org\r\n" BODY), NULL);
		CHECK_STR(
			domain_of("Authentication-Results: mx.ours.net; dmarc=pass\r\n" FROM BODY),
			NULL);
		CHECK_STR(domain_of("Authentication-Results: mx.ours.net; dmarc=pass "
				    "header.from=example.org header.from=evil.org\r\n" FROM BODY),
			  NULL);
	}
	IT ("a From that can be read in two ways is nobody's") {
		CHECK_STR(domain_of(PASS FROM "From: evil@evil.org\r\n" BODY), NULL);
		CHECK_STR(domain_of(PASS "From: a@example.org, b@evil.org\r\n" BODY), NULL);
		CHECK_STR(domain_of(PASS "From: b@evil.org <a@example.org>\r\n" BODY), NULL);
		CHECK_STR(domain_of(PASS "From: <a@example.org> <b@evil.org>\r\n" BODY), NULL);
		CHECK_STR(domain_of(PASS "From: group: a@example.org;\r\n" BODY), NULL);
		CHECK_STR(domain_of(PASS "From: a@b@example.org\r\n" BODY), NULL);
		CHECK_STR(domain_of(PASS "From: a@example.org\r\n\tx\r\n" BODY), NULL);
		CHECK_STR(domain_of(PASS "From: a\r\n" BODY), NULL);
		CHECK_STR(domain_of(PASS BODY), NULL);
	}
	IT ("names in quotes and comments are left aside") {
		CHECK_STR(domain_of(PASS "From: \"Boss, <b@evil.org>\" <a@example.org>\r\n" BODY),
			  "example.org");
		CHECK_STR(domain_of(PASS "From: a@example.org (Maria \\) (M.))\r\n" BODY),
			  "example.org");
		CHECK_STR(domain_of(PASS "From: a@example.org (Maria\r\n" BODY), NULL);
	}
	IT ("an empty name trusts nobody") {
		CHECK(!authres_vouches(STR("Authentication-Results: ; dmarc=pass "
					   "header.from=example.org\r\n" FROM BODY),
				       STR(""), NULL));
	}
}

int
main(void)
{
	passes();
	forgeries();
	return tap_done();
}
