/* Tests: mail, honest and hostile, read in a helper that survives none of it by luck. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/json.h"
#include "base/os.h"
#include "io/jail.h"
#include "io/jail_wire.h"
#include "tests/unit/tap.h"

#define HEAD                                                                                       \
	"From: a@x.org\r\nTo: b@x.org\r\nMessage-ID: <1@x>\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
#define BYTES(text) str_make(text, sizeof(text) - 1)

static struct event_base *base;
static struct jail *jail;

static struct {
	bool answered;
	enum err_code code;
	size_t count;
	json_t *document;
	struct buf parts; /* attachments with a bar behind each */
} got;

static void
on_answer(void *arg UNUSED, const struct str *outputs, size_t count, struct err *err)
{
	got.answered = true;
	got.code = err->code;
	got.count = count;
	if (count)
		json_read(outputs[0], &got.document, NULL);
	for (size_t i = 1; i < count; i++) {
		buf_add_str(&got.parts, outputs[i]);
		buf_putc(&got.parts, '|');
	}
}

/* What the helper makes of a message; false: nothing. */
static bool
read_mail(const char *program, struct str raw)
{
	json_decref(got.document);
	got.document = NULL;
	got.answered = false;
	buf_clear(&got.parts);
	if (!jail_run(jail, program, raw, on_answer, NULL, NULL))
		return false;
	while (!got.answered)
		event_base_loop(base, EVLOOP_ONCE);
	return got.code == E_OK && got.document;
}

static const char *
member(const char *name)
{
	return json_str(got.document, name);
}

static const char *
first_attachment(const char *name)
{
	return json_str(json_array_get(json_object_get(got.document, "attachments"), 0), name);
}

static bool
is_cut(const char *what)
{
	json_t *cuts = json_object_get(got.document, "truncated");

	for (size_t i = 0; i < json_array_size(cuts); i++)
		if (!strcmp(json_string_value(json_array_get(cuts, i)), what))
			return true;
	return false;
}

static void
text(const char *headers, struct str body, const char *want)
{
	AUTO(buf_fini) struct buf raw = BUF_INIT;

	buf_cat(&raw, HEAD, headers, "\r\n");
	buf_add_str(&raw, body);
	CHECK(read_mail("skip", buf_str(&raw)));
	CHECK_STR(member("text"), want);
}

static void
honest(void)
{
	IT ("bodies are UTF-8, whatever they were written in") {
		text("", STR("hello\r\nyou\r\n"), "hello\nyou\n");
		text("Content-Type: text/plain; charset=iso-8859-1\r\n", STR("gr\xfc\xdf"), "grüß");
		text("Content-Type: text/plain; charset=koi8-r\r\n",
		     STR("\xd0\xd2\xc9\xd7\xc5\xd4"), "привет");
		text("Content-Type: text/plain; charset=shift_jis\r\n", STR("\x93\xfa\x96\x7b"),
		     "日本");
		text("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
		     "base64\r\n",
		     STR("R3LDvMOfZQ==\r\n"), "Grüße");
		text("Content-Transfer-Encoding: quoted-printable\r\n", STR("a=3Db=\r\nc"), "a=bc");
	}
	IT ("charsets that lie, or that nobody knows, give text all the same") {
		text("Content-Type: text/plain; charset=x-nobody\r\n", STR("plain"), "plain");
		text("", STR("gr\xfc\xdf"), "grüß");
		text("Content-Type: text/plain; charset=utf-7\r\n", STR("+ADw-script+AD4-"),
		     "+ADw-script+AD4-");
		text("", BYTES("a\0b"),
		     "a\xef\xbf\xbd"
		     "b");
	}
	IT ("fields are decoded, addresses apart from names") {
		CHECK(read_mail("skip",
				STR("From: =?utf-8?q?J=C3=BCrg?= <j@x.org>\r\nTo: a@x.org,\r\n "
				    "\"B, C\" <b@x.org>\r\nSubject: =?iso-8859-1?B?R3L832U=?=\r\n"
				    "Message-ID: <1@x>\r\nIn-Reply-To: <0@x>\r\nReferences: <8@x> "
				    "<9@x>\r\nDate: Fri, 20 Nov 2026 10:00:00 +0100\r\nX-A: "
				    "1\r\nx-a: 2\r\n\r\n")));
		CHECK_STR(member("from_address"), "j@x.org");
		CHECK(strstr(member("from"), "Jürg") != NULL);
		CHECK_STR(member("subject"), "Grüße");
		CHECK_STR(member("date"), "2026-11-20T09:00:00.000Z");
		CHECK_STR(member("message_id"), "<1@x>");
		CHECK_STR(member("in_reply_to"), "<0@x>");
		CHECK_INT(json_array_size(json_object_get(got.document, "to")), 2);
		CHECK_INT(json_array_size(json_object_get(got.document, "references")), 2);
		CHECK_STR(json_str(json_object_get(got.document, "headers"), "x-a"), "1\n2");
	}
	IT ("alternatives give text and html, what is attached is attached") {
		CHECK(read_mail(
			"save",
			STR(HEAD
			    "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
			    "Content-Type: multipart/alternative; "
			    "boundary=i\r\n\r\n--i\r\n\r\nplain"
			    "\r\n--i\r\nContent-Type: text/html\r\n\r\n<b>html</b>\r\n--i--\r\n"
			    "--o\r\nContent-Type: text/plain; name=\"n.txt\"\r\n"
			    "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n"
			    "--o\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx"
			    "\r\n--o--\r\n")));
		CHECK_STR(member("text"), "plain");
		CHECK_STR(member("html"), "<b>html</b>");
		CHECK_STR(first_attachment("name"), "n.txt");
		CHECK_STR(first_attachment("content_type"), "text/plain");
		CHECK_INT(got.count, 3);
		CHECK(str_starts(buf_str(&got.parts), STR("hello|Subject: inner")));
		CHECK_INT(jail_pid(jail) > 0, 1);
	}
}

