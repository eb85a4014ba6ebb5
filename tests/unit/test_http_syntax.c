/* What a path, a host, a query may be; decoding. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/tap.h"

#include "http/syntax.h"

static void
check_path(const char *raw, const char *decoded)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;
	buf_puts(&out, "before");
	bool ok = syntax_decode_path(str_of(raw), &out);
	if (!CHECK(ok == (decoded != NULL)))
		printf("#  %s\n", raw);
	AUTO(buf_fini) struct buf want = BUF_INIT;
	buf_printf(&want, "before%s", decoded ? decoded : "");
	CHECK_STR(buf_cstr(&out), buf_cstr(&want));
}

int
main(void)
{
	IT ("a path is decoded once") {
		check_path("/", "/");
		check_path("/a/b/", "/a/b/");
		check_path("/a%2Fb", "/a/b");
		check_path("/a%252Fb", "/a%2Fb");
		check_path("/%E2%82%AC;v=1:@!$&'()*+,=~-._", "/\xe2\x82\xac;v=1:@!$&'()*+,=~-._");
		check_path("/.a/..b/c..", "/.a/..b/c..");
		check_path("/50%25", "/50%");
	}
	IT ("a path that could lead elsewhere is refused, and leaves nothing behind") {
		const char *const hostile[] = {
			"",	     "a",	  "*",	     "//",	   "/a//b",
			"/a%2F%2Fb", "/..",	  "/../",    "/a/..",	   "/.",
			"/a/./b",    "/%2e",	  "/%2e%2e", "/.%2e/a",	   "/%252e%252e",
			"/%255c",    "/%5C",	  "/\\",     "/%",	   "/%4",
			"/%g1",	     "/%00",	  "/%2500",  "/%0a",	   "/%7f",
			"/a b",	     "/\xc3\xa9", "/%c0%af", "/%ed%a0%80", "/%f5%80%80%80",
			"/<",	     "/\"",	  "/`",	     "/{x}",	   "/|",
			"/^",	     "/#",	  "/?",
		};
		for (size_t i = 0; i < ARRAY_LEN(hostile); i++)
			check_path(hostile[i], NULL);
	}
	IT ("a host is a name or an address, and perhaps a port") {
		const char *const good[] = {"a",       "a.b-c_d~1", "127.0.0.1",       "a:1",
					    "a:65535", "[::1]",	    "[2001:db8::1]:80"};
		const char *const bad[] = {
			"",	 ":1",	"a:",	"a:0",	  "a:65536", "a:000001",  "a:+1",
			"a:1:2", "[]",	"[::1", "[::1]x", "[::1]:",  "[1.2.3.4]", "::1",
			"a/b",	 "a b", "a,b",	"u@a",	  "a%41",    "a\\b",	  "[::1%25lo]"};
		for (size_t i = 0; i < ARRAY_LEN(good); i++)
			CHECK(syntax_is_host(str_of(good[i])));
		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			if (!CHECK(!syntax_is_host(str_of(bad[i]))))
				printf("#  %s\n", bad[i]);
		CHECK(!syntax_is_host(STR("a\0b")));
		CHECK(!syntax_is_host(STR("[::1\0]")));
	}
	IT ("a query keeps its signs sound") {
		CHECK(syntax_is_query(STR("")));
		CHECK(syntax_is_query(STR("a=b&c[]=%0D%0a?/")));
		CHECK(!syntax_is_query(STR("a=%")));
		CHECK(!syntax_is_query(STR("a=%0")));
		CHECK(!syntax_is_query(STR("a=%00")));
		CHECK(!syntax_is_query(STR("a b")));
		CHECK(!syntax_is_query(STR("a#b")));
		CHECK(!syntax_is_query(STR("a\\b")));
	}
	IT ("a chunk's size has at most sixteen digits and nothing else") {
		uint64_t size = 7;
		CHECK(syntax_chunk_size(STR("fFfFfFfFfFfFfFfF"), &size) && size == UINT64_MAX);
		CHECK(syntax_chunk_size(STR("0000000000000010"), &size) && size == 16);
		CHECK(!syntax_chunk_size(STR("00000000000000010"), &size));
		CHECK(!syntax_chunk_size(STR(""), &size));
		CHECK(!syntax_chunk_size(STR("1_0"), &size));
	}
	return tap_done();
}
