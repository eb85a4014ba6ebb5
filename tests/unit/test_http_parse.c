/* The request parser: good and hostile requests, whole and in pieces, and the corpus. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/tap.h"

#include <stdlib.h>

#include "base/os.h"
#include "http/parse.h"

#define H "Host: a.example\r\n"
#define MAX_HEAD 16384
#define MAX_BODY 1048576

/* What the parser made of some bytes, as text: "GET /x ?q [body]" a request, "!name" a refusal. */
struct outcome {
	struct buf text;
	unsigned whole;
	bool refused;
	enum parse_refusal refusal;
};

static void
outcome_fini(struct outcome *o)
{
	buf_fini(&o->text);
}

static void
note_whole(struct outcome *o, const struct parse *p, const struct buf *body)
{
	o->whole++;
	buf_printf(&o->text, "%.*s %.*s ?%.*s @%.*s %u%s%s [", STR_ARG(parse_str(p, p->method)),
		   STR_ARG(parse_str(p, p->path)), STR_ARG(parse_str(p, p->query)),
		   STR_ARG(parse_str(p, p->host)), p->field_count, p->keep_alive ? "" : " close",
		   p->wants_continue ? " continue" : "");
	buf_add_str(&o->text, buf_str(body));
	buf_puts(&o->text, "]\n");
}

/* Feeds bytes in pieces of at most step (0: whole), the first of them at most first. */
static void
parse_bytes(struct str bytes, size_t first, size_t step, struct outcome *ret)
{
	static struct parse p;
	AUTO(buf_fini) struct buf body = BUF_INIT;
	*ret = (struct outcome){0};
	parse_reset(&p, MAX_HEAD, MAX_BODY);
	size_t at = 0;
	while (at < bytes.len || at == 0) {
		size_t want = at == 0 && first ? first : step ? step : bytes.len;
		struct str piece,
			in = str_make(bytes.p + at, want < bytes.len - at ? want : bytes.len - at);
		enum parse_event ev;
		at += in.len ? in.len : 1;
		while ((ev = parse_next(&p, &in, &piece)) != PARSE_MORE) {
			if (ev == PARSE_BODY)
				buf_add_str(&body, piece);
			if (ev == PARSE_REFUSED) {
				ret->refused = true;
				ret->refusal = p.refusal;
				buf_printf(&ret->text, "!%s", parse_refusal_text(p.refusal));
				parse_fini(&p);
				return;
			}
			if (ev == PARSE_DONE) {
				note_whole(ret, &p, &body);
				buf_clear(&body);
				if (!p.keep_alive) { /* what follows is not read */
					parse_fini(&p);
					return;
				}
				parse_reset(&p, MAX_HEAD, MAX_BODY);
			}
		}
	}
	parse_fini(&p);
}

static bool
splits_agree(struct str bytes)
{
	AUTO(outcome_fini) struct outcome whole;
	parse_bytes(bytes, 0, 0, &whole);
	for (size_t step = 1; step <= 3; step++) {
		AUTO(outcome_fini) struct outcome pieces;
		parse_bytes(bytes, 0, step, &pieces);
		if (strcmp(buf_cstr(&whole.text), buf_cstr(&pieces.text)) != 0)
			return printf("# step %zu: %s\n#  whole: %s\n", step,
				      buf_cstr(&pieces.text), buf_cstr(&whole.text)),
			       false;
	}
	for (size_t at = 1; at < bytes.len && bytes.len < 2000; at++) {
		AUTO(outcome_fini) struct outcome two;
		parse_bytes(bytes, at, 0, &two);
		if (strcmp(buf_cstr(&whole.text), buf_cstr(&two.text)) != 0)
			return printf("# split at %zu: %s\n", at, buf_cstr(&two.text)), false;
	}
	return true;
}

