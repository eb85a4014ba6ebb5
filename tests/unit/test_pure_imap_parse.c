/* IMAP responses, whole and in pieces, good and hostile. */
/* SPDX-License-Identifier: MIT */
#include "pure/imap_parse.h"
#include "tests/unit/tap.h"

enum { TEXT_MAX = 2000, LITERAL_MAX = 1000 };

/* All responses of a stream fed in pieces of `step` bytes, one a line: what they are, their parts
 * between bars; "!" and the code when it breaks. */
static void
read_all(struct str stream, size_t step, struct buf *out)
{
	struct imap_reader reader;
	struct imap_response r;
	AUTO(err_fini) struct err err = ERR_INIT;
	enum imap_read got = IMAP_READ_MORE;

	buf_clear(out);
	imap_reader_init(&reader, TEXT_MAX, LITERAL_MAX);
	for (size_t i = 0; i < stream.len && got != IMAP_READ_BROKEN; i += step) {
		size_t len = stream.len - i < step ? stream.len - i : step;
		/* a copy of exact size, so that a sanitizer sees a byte read too far */
		AUTO(auto_free) char *copy = mem_memdup(stream.p + i, len);

		imap_reader_feed(&reader, str_make(copy, len), &err);
		while ((got = imap_reader_next(&reader, &r, &err)) == IMAP_READ_RESPONSE) {
			buf_printf(out, "%c|%.*s|%d|%.*s|%.*s|%.*s|", "+*t"[r.kind], STR_ARG(r.tag),
				   r.status, STR_ARG(r.code), STR_ARG(r.code_args),
				   STR_ARG(r.text));
			if (r.has_number)
				buf_printf(out, "%llu", (unsigned long long)r.number);
			buf_printf(out, "|%.*s|", STR_ARG(r.name));
			buf_add_str(out, r.args);
			buf_putc(out, '\n');
		}
	}
	if (got == IMAP_READ_BROKEN)
		buf_printf(out, "!%s", err_name(err.code));
	imap_reader_fini(&reader);
}

static void
check_stream_len(struct str stream, const char *want)
{
	AUTO(buf_fini) struct buf got = BUF_INIT;

	read_all(stream, stream.len, &got);
	CHECK_STR(buf_cstr(&got), want);
	for (size_t step = 1; step < 9; step++) {
		AUTO(buf_fini) struct buf split = BUF_INIT;

		read_all(stream, step, &split);
		CHECK(str_eq(buf_str(&got), buf_str(&split)));
	}
}

static void
check_stream(const char *stream, const char *want)
{
	check_stream_len(str_of(stream), want);
}

static void
responses(void)
{
	IT ("greetings, codes and ends of commands are told apart") {
		check_stream("* OK [CAPABILITY IMAP4rev1 IDLE] Dovecot ready.\r\n",
			     "*||1|CAPABILITY|IMAP4rev1 IDLE|Dovecot ready.|||\n");
		check_stream("* PREAUTH hello\r\n", "*||5|||hello|||\n");
		check_stream("* BYE [UNAVAILABLE] gone\r\n", "*||4|UNAVAILABLE||gone|||\n");
		check_stream("R1 OK [READ-WRITE] done\r\nR2 no [ALERT] x\r\nR3 BAD what?\r\n",
			     "t|R1|1|READ-WRITE||done|||\nt|R2|2|ALERT||x|||\n"
			     "t|R3|3|||what?|||\n");
		check_stream("+ idling\r\n+\r\n+ \r\n",
			     "+||0|||idling|||\n+||0||||||\n+||0||||||\n");
		check_stream("* OK [BADCHARSET (\"a]b\" UTF-8)] text\r\n",
			     "*||1|BADCHARSET|(\"a]b\" UTF-8)|text|||\n");
		check_stream("* OK [never closed\r\n", "*||1|||[never closed|||\n");
	}
	IT ("data is data in either case, with or without a number") {
		check_stream("* 23 exists\r\n* SEARCH 1 2 3\r\n* search\r\n* 5 EXPUNGE\r\n",
			     "*||0||||23|exists|\n*||0|||||SEARCH|1 2 3\n*||0|||||search|\n"
			     "*||0||||5|EXPUNGE|\n");
		check_stream("* -1 EXISTS\r\n* 99999999999999999999 EXISTS\r\n",
			     "*||0|||||-1|EXISTS\n*||0|||||99999999999999999999|EXISTS\n");
	}
	IT ("a bare line feed ends a line, and empty lines are nothing") {
		check_stream("\r\n* 1 EXISTS\n\n* 2 EXISTS\r\n",
			     "*||0||||1|EXISTS|\n*||0||||2|EXISTS|\n");
	}
}

