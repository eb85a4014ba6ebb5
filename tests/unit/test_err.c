/* Errors: codes and sentences. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "base/err.h"

#include "tests/unit/tap.h"

static void
test_sentences(void)
{
	IT ("a sentence is set, replaced and freed") {
		AUTO(err_fini) struct err err = ERR_INIT;
		CHECK(!err_set(&err, E_STATE, "run %d has ended", 7));
		CHECK_INT(err.code, E_STATE);
		CHECK_STR(err_text(&err), "run 7 has ended");
		CHECK(!err_set(&err, E_IO, "other"));
		CHECK_STR(err_text(&err), "other");
		err_fini(&err);
		CHECK_INT(err.code, E_OK);
		CHECK(err.text == NULL);
	}
	IT ("a sentence may quote the one that it replaces") {
		AUTO(err_fini) struct err err = ERR_INIT;
		err_set(&err, E_IO, "inner");
		err_set(&err, E_CONFIG, "outer (%s)", err_text(&err));
		CHECK_STR(err_text(&err), "outer (inner)");
	}
	IT ("nobody who wants to know is no reason to fail") {
		CHECK(!err_set(NULL, E_IO, "x"));
		CHECK(!err_errno(NULL, ENOENT, "x"));
		CHECK(!err_prefix(NULL, "x"));
		CHECK(err_text(NULL) != NULL);
		err_fini(NULL);
	}
	IT ("a prefix keeps the code") {
		AUTO(err_fini) struct err err = ERR_INIT;
		err_set(&err, E_DRIFT, "it moved");
		CHECK(!err_prefix(&err, "change %d", 3));
		CHECK_INT(err.code, E_DRIFT);
		CHECK_STR(err_text(&err), "change 3: it moved");
	}
	IT ("a percent sign of an argument is no format") {
		AUTO(err_fini) struct err err = ERR_INIT;
		err_set(&err, E_INVALID, "%s", "100%s %n");
		err_prefix(&err, "%s", "%d");
		CHECK_STR(err_text(&err), "%d: 100%s %n");
	}
	IT ("a moved error is in one place only") {
		AUTO(err_fini) struct err from = ERR_INIT;
		AUTO(err_fini) struct err to = ERR_INIT;
		err_set(&to, E_IO, "old");
		err_set(&from, E_FULL, "new");
		CHECK(!err_move(&to, &from));
		CHECK_STR(err_text(&to), "new");
		CHECK(from.code == E_OK && !from.text);
		err_move(NULL, &to);
		CHECK(to.code == E_OK && !to.text);
		err_set(&to, E_IO, "self");
		err_move(&to, &to);
		CHECK_STR(err_text(&to), "self");
	}
}

static void
test_errno(void)
{
	IT ("a full disk, quota or memory is E_FULL, all else E_IO") {
		AUTO(err_fini) struct err err = ERR_INIT;
		const int full[] = {ENOSPC, EDQUOT, ENOMEM};
		for (size_t i = 0; i < ARRAY_LEN(full); i++) {
			err_errno(&err, full[i], "cannot write");
			CHECK_INT(err.code, E_FULL);
		}
		err_errno(&err, ENOENT, "cannot open %s", "/x");
		CHECK_INT(err.code, E_IO);
		CHECK_STR(err_text(&err), "cannot open /x: No such file or directory");
		CHECK_INT(errno, ENOENT);
		err_errno(&err, 99999, "cannot");
		CHECK_STR(err_text(&err), "cannot: error 99999");
	}
	IT ("setting a sentence leaves errno alone") {
		AUTO(err_fini) struct err err = ERR_INIT;
		errno = EBUSY;
		err_set(&err, E_IO, "x");
		err_prefix(&err, "y");
		CHECK_INT(errno, EBUSY);
	}
}

static void
test_table(void)
{
	IT ("every code is found by its name again") {
		for (int code = 0; code < ERR_CODES; code++)
			CHECK_INT(err_from_name(err_name((enum err_code)code)), code);
		CHECK_INT(err_from_name("no such name"), E_INTERNAL);
		CHECK_INT(err_from_name(NULL), E_INTERNAL);
	}
	IT ("a status of HTTP gives a code of the same exit status as its kind") {
		CHECK_INT(err_from_http(200), E_OK);
		CHECK_INT(err_from_http(204), E_OK);
		CHECK_INT(err_from_http(400), E_INVALID);
		CHECK_INT(err_from_http(403), E_DENIED);
		CHECK_INT(err_from_http(404), E_NOT_FOUND);
		CHECK_INT(err_exit(err_from_http(404)), 3);
		CHECK_INT(err_exit(err_from_http(409)), 4);
		CHECK_INT(err_from_http(413), E_TOO_LARGE);
		CHECK_INT(err_from_http(418), E_INVALID);
		CHECK_INT(err_from_http(500), E_INTERNAL);
		CHECK_INT(err_from_http(503), E_UNAVAILABLE);
		CHECK_INT(err_from_http(599), E_INTERNAL);
		CHECK_INT(err_from_http(0), E_INTERNAL);
	}
	IT ("a code from nowhere is an internal error") {
		CHECK_STR(err_name((enum err_code)12345), "internal");
		CHECK_INT(err_http((enum err_code) - 1), 500);
		CHECK(!err_again((enum err_code)12345));
	}
}

int
main(void)
{
	test_sentences();
	test_errno();
	test_table();
	return tap_done();
}