static const struct {
	const char *bytes, *outcome;
} good[] = {
	{"GET / HTTP/1.1\r\n" H "\r\n", "GET / ? @a.example 1 []\n"},
	{"\r\nGET /x?a=b%20c HTTP/1.1\r\n" H "\r\n", "GET /x ?a=b%20c @a.example 1 []\n"},
	{"GET /a%20b/%C3%A9%2Fc HTTP/1.1\r\n" H "\r\n", "GET /a b/\xc3\xa9/c ? @a.example 1 []\n"},
	{"GET /100%25/ HTTP/1.1\r\n" H "\r\n", "GET /100%/ ? @a.example 1 []\n"},
	{"GET http://A.example/p HTTP/1.1\r\n" H "\r\n", "GET /p ? @A.example 1 []\n"},
	{"GET https://a.example HTTP/1.1\r\n" H "\r\n", "GET / ? @a.example 1 []\n"},
	{"GET http://a.example?q HTTP/1.1\r\n" H "\r\n", "GET / ?q @a.example 1 []\n"},
	{"GET /?x[]={a}|b^c` HTTP/1.1\r\n" H "\r\n", "GET / ?x[]={a}|b^c` @a.example 1 []\n"},
	{"GET / HTTP/1.0\r\n\r\n", "GET / ? @ 0 close []\n"},
	{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET / ? @ 1 []\n"},
	{"GET / HTTP/1.1\r\n" H "Connection: x , CLOSE\r\n\r\n", "GET / ? @a.example 2 close []\n"},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", "POST / ? @a.example 2 [abc]\n"},
	{"POST / HTTP/1.1\r\n" H "content-length:\t003 \r\n\r\nabc",
	 "POST / ? @a.example 2 [abc]\n"},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", "POST / ? @a.example 2 []\n"},
	{"POST / HTTP/1.1\r\n" H
	 "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n00a\r\n0123456789\r\n0\r\n\r\n",
	 "POST / ? @a.example 2 [abc0123456789]\n"},
	{"POST / HTTP/1.1\r\n" H
	 "Transfer-Encoding: chunked\r\n\r\n1;a;b=c;d=\"e\\\"; f\"\r\nx\r\n0;z\r\nT: 1\r\n\r\n",
	 "POST / ? @a.example 2 [x]\n"},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nExpect: 100-Continue\r\n\r\nx",
	 "POST / ? @a.example 3 continue [x]\n"},
	{"POST / HTTP/1.0\r\nExpect: nonsense\r\nContent-Length: 1\r\n\r\nx",
	 "POST / ? @ 2 close [x]\n"},
	{"GET /1 HTTP/1.1\r\n" H "\r\nPOST /2 HTTP/1.1\r\n" H
	 "Content-Length: 2\r\n\r\nhi\r\nGET /3 HTTP/1.1\r\n" H "\r\n",
	 "GET /1 ? @a.example 1 []\nPOST /2 ? @a.example 2 [hi]\nGET /3 ? @a.example 1 []\n"},
	{"GET / HTTP/1.1\r\nHost: [::1]:8477\r\nX:\r\nY: a\xff b\r\n\r\n",
	 "GET / ? @[::1]:8477 3 []\n"},
	{"GET / HTTP/1.1\r\n" H "\r\nHELO", "GET / ? @a.example 1 []\n"},
};