static void
literals(void)
{
	IT ("a literal is part of its response, whatever it holds") {
		check_stream("* 1 FETCH (BODY[] {8}\r\nR1 OK x\n UID 5)\r\nR1 OK y\r\n",
			     "*||0||||1|FETCH|(BODY[] {8}\r\nR1 OK x\n UID 5)\nt|R1|1|||y|||\n");
		check_stream("* 1 FETCH (A {3}\r\n{9} B {0}\r\n C ~{2}\r\n)))\r\n",
			     "*||0||||1|FETCH|(A {3}\r\n{9} B {0}\r\n C ~{2}\r\n)))\n");
		check_stream_len(str_make("* 1 FETCH (A {3}\r\n\0\r\n)\r\n", 24),
				 "*||0||||1|FETCH|(A {3}\r\n");
	}
	IT ("what people read may end in braces and announces nothing") {
		check_stream("* OK try {5}\r\n* 1 EXISTS\r\n",
			     "*||1|||try {5}|||\n*||0||||1|EXISTS|\n");
		check_stream("R1 NO {99999}\r\n+ {3}\r\n", "t|R1|2|||{99999}|||\n+||0|||{3}|||\n");
	}
	IT ("braces in a quoted string announce nothing") {
		check_stream("* LIST () \"/\" \"a {5}\r\n", "*||0|||||LIST|() \"/\" \"a {5}\n");
		check_stream("* LIST () \"/\" \"a\\\" {5}\"\r\n",
			     "*||0|||||LIST|() \"/\" \"a\\\" {5}\"\n");
	}
	IT ("a literal beyond the limit is refused as soon as it is announced") {
		check_stream("* 1 FETCH (BODY[] {4294967295}\r\n", "!too_large");
		check_stream("* 1 FETCH (BODY[] {99999999999999999999999}\r\n", "!too_large");
		check_stream("* 1 FETCH (A {1001}\r\n", "!too_large");
	}
	IT ("many literals are no more than one large one") {
		AUTO(buf_fini) struct buf stream = BUF_INIT;
		AUTO(buf_fini) struct buf got = BUF_INIT;

		buf_puts(&stream, "* 1 FETCH (");
		for (int i = 0; i < 101; i++)
			buf_puts(&stream, "A {10}\r\n0123456789 ");
		read_all(buf_str(&stream), 7, &got);
		CHECK_STR(buf_cstr(&got), "!too_large");
	}
}

static void
hostile(void)
{
	IT ("a line without an end is refused at the limit") {
		AUTO(buf_fini) struct buf stream = BUF_INIT;
		AUTO(buf_fini) struct buf got = BUF_INIT;

		for (int i = 0; i < 3000; i++)
			buf_putc(&stream, 'x');
		read_all(buf_str(&stream), 100, &got);
		CHECK_STR(buf_cstr(&got), "!too_large");
	}
	IT ("what is no IMAP is said so") {
		check_stream("HTTP/1.1 400 Bad Request\r\n", "!invalid");
		check_stream("R1 FETCH x\r\n", "!invalid");
		check_stream(" OK x\r\n", "!invalid");
		check_stream("R1 BYE x\r\n", "!invalid");
	}
	IT ("small responses leave no memory behind, however many come") {
		struct imap_reader reader;
		struct imap_response r;
		bool all = true;

		imap_reader_init(&reader, TEXT_MAX, LITERAL_MAX);
		for (int i = 0; i < 100000; i++) {
			all = all && imap_reader_feed(&reader, STR("* 1 EXISTS\r\n* 2 EX"), NULL) &&
			      imap_reader_next(&reader, &r, NULL) == IMAP_READ_RESPONSE &&
			      imap_reader_feed(&reader, STR("ISTS\r\n"), NULL) &&
			      imap_reader_next(&reader, &r, NULL) == IMAP_READ_RESPONSE;
		}
		CHECK(all);
		CHECK(reader.buf.cap < 4096);
		imap_reader_fini(&reader);
	}
}

/* Every item as NAME=KIND:raw and a blank; ! when something is left. */
static void
items_print(struct str items, struct buf *out)
{
	struct str name;
	struct imap_value value;

	buf_clear(out);
	while (imap_item_next(&items, &name, &value)) {
		buf_printf(out, "%.*s=%c:", STR_ARG(name), "naqlp"[value.kind]);
		buf_add_str(out, value.raw);
		buf_putc(out, ' ');
	}
	if (items.len)
		buf_putc(out, '!');
}

static void
check_items(const char *items, const char *want)
{
	AUTO(buf_fini) struct buf got = BUF_INIT;
	AUTO(auto_free) char *copy = mem_memdup(items, strlen(items));

	items_print(str_make(copy, strlen(items)), &got);
	CHECK_STR(buf_cstr(&got), want);
}