/* A message made by repeating; what: for people. */
static void
bomb(const char *what, const char *begin, const char *again, size_t times, const char *end)
{
	AUTO(buf_fini) struct buf raw = BUF_INIT;
	AUTO(buf_fini) struct buf name = BUF_INIT;
	int before = jail_pid(jail);

	buf_puts(&raw, begin);
	for (size_t i = 0; i < times; i++)
		buf_puts(&raw, again);
	buf_puts(&raw, end);
	buf_cat(&name, "a bomb of ", what, " becomes a document of a bounded size");
	IT (buf_cstr(&name)) {
		AUTO(buf_fini) struct buf document = BUF_INIT;

		CHECK(read_mail("save", buf_str(&raw)));
		if (got.document)
			json_write(&document, got.document);
		CHECK(document.len < 1 << 20);
		CHECK_INT(jail_pid(jail), before);
	}
}

static void
bombs(void)
{
	AUTO(buf_fini) struct buf nested = BUF_INIT;

	bomb("fields", HEAD, "X: y\r\n", 100000, "\r\nb");
	bomb("one field", HEAD "X: ", "yyyyyyyyyy", 500000, "\r\n\r\nb");
	bomb("addresses", "From: a@x.org\r\nTo: a@x.org", ", b@x.org", 50000, "\r\n\r\nb");
	bomb("encoded words", HEAD "X: ", " =?utf-8?q?=41?=", 50000, "\r\n\r\nb");
	bomb("parts", HEAD "Content-Type: multipart/mixed; boundary=x\r\n\r\n", "--x\r\n\r\n",
	     50000, "--x--\r\n");
	bomb("text", HEAD "\r\n", "\x01\x02\x03\x04\x05\x06\x07", 100000, "");
	bomb("messages in messages", HEAD, "Content-Type: message/rfc822\r\n\r\n", 2000,
	     "Subject: x\r\n\r\nb");
	bomb("parameters", HEAD "Content-Type: text/plain", "; a*0*=utf-8''x", 20000, "\r\n\r\nb");
	for (int i = 0; i < 3000; i++)
		buf_printf(&nested, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n",
			   i, i);
	bomb("nesting", HEAD, buf_cstr(&nested), 1, "\r\n\r\nb");
	IT ("what was cut is said") {
		CHECK(is_cut("attachments"));
	}
}

static void
refusals(void)
{
	IT ("nothing at all is no mail") {
		CHECK(!read_mail("skip", STR("")));
		CHECK_INT(got.code, E_MAPPING);
	}
	IT ("a message beyond the limit is refused at once") {
		AUTO(buf_fini) struct buf raw = BUF_INIT;

		buf_reserve(&raw, jail_mime.bytes_max + 10);
		memset(raw.data, 'x', jail_mime.bytes_max + 1);
		raw.len = jail_mime.bytes_max + 1;
		got.code = E_OK;
		CHECK(!read_mail("skip", buf_str(&raw)));
	}
	IT ("two Froms have no one address") {
		CHECK(read_mail("skip", STR("From: a@x.org\r\nFrom: b@x.org\r\n\r\n")));
		CHECK_STR(member("from_address"), NULL);
	}
}

int
main(void)
{
	AUTO(auto_free) char *dir = os_program_dir();
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_cat(&path, dir, "/../../rouse-mime");
	base = event_base_new();
	jail = jail_new_for(base, buf_cstr(&path), &jail_mime);
	honest();
	bombs();
	refusals();
	json_decref(got.document);
	buf_fini(&got.parts);
	jail_free(jail);
	event_base_free(base);
	return tap_done();
}