static const struct {
	const char *bytes;
	enum parse_refusal refusal;
} bad[] = {
	{"\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", PARSE_METHOD},
	{"\nGET / HTTP/1.1\r\n" H "\r\n", PARSE_METHOD},
	{" GET / HTTP/1.1\r\n" H "\r\n", PARSE_METHOD},
	{"\x16\x03\x01", PARSE_METHOD},
	{"{\"a\":1}", PARSE_METHOD},
	{"GET\t/ HTTP/1.1\r\n" H "\r\n", PARSE_METHOD},
	{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", PARSE_METHOD},
	{"get / HTTP/1.1\r\n" H "\r\n", PARSE_UNKNOWN_METHOD},
	{"CONNECT a:1 HTTP/1.1\r\n" H "\r\n", PARSE_UNKNOWN_METHOD},
	{"TRACE / HTTP/1.1\r\n" H "\r\n", PARSE_UNKNOWN_METHOD},
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PARSE_UNKNOWN_METHOD},
	{"GET /\r\n", PARSE_REQUEST_LINE},
	{"GET  / HTTP/1.1\r\n" H "\r\n", PARSE_REQUEST_LINE},
	{"GET / HTTP/1.1 \r\n" H "\r\n", PARSE_REQUEST_LINE},
	{"GET / http/1.1\r\n" H "\r\n", PARSE_REQUEST_LINE},
	{"GET / HTTP/1.1\n" H "\r\n", PARSE_BARE_LF},
	{"GET / HTTP/1.1\r\nHost: a\n\r\n", PARSE_BARE_LF},
	{"GET / HTTP/1.1\r\n" H "\n", PARSE_BARE_LF},
	{"GET / HTTP/1.2\r\n" H "\r\n", PARSE_VERSION},
	{"GET / HTTP/2.0\r\n" H "\r\n", PARSE_VERSION},
	{"GET x HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"OPTIONS * HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /a/../b HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /a/.. HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /./a HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /%2e%2E/b HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /%252e%252e/b HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /a%2f..%2fb HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET //a HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /a%2f/b HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /a\\b HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /a%5cb HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /a%00 HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /?a=%00 HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /a%0d%0ab HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /%c0%ae%c0%ae HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /%ff HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /% HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /%zz HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /?%4 HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /#a HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET /\x80 HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET ftp://a.example/ HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET http:// HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET http://u@a.example/ HTTP/1.1\r\n" H "\r\n", PARSE_TARGET},
	{"GET http://b.example/ HTTP/1.1\r\n" H "\r\n", PARSE_AUTHORITY},
	{"GET / HTTP/1.1\r\n\r\n", PARSE_NO_HOST},
	{"GET / HTTP/1.1\r\n" H H "\r\n", PARSE_TWICE},
	{"GET / HTTP/1.1\r\nHost:\r\n\r\n", PARSE_HOST},
	{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", PARSE_HOST},
	{"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", PARSE_HOST},
	{"GET / HTTP/1.1\r\nHost: a:\r\n\r\n", PARSE_HOST},
	{"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", PARSE_HOST},
	{"GET / HTTP/1.1\r\nHost: a:-1\r\n\r\n", PARSE_HOST},
	{"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", PARSE_HOST},
	{"GET / HTTP/1.1\r\nHost: [x]\r\n\r\n", PARSE_HOST},
	{"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", PARSE_HOST},
	{"GET / HTTP/1.1\r\nHost: a\x80\r\n\r\n", PARSE_HOST},
	{"GET / HTTP/1.0\r\nHost: a/b\r\n\r\n", PARSE_HOST},
	{"GET / HTTP/1.1\r\n" H "Authorization: a\r\nauthorization: a\r\n\r\n", PARSE_TWICE},
	{"GET / HTTP/1.1\r\n" H "X\r\n\r\n", PARSE_FIELD},
	{"GET / HTTP/1.1\r\n" H ": x\r\n\r\n", PARSE_FIELD},
	{"GET / HTTP/1.1\r\n" H "X : y\r\n\r\n", PARSE_FIELD},
	{"GET / HTTP/1.1\r\n" H "X(: y\r\n\r\n", PARSE_FIELD},
	{"GET / HTTP/1.1\r\n" H "X: y\r\n z\r\n\r\n", PARSE_FOLD},
	{"GET / HTTP/1.1\r\n X: y\r\n" H "\r\n", PARSE_FOLD},
	{"GET / HTTP/1.1\r\n" H "X: y\rZ: 1\r\n\r\n", PARSE_VALUE},
	{"GET / HTTP/1.1\r\n" H "X: y\r\r\n\r\n", PARSE_VALUE},
	{"GET / HTTP/1.1\r\n" H "X: \x01\r\n\r\n", PARSE_VALUE},
	{"GET / HTTP/1.1\r\n" H "X: \x7f\r\n\r\n", PARSE_VALUE},
	{"POST / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\nx", PARSE_LENGTH},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 1,1\r\n\r\nx", PARSE_LENGTH},
	{"POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\nx", PARSE_LENGTH},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\nx", PARSE_LENGTH},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551617\r\n\r\nx", PARSE_LENGTH},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", PARSE_TWICE},
	{"POST / HTTP/1.1\r\n" H "Content-Length: 1048577\r\n\r\n", PARSE_TOO_LARGE},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", PARSE_CODING},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", PARSE_CODING},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", PARSE_CODING},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n", PARSE_CHUNKED},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", PARSE_CHUNKED},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n\r\n", PARSE_CHUNKED},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	 PARSE_TWICE},
	{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	 PARSE_FRAMING},
	{"POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", PARSE_OLD_CHUNKED},
	{"POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n", PARSE_EXPECT},
};