static void
values(void)
{
	IT ("items of FETCH are read, those too that nobody asked for") {
		check_items("UID 5 FLAGS (\\Seen $x) RFC822.SIZE 12 INTERNALDATE \" 1-Nov-2026 "
			    "10:00:00 +0000\" X-GM-MSGID 99 BODY[] NIL",
			    "UID=a:5 FLAGS=p:\\Seen $x RFC822.SIZE=a:12 INTERNALDATE=q: 1-Nov-2026 "
			    "10:00:00 +0000 X-GM-MSGID=a:99 BODY[]=n:NIL ");
		check_items("BODY[HEADER.FIELDS (DATE FROM)]<0> {4}\r\na)b( uid 7",
			    "BODY[HEADER.FIELDS (DATE FROM)]<0>=l:a)b( uid=a:7 ");
		check_items("BODY[] \"a\\\"b\\\\\" MODSEQ (12)",
			    "BODY[]=q:a\\\"b\\\\ MODSEQ=p:12 ");
		check_items("BINARY[1] ~{3}\r\n\"({ X (a \")\" {1}\r\n) b)",
			    "BINARY[1]=l:\"({ X=p:a \")\" {1}\r\n) b ");
	}
	IT ("what is malformed ends there") {
		check_items("UID", "!");
		check_items("UID 5 FLAGS (a", "UID=a:5 !");
		check_items("UID 5 X \"abc", "UID=a:5 !");
		check_items("BODY[] {10}\r\nabc", "!");
		check_items("BODY[] {10}abc", "!");
		check_items("BODY[] {", "!");
		check_items("(a)", "!");
		check_items("A \"b\\", "!");
		check_items("", "");
	}
	IT ("nesting of any depth is skipped without a stack") {
		AUTO(buf_fini) struct buf items = BUF_INIT;
		AUTO(buf_fini) struct buf got = BUF_INIT;

		buf_puts(&items, "BODYSTRUCTURE ");
		for (int i = 0; i < 100000; i++)
			buf_putc(&items, '(');
		for (int i = 0; i < 100000; i++)
			buf_putc(&items, ')');
		buf_puts(&items, " UID 3");
		items_print(buf_str(&items), &got);
		CHECK(strstr(buf_cstr(&got), " UID=a:3 ") != NULL);
	}
	IT ("strings lose their escapes, and atoms have none") {
		AUTO(buf_fini) struct buf out = BUF_INIT;
		struct imap_value value = {IMAP_QUOTED, STR("a\\\"b\\\\c\\d\\")};

		CHECK(imap_value_text(&value, &out));
		CHECK_STR(buf_cstr(&out), "a\"b\\cd\\");
		value.kind = IMAP_NIL;
		CHECK(!imap_value_text(&value, &out));
	}
	IT ("numbers are numbers only when they fit") {
		uint64_t n = 1;
		struct imap_value value = {IMAP_ATOM, STR("9223372036854775807")};

		CHECK(imap_value_number(&value, &n) && n == INT64_MAX);
		value.raw = STR("9223372036854775808");
		CHECK(!imap_value_number(&value, &n));
		value.raw = STR("-1");
		CHECK(!imap_value_number(&value, &n));
		value = (struct imap_value){IMAP_QUOTED, STR("1")};
		CHECK(!imap_value_number(&value, &n));
	}
}

static void
check_set(const char *set, const char *want)
{
	AUTO(buf_fini) struct buf got = BUF_INIT;
	AUTO(auto_free) char *copy = mem_memdup(set, strlen(set));
	struct str rest = str_make(copy, strlen(set));
	uint64_t from, to;

	while (imap_range_next(&rest, &from, &to))
		buf_printf(&got, "%llu-%llu ", (unsigned long long)from, (unsigned long long)to);
	buf_add_str(&got, rest);
	CHECK_STR(buf_cstr(&got), want);
}

static void
sets(void)
{
	IT ("sets give their ranges in order, and numbers are ranges of one") {
		check_set("1:2,4", "1-2 4-4 ");
		check_set("1 2 3", "1-1 2-2 3-3 ");
		check_set("9:5", "5-9 ");
		check_set("1:4294967295", "1-4294967295 ");
	}
	IT ("zero, stars and numbers beyond all bounds are no messages") {
		check_set("0,3,*,99999999999999999999999,4:*", "3-3 ");
	}
	IT ("a set ends at what is no number") {
		check_set("1 2 (MODSEQ 5)", "1-1 2-2 (MODSEQ 5)");
		check_set("1:x", "x");
		check_set("", "");
	}
}

int
main(void)
{
	responses();
	literals();
	hostile();
	values();
	sets();
	return tap_done();
}
