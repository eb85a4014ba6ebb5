/* Names that strangers give to files. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/tap.h"
#include "triggers/imap/attachments.h"

static const char *
name_of(struct str raw)
{
	static struct buf out;

	buf_clear(&out);
	attachment_name(raw, &out);
	return buf_cstr(&out);
}

int
main(void)
{
	IT ("ordinary names stay") {
		CHECK_STR(name_of(STR("invoice-2026_11.pdf")), "invoice-2026_11.pdf");
	}
	IT ("paths of any system lose all but their last part") {
		CHECK_STR(name_of(STR("../../etc/passwd")), "passwd");
		CHECK_STR(name_of(STR("C:\\Windows\\x.exe")), "x.exe");
		CHECK_STR(name_of(STR("/")), "attachment");
		CHECK_STR(name_of(STR("..")), "attachment");
		CHECK_STR(name_of(STR("a:stream")), "stream");
	}
	IT ("nothing is hidden, an option, or empty") {
		CHECK_STR(name_of(STR(".bashrc")), "bashrc");
		CHECK_STR(name_of(STR("--rf")), "rf");
		CHECK_STR(name_of(STR("x...")), "x");
		CHECK_STR(name_of(STR("")), "attachment");
	}
	IT ("blanks, control characters and other scripts become one underscore each") {
		CHECK_STR(name_of(STR("a b\n;$(c)'.sh")), "a_b____c__.sh");
		CHECK_STR(name_of(STR("f\xc3\xbcr.txt")), "f_r.txt");
		CHECK_STR(name_of(STR("exe.\xe2\x80\xae"
				      "fdp")),
			  "exe._fdp");
		CHECK_STR(name_of(str_make("a\0b", 3)), "a_b");
	}
	IT ("long names keep their ending") {
		AUTO(buf_fini) struct buf raw = BUF_INIT;

		for (int i = 0; i < 5000; i++)
			buf_putc(&raw, 'n');
		buf_puts(&raw, ".pdf");
		CHECK_INT(strlen(name_of(buf_str(&raw))), 100);
		CHECK(str_ends(str_of(name_of(buf_str(&raw))), STR(".pdf")));
	}
	return tap_done();
}