static const struct {
	const char *body;
	enum parse_refusal refusal;
} bad_chunks[] = {
	{"g\r\n", PARSE_CHUNK_SIZE},
	{"\r\n", PARSE_CHUNK_SIZE},
	{"0x1\r\nx\r\n0\r\n\r\n", PARSE_CHUNK_SIZE},
	{"-1\r\n", PARSE_CHUNK_SIZE},
	{" 1\r\nx\r\n0\r\n\r\n", PARSE_CHUNK_SIZE},
	{"1 \r\nx\r\n0\r\n\r\n", PARSE_CHUNK_SIZE},
	{"1 ;a\r\nx\r\n0\r\n\r\n", PARSE_CHUNK_SIZE},
	{"1;\r\nx\r\n0\r\n\r\n", PARSE_CHUNK_SIZE},
	{"1;a=\r\nx\r\n0\r\n\r\n", PARSE_CHUNK_SIZE},
	{"1;a=\"b\r\nx\r\n0\r\n\r\n", PARSE_CHUNK_SIZE},
	{"1;a\rb\r\nx\r\n0\r\n\r\n", PARSE_CHUNK_SIZE},
	{"1\nx\r\n0\r\n\r\n", PARSE_BARE_LF},
	{"1\r\nx\n0\r\n\r\n", PARSE_CHUNK_END},
	{"1\r\nx\r0\r\n\r\n", PARSE_CHUNK_END},
	{"1\r\nxy\r\n0\r\n\r\n", PARSE_CHUNK_END},
	{"2\r\nx\r\n0\r\n\r\n", PARSE_CHUNK_END},
	{"10000000000000001\r\nx", PARSE_CHUNK_SIZE},
	{"ffffffffffffffff\r\nx", PARSE_TOO_LARGE},
	{"100001\r\nx", PARSE_TOO_LARGE},
	{"1\r\nx\r\nfffffffffffffff0\r\nx", PARSE_TOO_LARGE},
	{"0\r\nX : 1\r\n\r\n", PARSE_TRAILER},
	{"0\r\n x\r\n\r\n", PARSE_TRAILER},
	{"0\r\nX: \x01\r\n\r\n", PARSE_TRAILER},
	{"0\r\nX: 1\n\r\n", PARSE_BARE_LF},
	{"0\r\n\n", PARSE_BARE_LF},
};

static void
check_bad(struct str bytes, enum parse_refusal refusal)
{
	AUTO(outcome_fini) struct outcome got;
	parse_bytes(bytes, 0, 0, &got);
	if (!CHECK(got.refused && got.refusal == refusal && got.whole == 0))
		printf("#  %.*s\n#  gave %s\n", STR_ARG(bytes), buf_cstr(&got.text));
	CHECK(splits_agree(bytes));
}

