/* URLs, mailboxes, dates and criteria of IMAP. */
/* SPDX-License-Identifier: MIT */
#include "pure/imap_text.h"
#include "tests/unit/tap.h"

static void
check_url(const char *text, const char *want)
{
	AUTO(imap_url_fini) struct imap_url url = {.host = NULL};
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf got = BUF_INIT;

	if (imap_url_parse(str_of(text), &url, &err))
		buf_printf(&got, "%s %s %d %s", url.tls ? "tls" : "plain", url.host, url.port,
			   url.folder);
	else
		buf_puts(&got, err_name(err.code));
	CHECK_STR(buf_cstr(&got), want);
}

static void
check_mailbox(const char *name, const char *want)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf got = BUF_INIT;

	if (!imap_mailbox_write(str_of(name), &got, &err)) {
		buf_clear(&got);
		buf_puts(&got, err_name(err.code));
	}
	CHECK_STR(buf_cstr(&got), want);
}

static const char *
time_of(const char *text)
{
	static struct buf out;
	struct wall wall;

	buf_clear(&out);
	if (!imap_time_parse(str_of(text), &wall))
		return NULL;
	wall_format(wall, &out);
	return buf_cstr(&out);
}

int
main(void)
{
	IT ("a URL names how, where and which mailbox") {
		check_url("imaps://mail.example.org/INBOX", "tls mail.example.org 993 INBOX");
		check_url("IMAP://h", "plain h 143 INBOX");
		check_url("imap://127.0.0.1:1143/", "plain 127.0.0.1 1143 INBOX");
		check_url("imaps://[::1]:9930/a/b", "tls [::1] 9930 a/b");
		check_url("imaps://h/Entw%C3%BCrfe%20%26", "tls h 993 Entwürfe &");
	}
	IT ("a URL that says more, or less, is refused") {
		check_url("https://h/", "invalid");
		check_url("imaps://", "invalid");
		check_url("imaps://u:p@h/INBOX", "invalid");
		check_url("imaps://h/INBOX;UIDVALIDITY=3", "invalid");
		check_url("imaps://h/INBOX?ALL", "invalid");
		check_url("imaps://h:0/", "invalid");
		check_url("imaps://h:65536/", "invalid");
		check_url("imaps://h:x/", "invalid");
		check_url("imaps://[::1/", "invalid");
		check_url("imaps://h/a%0d%0ab", "invalid");
		check_url("imaps://h/a%ff", "invalid");
		check_url("imaps://h/a%4", "invalid");
		check_url("imaps://h h/a", "invalid");
	}
	IT ("mailboxes are written in modified UTF-7, quoted") {
		check_mailbox("INBOX", "\"INBOX\"");
		check_mailbox("a\"b\\c", "\"a\\\"b\\\\c\"");
		check_mailbox("A&B", "\"A&-B\"");
		check_mailbox("Entwürfe", "\"Entw&APw-rfe\"");
		check_mailbox("~peter/mail/台北/日本語", "\"~peter/mail/&U,BTFw-/&ZeVnLIqe-\"");
		check_mailbox("😀", "\"&2D3eAA-\"");
		check_mailbox("a\r\nb", "invalid");
		check_mailbox("\xff", "invalid");
		check_mailbox("", "invalid");
	}
	IT ("dates are written and read") {
		AUTO(buf_fini) struct buf out = BUF_INIT;
		struct wall wall = {0};

		CHECK(wall_parse(STR("2026-11-01T23:59:59Z"), &wall));
		imap_date_write(wall, &out);
		CHECK_STR(buf_cstr(&out), "1-Nov-2026");
		CHECK_STR(time_of(" 1-Nov-2026 10:00:00 +0100"), "2026-11-01T09:00:00.000Z");
		CHECK_STR(time_of("20-nov-2026 00:30:00 -0930"), "2026-11-20T10:00:00.000Z");
		CHECK_STR(time_of("1-Jan-1970 00:00:00 +0000"), "1970-01-01T00:00:00.000Z");
		CHECK_STR(time_of("31-Feb-2026 10:00:00 +0000"), NULL);
		CHECK_STR(time_of("1-Nov-2026"), NULL);
		CHECK_STR(time_of("1-Nov-2026 10:00:00 +00000"), NULL);
		CHECK_STR(time_of("1-Nov-2026 25:00:00 +0000"), NULL);
		CHECK_STR(time_of(""), NULL);
	}
	IT ("criteria stay one line of ASCII, with what is opened closed") {
		CHECK(imap_criteria_check(STR("ALL"), NULL));
		CHECK(imap_criteria_check(STR("UNSEEN (FROM \"a {5} ) b\" OR SEEN DRAFT)"), NULL));
		CHECK(!imap_criteria_check(STR(""), NULL));
		CHECK(!imap_criteria_check(STR("ALL\r\nR9 LOGOUT"), NULL));
		CHECK(!imap_criteria_check(STR("SUBJECT {5}"), NULL));
		CHECK(!imap_criteria_check(STR("SUBJECT \"a"), NULL));
		CHECK(!imap_criteria_check(STR("ALL) (ALL"), NULL));
		CHECK(!imap_criteria_check(STR("(ALL"), NULL));
		CHECK(!imap_criteria_check(STR("SUBJECT gr\xc3\xbcn"), NULL));
	}
	IT ("flags are atoms") {
		CHECK(imap_flag_check(STR("\\Seen"), NULL));
		CHECK(imap_flag_check(STR("rouse-done"), NULL));
		CHECK(imap_flag_check(STR("$Agent"), NULL));
		CHECK(!imap_flag_check(STR(""), NULL));
		CHECK(!imap_flag_check(STR("\\"), NULL));
		CHECK(!imap_flag_check(STR("a b"), NULL));
		CHECK(!imap_flag_check(STR("a)"), NULL));
		CHECK(!imap_flag_check(STR("a\r\nb"), NULL));
		CHECK(!imap_flag_check(STR("a\\b"), NULL));
	}
	return tap_done();
}