static void
add_times(struct buf *b, const char *text, size_t count)
{
	while (count--)
		buf_puts(b, text);
}

static void
check_long(const char *before, const char *text, size_t count, enum parse_refusal refusal)
{
	AUTO(buf_fini) struct buf bytes = BUF_INIT;
	AUTO(outcome_fini) struct outcome whole, small;
	buf_puts(&bytes, before);
	add_times(&bytes, text, count);
	parse_bytes(buf_str(&bytes), 0, 0, &whole);
	parse_bytes(buf_str(&bytes), 0, 7, &small);
	CHECK(whole.refused && whole.refusal == refusal);
	CHECK(small.refused && small.refusal == refusal);
}

/* The corpus: lines of manifest.tsv, and files with @@…@@ marks that are to be filled in. */
static bool
expand_repeat(struct buf *out, struct str mark)
{
	struct str hex, rest = str_split(str_make(mark.p + 4, mark.len - 4), ':', &hex);
	AUTO(buf_fini) struct buf once = BUF_INIT;
	uint64_t count;
	if (!rest.p || !str_to_u64(rest, &count))
		return false;
	for (size_t i = 0; i + 1 < hex.len; i += 2) {
		char pair[3] = {hex.p[i], hex.p[i + 1], 0};
		buf_putc(&once, (char)strtol(pair, NULL, 16));
	}
	while (count--)
		buf_add_str(out, buf_str(&once));
	return true;
}

static void
expand(struct str raw, struct buf *out)
{
	while (raw.len) {
		const char *at = memmem(raw.p, raw.len, "@@", 2);
		const char *end =
			at ? memmem(at + 2, raw.len - (size_t)(at + 2 - raw.p), "@@", 2) : NULL;
		if (!end) {
			buf_add_str(out, raw);
			return;
		}
		buf_add(out, raw.p, (size_t)(at - raw.p));
		struct str mark = str_make(at + 2, (size_t)(end - at) - 2);
		if (str_eq(mark, STR("PATH")))
			buf_puts(out, "/hooks/x");
		else if (str_eq(mark, STR("HOST")))
			buf_puts(out, "127.0.0.1:8477");
		else if (!str_eq(mark, STR("AUTH")) &&
			 !(str_starts(mark, STR("REP:")) && expand_repeat(out, mark)))
			printf("# unknown mark %.*s\n", STR_ARG(mark));
		size_t used = (size_t)(end + 2 - raw.p);
		raw = str_make(raw.p + used, raw.len - used);
	}
}

static struct str
column(struct str line, unsigned n)
{
	struct str head = line;
	for (unsigned i = 0; i <= n; i++)
		line = str_split(line, '\t', &head);
	return head;
}

static bool
corpus_case(const char *dir, struct str line)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(buf_fini) struct buf raw = BUF_INIT;
	AUTO(buf_fini) struct buf bytes = BUF_INIT;
	AUTO(outcome_fini) struct outcome whole, pieces;
	struct str cls = column(line, 2);
	uint64_t max = 0;
	buf_printf(&path, "%s/%.*s", dir, STR_ARG(column(line, 1)));
	if (!os_read_file(buf_cstr(&path), 64 << 20, &raw, NULL))
		return false;
	expand(buf_str(&raw), &bytes);
	parse_bytes(buf_str(&bytes), 0, 0, &whole);
	parse_bytes(buf_str(&bytes), 0, 61, &pieces);
	str_to_u64(column(line, 3), &max);
	bool ok = str_eq(cls, STR("accept")) ? whole.whole >= 1 && !whole.refused
		  : str_eq(cls, STR("either"))
			  ? true
			  : whole.whole == 0 && str_eq(cls, STR("close")) >= !whole.refused;
	ok = ok && whole.whole <= max && !strcmp(buf_cstr(&whole.text), buf_cstr(&pieces.text));
	if (!ok)
		printf("# %s (%.*s): %u whole, refused %d\n", buf_cstr(&path), STR_ARG(cls),
		       whole.whole, whole.refused);
	return ok;
}

static unsigned
corpus_failures(unsigned *ret_cases)
{
	AUTO(buf_fini) struct buf dir = BUF_INIT;
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(buf_fini) struct buf manifest = BUF_INIT;
	const char *srcdir = getenv("srcdir");
	unsigned failed = 0;
	buf_printf(&dir, "%s/tests/vectors/http-corpus", srcdir ? srcdir : ".");
	buf_printf(&path, "%s/manifest.tsv", buf_cstr(&dir));
	os_read_file(buf_cstr(&path), 1 << 20, &manifest, NULL);
	struct str line, rest = str_split(buf_str(&manifest), '\n', &line);
	while (rest.p && rest.len) {
		rest = str_split(rest, '\n', &line);
		failed += !corpus_case(buf_cstr(&dir), line);
		++*ret_cases;
	}
	return failed;
}

int
main(void)
{
	IT ("a request that keeps to the rules is read, however it is cut") {
		for (size_t i = 0; i < ARRAY_LEN(good); i++) {
			AUTO(outcome_fini) struct outcome got;
			parse_bytes(str_of(good[i].bytes), 0, 0, &got);
			CHECK_STR(buf_cstr(&got.text), good[i].outcome);
			CHECK(splits_agree(str_of(good[i].bytes)));
		}
	}
	IT ("a request that breaks a rule is refused for it, however it is cut") {
		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			check_bad(str_of(bad[i].bytes), bad[i].refusal);
	}
	IT ("a chunked body that breaks a rule is refused for it, however it is cut") {
		for (size_t i = 0; i < ARRAY_LEN(bad_chunks); i++) {
			AUTO(buf_fini) struct buf bytes = BUF_INIT;
			buf_puts(&bytes,
				 "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
			buf_puts(&bytes, bad_chunks[i].body);
			check_bad(buf_str(&bytes), bad_chunks[i].refusal);
		}
	}
	IT ("a NUL byte is refused where it stands") {
		check_bad(STR("G\0T / HTTP/1.1\r\n"), PARSE_METHOD);
		check_bad(STR("GET /\0 HTTP/1.1\r\n"), PARSE_TARGET);
		check_bad(STR("GET / HTTP/1.1\r\nHo\0st: a\r\n\r\n"), PARSE_FIELD);
		check_bad(STR("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"), PARSE_VALUE);
		check_bad(STR("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1;\0\r\n"),
			  PARSE_CHUNK_SIZE);
	}
	IT ("what has no end is cut off at a limit, not kept") {
		check_long("GET /", "a", 40000, PARSE_TARGET_LONG);
		check_long("GET / HTTP/1.1\r\n" H "X: ", "a", 40000, PARSE_HEAD_LONG);
		check_long("GET / HTTP/1.1\r\n" H, "X: a\r\n", 100, PARSE_FIELD_COUNT);
		check_long("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", "1", 300,
			   PARSE_CHUNK_EXT);
		check_long("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1;", "a", 300,
			   PARSE_CHUNK_EXT);
		check_long("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n",
			   "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n", 400,
			   PARSE_CHUNK_EXT);
		check_long("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n",
			   "X: a\r\n", 101, PARSE_TRAILER_LONG);
		check_long("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
			   "a", 9000, PARSE_TRAILER_LONG);
	}
	IT ("chunks together may not grow beyond the limit") {
		check_long("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n",
			   "20\r\n0123456789abcdef0123456789abcdef\r\n", 40000, PARSE_TOO_LARGE);
	}
	IT ("every case of the corpus ends as its class says") {
		unsigned cases = 0;
		CHECK_INT(corpus_failures(&cases), 0);
		CHECK(cases > 200);
	}
	return tap_done();
}
